"""Services as processes: started, waited for, stopped; nothing of them stays, in whatever way their owner ends."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from emulators import listeners, processes
from emulators.processes import Launch, NotStarted, Place, Process, Starting, start_all, started_at

SERVER = """
import socket, subprocess, sys
host, port = sys.argv[1], int(sys.argv[2])
if "child" in sys.argv:  # one that has left the group
    subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)"], start_new_session=True)
listening = socket.create_server((host, port))
while True:
    connection, _ = listening.accept()
    connection.sendall(b"here")
    connection.close()
"""


def server(*words: str, host: str = "127.0.0.1") -> Callable[[Place], Launch]:
    return lambda place: Launch(argv=(sys.executable, "-S", "-c", SERVER, host, str(place.port), *words))


def answers(place: Place) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", place.port), timeout=2) as connection:
            return connection.recv(4) == b"here"
    except OSError:
        return False


def starting(launch: Callable[[Place], Launch], *, timeout_s: float = 20.0, port: int = 0) -> Starting:
    return Starting("test", launch, answers, timeout_s=timeout_s, port=port)


def started(launch: Callable[[Place], Launch], **options: float) -> Process:
    found = starting(launch, **options)  # type: ignore[arg-type]  # numbers of their kind
    start_all([found])
    return found.process


def gone(process: Process, pids: list[int]) -> bool:
    return not process.place.folder.exists() and not any(started_at(pid) for pid in pids)


def test_process_stopped_leaves_no_descendant_port_or_folder() -> None:
    process = started(server("child"))
    pids = listeners.descendants(process.pid)
    assert len(pids) == 3
    assert answers(process.place)
    process.stop()
    assert gone(process, pids)
    assert processes.can_bind(process.place.port)


def test_process_that_ends_at_once_says_what_it_logged() -> None:
    launch = Launch(argv=(sys.executable, "-S", "-c", "print('no such option'); raise SystemExit(3)"))
    with pytest.raises(NotStarted, match=r"(?s)test: exited 3; it logged last:\nno such option"):
        started(lambda _: launch)
    assert not list(Path(tempfile.gettempdir()).glob(f"clef-test-{os.getpid()}-*"))


def test_program_that_is_not_there_is_named() -> None:
    with pytest.raises(NotStarted, match="/nowhere/redis"):
        started(lambda _: Launch(argv=("/nowhere/redis",)))


def test_command_before_that_fails_is_the_end() -> None:
    launch = Launch(
        argv=("/nowhere/postgres",), before=((sys.executable, "-S", "-c", "raise SystemExit('bad disk')"),)
    )
    with pytest.raises(NotStarted, match="exited 1; it logged last:\nbad disk"):
        started(lambda _: launch)


def test_process_that_never_answers_is_stopped() -> None:
    slow = starting(
        lambda _: Launch(argv=(sys.executable, "-S", "-c", "import time; time.sleep(600)")), timeout_s=0.3
    )
    pids = listeners.descendants(slow.process.pid)
    with pytest.raises(NotStarted, match=r"does not answer on port \d+ in 0.3 s"):
        start_all([slow])
    assert gone(slow.process, pids)


def test_process_on_every_address_is_refused() -> None:
    open_ = starting(server(host="0.0.0.0"))
    with pytest.raises(NotStarted, match=r"it listens on 0\.0\.0\.0:\d+, where others can reach it"):
        start_all([open_])
    assert gone(open_.process, [])


def test_port_that_another_takes_first_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    # The other answers as the service would: it must not be taken for it.
    other = started(server())
    free = processes.free_port()
    ports = iter((other.place.port, free))
    monkeypatch.setattr(processes, "free_port", lambda: next(ports))
    process = started(server())
    assert process.place.port == free
    process.stop()
    other.stop()


def test_port_that_is_in_use_and_fixed_is_named() -> None:
    other = started(server())
    with pytest.raises(NotStarted, match=f"port {other.place.port} is in use"):
        started(server(), port=other.place.port)
    other.stop()


def test_one_that_fails_stops_the_others() -> None:
    good = starting(server())
    bad = starting(lambda _: Launch(argv=("/nowhere/redis",)))
    with pytest.raises(NotStarted, match="/nowhere/redis"):
        start_all([good, bad])
    assert gone(good.process, [good.process.pid])


OWNER = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job, and all it starts, ignores it
sys.path.insert(0, {tests!r})
from test_emulators_processes import listeners, server, started
process = started(server("child"))
print(process.place.folder, *listeners.descendants(process.pid), flush=True)
{then}
"""


def owner(then: str) -> tuple[subprocess.Popen[str], Path, list[int]]:
    """A process with a service; what the service is."""
    code = textwrap.dedent(OWNER).format(tests=str(Path(__file__).parent), then=then)
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout
    folder, *pids = process.stdout.readline().split()
    return process, Path(folder), [int(pid) for pid in pids]


def wait_gone(folder: Path, pids: list[int]) -> None:
    # The watchers are nobody's children: only looking says that they are gone.
    for pid in pids:
        try:
            handle = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        assert select.select([handle], [], [], 10)[0], f"process {pid} is left"
        os.close(handle)
    assert not folder.exists()


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="waits by pidfd_open")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_service_of_an_owner_that_is_killed_ends(number: signal.Signals) -> None:
    process, folder, pids = owner("import time; time.sleep(600)")
    os.killpg(process.pid, number)
    process.communicate()
    wait_gone(folder, pids)


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="waits by pidfd_open")
def test_service_of_an_owner_whose_fork_lives_on_ends() -> None:
    process, folder, pids = owner(
        "import os, time\nif os.fork(): os.kill(os.getpid(), 9)\ntime.sleep(600)"  # the fork has the pipe, too
    )
    process.wait()
    wait_gone(folder, pids)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="waits by pidfd_open")
def test_service_whose_watcher_is_killed_ends() -> None:
    process = started(server())
    pids = listeners.descendants(process.pid)
    handle = os.pidfd_open(pids[1])
    os.kill(process.pid, signal.SIGKILL)
    assert select.select([handle], [], [], 10)[0]
    os.close(handle)
    process.stop()
    assert gone(process, pids)


def test_stop_watcher_of_another_process_with_its_pid_does_nothing() -> None:
    assert not processes.stop_watcher(os.getpid(), "some other time")
    assert not processes.stop_watcher(os.getpid(), "")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.0.1", "::1", "::ffff:127.0.0.1"])
def test_loopback_is_what_only_this_machine_reaches(host: str) -> None:
    assert listeners.loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "::ffff:10.0.0.1"])
def test_loopback_is_no_address_that_others_reach(host: str) -> None:
    assert not listeners.loopback(host)
