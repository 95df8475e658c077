"""Starts a service on a free loopback port, waits until it answers, and stops it: nothing of it stays.

Each service is the child of a watcher (`watcher.py`), which ends it when its owner ends, whether by `stop`, Ctrl-C or
a crash. Where /proc is, it is also seen that the service itself listens on its port, and on loopback alone.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import msgspec

from clef_runtime.errors import ClefError
from emulators import listeners

PORTS_TRIED = 3
"""Ports on which a service is tried: another may take a free one before it does."""

_POLL_S = 0.02
_STOP_S = 30.0
"""Longer than a watcher gives its service to end."""

_KEPT = ("PATH", "LANG", "LC_ALL", "TZ", "JAVA_HOME", "DOCKER_HOST", "XDG_RUNTIME_DIR", "LD_LIBRARY_PATH")
"""All that a service gets of the owner's environment: endpoints and Python paths of the owner's mislead it."""


class NotStarted(ClefError):
    """A service that did not start, or did not answer; says what it logged last."""


class Place(msgspec.Struct, frozen=True):
    """Where a service is to run: its own new folder, and the port on 127.0.0.1."""

    folder: Path
    port: int


class Launch(msgspec.Struct, frozen=True, kw_only=True):
    """What to run. `argv` empty: nothing, only the folder is held. `before`: commands that must succeed first, in the
    same way. `env`: beside PATH and the like; HOME and TMPDIR are the folder. `user`: whom to run as, when root.
    `after`: run when it has ended. `grace_s`: between the stop signal and a kill. `listens`: the process itself
    does, not another for it."""

    argv: tuple[str, ...]
    before: tuple[tuple[str, ...], ...] = ()
    after: tuple[str, ...] = ()
    env: dict[str, str] = {}
    user: str = ""
    stop_signal: int = signal.SIGTERM
    grace_s: float = 5.0
    listens: bool = True


class Task(msgspec.Struct, kw_only=True):
    """What the watcher is told."""

    argv: tuple[str, ...]
    before: tuple[tuple[str, ...], ...]
    after: tuple[str, ...]
    env: dict[str, str]
    folder: str
    user: str
    stop_signal: int
    grace_s: float


class Process:
    """A service under its watcher. `pid` and `started` are the watcher's."""

    def __init__(self, place: Place, launch: Launch) -> None:
        self.place, self._launch = place, launch
        task = Task(
            argv=launch.argv,
            before=launch.before,
            after=launch.after,
            env={
                **{name: os.environ[name] for name in _KEPT if name in os.environ},
                "HOME": str(place.folder),
                "TMPDIR": str(place.folder),
                **launch.env,
            },
            folder=str(place.folder),
            user=launch.user,
            stop_signal=launch.stop_signal,
            grace_s=launch.grace_s,
        )
        script = str(Path(__file__).with_name("watcher.py"))
        self._watcher = subprocess.Popen(  # noqa: S603 - the project's own script
            [sys.executable, "-I", "-S", script, msgspec.json.encode(task).decode()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        self.pid, self.started = self._watcher.pid, started_at(self._watcher.pid)
        self._exit = ""

    def exited(self) -> str:
        """How the service ended by itself, in words; empty while it runs."""
        assert self._watcher.stdout
        if not self._exit and select.select([self._watcher.stdout], [], [], 0)[0]:
            said = os.read(self._watcher.stdout.fileno(), 100).decode().strip()
            self._exit = said or f"its watcher ended with {self._watcher.wait()}"
        return self._exit

    def listens(self) -> bool:
        """It is this service that listens on its port, on loopback alone.

        Raises:
            NotStarted: it listens where others can reach it.
        """
        if not self._launch.listens or not self._launch.argv:
            return True
        found = listeners.of(self.pid)
        if found is None:
            return True
        reachable = sorted(f"{host}:{port}" for host, port in found if not listeners.loopback(host))
        if reachable:
            raise NotStarted(f"it listens on {', '.join(reachable)}, where others can reach it, and was stopped")
        return any(port == self.place.port for _, port in found)

    def log(self, lines: int = 12) -> str:
        """The last lines that it logged."""
        try:
            text = (self.place.folder / "log").read_text("utf-8", "replace")
        except OSError:
            return ""
        return "\n".join(text.splitlines()[-lines:])

    def detach(self) -> None:
        """Lets it run on after this process; `stop_watcher` ends it then."""
        assert self._watcher.stdin and self._watcher.stdout
        self._watcher.stdin.write(b"d")
        self._watcher.stdin.close()
        self._watcher.stdout.close()
        # It is somebody else's child from now on; without this, a warning would say that it still runs.
        self._watcher.returncode = 0

    def stop(self) -> None:
        """Ends it and waits until it is gone, with its folder."""
        assert self._watcher.stdin and self._watcher.stdout
        with contextlib.suppress(OSError):
            self._watcher.stdin.close()
        try:
            self._watcher.wait(_STOP_S + self._launch.grace_s)
        except subprocess.TimeoutExpired:
            self._watcher.kill()  # the kernel kills its child then
            self._watcher.wait()
        self._watcher.stdout.close()
        shutil.rmtree(self.place.folder, ignore_errors=True)  # there still where the watcher was killed


class Starting:
    """A service on its way up: `step` until it is true.

    Args:
        name: for words and the folder's name.
        launch: what to run at a place.
        answers: asks the service at a place.
        port: a fixed one; 0: a free one, and another where somebody else takes it first.
    """

    def __init__(
        self,
        name: str,
        launch: Callable[[Place], Launch],
        answers: Callable[[Place], bool],
        *,
        timeout_s: float,
        port: int = 0,
    ) -> None:
        self.name, self._launch, self._answers = name, launch, answers
        self._fixed, self._timeout_s = port, timeout_s
        self._tried = 0
        self._began_s = time.monotonic()
        self.ready_s = 0.0
        self.process = self._start()

    def step(self) -> bool:
        """True once it answers. Raises NotStarted, after it is stopped."""
        try:
            return self._step()
        except BaseException:
            self.process.stop()
            raise

    def _step(self) -> bool:
        ended = self.process.exited()
        if ended:
            self._again_or_raise(ended)
            return False
        if self._answers(self.process.place) and self.process.listens() and not self.process.exited():
            self.ready_s = time.monotonic() - self._began_s
            return True
        if time.monotonic() - self._began_s > self._timeout_s:
            raise NotStarted(
                self._words(f"does not answer on port {self.process.place.port} in {self._timeout_s:g} s")
            )
        return False

    def _start(self) -> Process:
        self._tried += 1
        name = f"clef-{self.name}-{os.getpid()}-{time.monotonic_ns():x}"
        place = Place(Path(tempfile.gettempdir()) / name, self._fixed or free_port())
        return Process(place, self._launch(place))

    def _again_or_raise(self, ended: str) -> None:
        port = self.process.place.port
        taken = not can_bind(port)
        if taken and not self._fixed and self._tried < PORTS_TRIED:
            self.process.stop()
            self.process = self._start()
            return
        why = f"port {port} is in use" if taken else ended
        raise NotStarted(self._words(why))

    def _words(self, why: str) -> str:
        log = self.process.log()
        return f"{self.name}: {why}" + (f"; it logged last:\n{log}" if log else "; it logged nothing")


def start_all(waiting: Sequence[Starting]) -> None:
    """Waits until each of them answers. When one does not, or at Ctrl-C, none is left running.

    Raises:
        NotStarted: of the first that did not.
    """
    left = list(waiting)
    try:
        while left:
            left = [each for each in left if not each.step()]
            if left:
                time.sleep(_POLL_S)
    except BaseException:
        stop_all(each.process for each in waiting)
        raise


def stop_all(running: Iterable[Process]) -> None:
    """Stops all of them, whatever happens to one."""
    with contextlib.ExitStack() as stack:
        for process in running:
            stack.callback(process.stop)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody uses now."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def can_bind(port: int) -> bool:
    """Nobody listens on this port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def started_at(pid: int) -> str:
    """When a process started: with its pid, this says which it is, as pids come again. Empty: there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        if Path("/proc/self/stat").exists():
            return ""
        found = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True)  # noqa: S603,S607 - a number only
        return found.stdout.strip()
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] == "Z" else f"{boot}:{fields[19]}"


def stop_watcher(pid: int, started: str) -> bool:
    """Ends a detached service by its watcher, waits until it is gone; False where it was gone already.

    Raises:
        NotStarted: it does not end.
    """
    if not started or started_at(pid) != started:
        return False
    os.kill(pid, signal.SIGTERM)
    until = time.monotonic() + _STOP_S
    while started_at(pid) == started:
        if time.monotonic() > until:
            raise NotStarted(f"process {pid} does not end; see what it does and kill it by hand")
        time.sleep(_POLL_S)
    return True
