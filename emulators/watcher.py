"""Runs one service for its owner, and ends it with all that it started when the owner ends, in whatever way.

A script of its own, of the standard library alone: `python -I -S watcher.py TASK`, TASK being `processes.Task` as
JSON. Its standard input is the owner's hold on it: closed, it means the end, unless a `d` came first (the service is
then to outlive its owner, until SIGTERM). It says `exited CODE` on its standard output when the service ends by
itself, and stays: the log can be read until the owner lets go. The folder goes with it.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import pwd
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36

_LOOK_S = 0.5
"""How often the owner is looked for besides: a process that it forked may hold the input open after its death."""


class Ended(Exception):
    """The owner is gone, or said that it is over."""


class Watcher:
    def __init__(self, task: dict[str, Any]) -> None:
        self.task, self.folder = task, Path(task["folder"])
        self.owner: int | None = os.getppid()
        self.asked = False
        self.child: subprocess.Popen[bytes] | None = None
        self._wake, wakes = os.pipe()
        os.set_blocking(wakes, False)
        os.set_blocking(self._wake, False)
        signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, self._ask)
        for ignored in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
            signal.signal(ignored, signal.SIG_IGN)
        _prctl(_PR_SET_CHILD_SUBREAPER, 1)

    def _ask(self, *_: object) -> None:
        self.asked = True

    def run(self) -> None:
        self.folder.mkdir(mode=0o700)
        try:
            with (self.folder / "log").open("ab", buffering=0) as log:
                if self.task["user"]:
                    shutil.chown(self.folder, self.task["user"])
                with contextlib.suppress(Ended):
                    self._serve(log)
                self._end()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _serve(self, log: Any) -> None:
        for argv in (*self.task["before"], self.task["argv"]):
            code = self._run(argv, log) if argv else 0
            if code:
                break
        if self.task["argv"] or code:
            with contextlib.suppress(OSError):  # nobody listens any more
                os.write(1, f"exited {code}\n".encode())
        while True:
            self._wait()

    def _run(self, argv: list[str], log: Any) -> int:
        """Runs a command until it ends; raises Ended when it is to be over before that."""
        try:
            self.child = subprocess.Popen(  # noqa: S603 - what the owner says
                argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self.task["env"],
                cwd=self.folder,
                start_new_session=True,
                preexec_fn=_die_with_parent,
                **_identity(self.task["user"]),
            )
        except OSError as error:
            os.write(log.fileno(), f"{argv[0]}: {error}\n".encode())
            return 127
        while (code := self.child.poll()) is None:
            self._wait()
        self._kill_all()  # what it may have left running
        return code

    def _wait(self, timeout_s: float = _LOOK_S) -> None:
        """Sleeps until something may have happened; raises Ended when it is to be over."""
        inputs = [self._wake] if self.owner is None else [self._wake, 0]
        readable, _, _ = select.select(inputs, [], [], timeout_s)
        if self._wake in readable:
            with contextlib.suppress(BlockingIOError):
                os.read(self._wake, 4096)
        if self.asked:
            raise Ended
        if 0 in readable:
            said = os.read(0, 1)
            if said != b"d":
                raise Ended
            self.owner = None
        if self.owner is not None and os.getppid() != self.owner:
            raise Ended

    def _end(self) -> None:
        child = self.child
        if child and child.poll() is None:
            _kill_group(child.pid, self.task["stop_signal"])
            until = time.monotonic() + self.task["grace_s"]
            while child.poll() is None and (left := until - time.monotonic()) > 0:
                select.select([self._wake], [], [], min(left, 0.05))
                with contextlib.suppress(BlockingIOError):
                    os.read(self._wake, 4096)
        self._kill_all()
        if self.task["after"]:
            with contextlib.suppress(OSError, subprocess.TimeoutExpired):
                subprocess.run(self.task["after"], env=self.task["env"], capture_output=True, timeout=20)  # noqa: S603 - the catalogue's own command

    def _kill_all(self) -> None:
        """Kills the service's group and whatever else descends from it: orphans come to this process."""
        if self.child:
            _kill_group(self.child.pid, signal.SIGKILL)
            self.child.wait()
        while children := _children():
            for pid in children:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(-1, 0)


def _kill_group(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def _children() -> list[int]:
    try:
        return [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]
    except OSError:  # not Linux
        return []


def _identity(user: str) -> dict[str, Any]:
    if not user:
        return {}
    return {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}


def _prctl(option: int, value: int) -> None:
    if _LIBC:
        _LIBC.prctl(option, value, 0, 0, 0)


def _die_with_parent() -> None:
    # Should the watcher itself be killed. Set last: a change of user clears it.
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None

if __name__ == "__main__":
    Watcher(json.loads(sys.argv[1])).run()
