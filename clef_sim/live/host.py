"""The host of a live run: `python -m clef_sim.live.host TASK`, TASK being `task.Task` as JSON.

It plays the cloud's platform. All is imported once, here; the processes of the functions are forked from it, and one
that dies is followed by another. It runs until it is ended, and what it forked with it (`emulators.watcher`).
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from clef_runtime.context import SystemClock
from clef_runtime.errors import ClefError
from clef_sim.faults import Armed
from clef_sim.kernel.choices import Seeded
from clef_sim.live.board import NOT_READY, Board
from clef_sim.live.faults import shared_faults
from clef_sim.live.history import SUFFIX, Here, WrittenHistory
from clef_sim.live.instance import CRASHED, Place
from clef_sim.live.serving import listening
from clef_sim.live.task import URLS, Slot, Task, board_path, slots_of
from clef_sim.live.worker import Worker
from clef_sim.runner import prepared_for
from clef_sim.scenario import EngineRestart
from emulators.provisioned import needed

BAD_INPUT, BROKEN = 2, 3
"""Exit codes: what was given is wrong; a process could not start."""

_LOOK_S = 0.01


class Host:
    """Keeps the processes of a run up."""

    def __init__(self, task: Task, folder: Path) -> None:
        self._task, self._folder = task, folder
        self._prepared = prepared_for(task.file, task.variant, task.topology)
        _import_sdks(needed(self._prepared.manifest))
        self._clock = SystemClock()
        slots = slots_of(self._prepared, task.crew.processes)
        self._board = Board(board_path(folder), len(self._prepared.scenario.faults), len(slots))
        here = Here(task.zero_s, "host")
        self._history = WrittenHistory(here, folder / f"host{SUFFIX}")
        self._here = here
        faults = shared_faults(self._prepared.scenario.faults, here, Seeded(task.seed, record=False), self._board)
        self._restarts: list[tuple[Armed, EngineRestart]] = faults.of(EngineRestart)
        self._listeners: dict[str, socket.socket] = {
            name: listening() for name in dict.fromkeys(slot.function for slot in slots if slot.http)
        }
        self._numbers: dict[str, int] = {}
        self._running: dict[int, tuple[Slot, Place]] = {}
        urls = {name: f"http://127.0.0.1:{each.getsockname()[1]}" for name, each in self._listeners.items()}
        (folder / URLS).write_bytes(msgspec.json.encode(urls))
        for slot in slots:
            self._start(slot)

    def run(self) -> NoReturn:
        """Until it is ended, or a process cannot start."""
        while True:
            self._reap()
            self._thaw()
            self._restart_engine()
            self._clock.sleep(_LOOK_S)

    def _start(self, slot: Slot) -> None:
        number = self._numbers[slot.function] = self._numbers.get(slot.function, 0) + 1
        place = slot.place(number)
        self._board.set_worker(slot.row, NOT_READY)
        pid = os.fork()
        if pid == 0:
            self._become(slot, place)
        self._running[pid] = (slot, place)

    def _become(self, slot: Slot, place: Place) -> NoReturn:
        code = BROKEN
        try:
            self._history.close()
            task, prepared = self._task, self._prepared
            Worker(task, prepared, slot, place, self._board, self._folder, self._listeners).run()
        except ClefError as error:
            code = BAD_INPUT
            sys.stderr.write(f"{place.name}: {error}\n")
        except BaseException:  # whatever it is: the host is told by the exit code
            sys.stderr.write(f"{place.name}: {traceback.format_exc()}\n")
        sys.stderr.flush()
        os._exit(code)

    def _reap(self) -> None:
        while self._running:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            slot, place = self._running.pop(pid)
            code = os.waitstatus_to_exitcode(status)
            if self._board.worker(slot.row).busy == NOT_READY:
                raise SystemExit(code if code in (BAD_INPUT, BROKEN) else BROKEN)
            if code != CRASHED:
                # Not by a fault that it wrote of: what its threads were about is not on record.
                how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
                self._tell("killed", place, reason=how, untold=True)
            self._start(slot)

    def _thaw(self) -> None:
        for pid, (slot, place) in self._running.items():
            state = self._board.worker(slot.row)
            if 0.0 < state.thaw_at_s <= self._here.now:
                self._board.set_worker(slot.row, state.busy, state.queued)
                self._tell("thawed", place)
                os.kill(pid, signal.SIGCONT)

    def _restart_engine(self) -> None:
        for armed, spec in self._restarts:
            began_s = self._board.began_s
            if began_s and self._here.now >= began_s + spec.at_s and armed.strikes():
                for pid, (slot, place) in self._running.items():
                    if not slot.concepts:
                        self._history.add("fault", armed.name, target=place.function, does="restart")
                        os.kill(pid, signal.SIGUSR1)

    def _tell(self, what: str, place: Place, **data: Any) -> None:
        self._history.add("instance", what, function=place.function, instance=place.name, **data)


def _import_sdks(services: Sequence[str]) -> None:
    """Once, for all that are forked. Connections do not survive a fork; boto3's clients have none before their first
    call, and what the first of them has read of its service's description, the others need not read again."""
    if {"firestore", "pubsub"} & set(services):
        from clef_runtime.deploy import google_clients  # noqa: F401 - for those that are forked
    if {"dynamodb", "sqs"} & set(services):
        from clef_runtime.deploy.aws_clients import AwsClients

        clients = AwsClients()
        for service in ("dynamodb", "sqs"):
            if service in services:
                getattr(clients, service)()


def main() -> None:
    logging.basicConfig(format="%(process)d %(name)s: %(message)s")
    folder = Path.cwd()
    task = msgspec.json.decode(sys.argv[1], type=Task)
    os.chdir(task.cwd)
    try:
        host = Host(task, folder)
    except ClefError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(BAD_INPUT) from None
    host.run()


if __name__ == "__main__":
    main()
