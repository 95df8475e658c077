"""One live run: processes are started, requests are sent at their times, and all must come to rest."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import msgspec

from clef_runtime.context import SystemClock
from clef_runtime.deploy.names import Names
from clef_runtime.errors import BadInput, ClefError
from clef_sim.emulated.backends import BackendFailed, Backends
from clef_sim.faults import Faults
from clef_sim.history import Event, History
from clef_sim.kernel.choices import Seeded
from clef_sim.live.board import Board
from clef_sim.live.faults import shared_faults
from clef_sim.live.history import SUFFIX, Here, WrittenHistory, merged
from clef_sim.live.outside import Outside
from clef_sim.live.site import LiveSite, Queues, Watch
from clef_sim.live.task import URLS, Crew, Task, board_path, slots_of
from clef_sim.prepared import Prepared
from clef_sim.run import FAULTS_AFTER_S, SETUP_CLIENT, faults_end_s
from clef_sim.workload import arrivals
from emulators.processes import Launch, NotStarted, Place, Process, Starting, start_all

READY_S = 60.0
"""Within this, all processes take work."""

_LOOK_S = 0.1
_LOOKS = 3
"""So many times one after another all must rest: between two processes, what is under way may not be seen."""


class HostFailed(ClefError):
    """The host of a run ended by itself, or what it was to start did not come up. Says what it logged last."""


class Lived(msgspec.Struct, frozen=True):
    """What a run left. `faults`: how often each struck. `seconds`: of the wall clock, without start and end.
    `failed`: why it did not come to its end."""

    events: list[Event]
    faults: dict[str, int]
    seconds: float
    failed: BackendFailed | HostFailed | None = None


def live(prepared: Prepared, backends: Backends, seed: int, crew: Crew) -> Lived:
    """Runs for real. Nothing of it stays, whether it ends, fails or is interrupted.

    Raises:
        BadInput: what was given is wrong, told here or by a process of the run.
        HostFailed: a process could not start.
    """
    site = LiveSite(prepared, backends)
    site.prepare()
    zero_s = SystemClock().monotonic()
    task = Task(
        file=str(Path(prepared.scenario.file).resolve()),
        variant=prepared.variant.name,
        topology=prepared.topology,
        seed=seed,
        zero_s=zero_s,
        crew=crew,
        project=site.project,
        cwd=str(Path.cwd()),
    )
    host = _started(task, prepared, site.env)
    watch = Watch(site.backends)
    try:
        return _Script(prepared, seed, task, host, watch, site.queues(host.place.folder)).run()
    finally:
        watch.stop()
        host.stop()


def _started(task: Task, prepared: Prepared, env: dict[str, str]) -> Process:
    argv = (sys.executable, "-m", "clef_sim.live.host", msgspec.json.encode(task).decode())
    path = os.pathsep.join([str(Path(each).resolve()) for each in sys.path])
    launch = Launch(argv=argv, env={**env, "PYTHONPATH": path}, listens=False, grace_s=0.5)
    starting = Starting("live", lambda _: launch, lambda place: _ready(place, prepared, task), timeout_s=READY_S)
    try:
        start_all([starting])
    except NotStarted as error:
        kind = BadInput if "exited 2" in str(error).partition(";")[0] else HostFailed
        raise kind(f"live run of {prepared.name} on {prepared.template}: {error}") from None
    return starting.process


def _ready(place: Place, prepared: Prepared, task: Task) -> bool:
    if not (place.folder / URLS).exists():
        return False
    board = _board(place.folder, prepared, task)
    try:
        return all(worker.busy >= 0 for worker in board.workers())
    finally:
        board.close()


def _board(folder: Path, prepared: Prepared, task: Task) -> Board:
    return Board(board_path(folder), len(prepared.scenario.faults), len(slots_of(prepared, task.crew.processes)))


class _Script:
    """As `clef_sim.run.Run`, on the wall clock."""

    def __init__(
        self, prepared: Prepared, seed: int, task: Task, host: Process, watch: Watch, queues: Queues
    ) -> None:
        self._prepared, self._seed, self._host = prepared, seed, host
        self._watch, self._queues = watch, queues
        self._folder = folder = host.place.folder
        self._clock = SystemClock()
        self._here = Here(task.zero_s, "script")
        self._history: History = WrittenHistory(self._here, folder / f"script{SUFFIX}")
        self._board = _board(folder, prepared, task)
        urls = msgspec.json.decode((folder / URLS).read_bytes(), type=dict[str, str])
        self._outside = Outside(urls[_entry(prepared)], self._here, self._history)
        self._choices = Seeded(seed, record=False)
        self._faults: Faults = shared_faults(prepared.scenario.faults, self._here, self._choices, self._board)

    def run(self) -> Lived:
        began_s = self._clock.monotonic()
        failed: BackendFailed | HostFailed | None = None
        try:
            self._play()
        except (BackendFailed, HostFailed) as error:
            failed = error
        finally:
            self._outside.close()
        took_s = self._clock.monotonic() - began_s
        struck = {armed.name: self._board.fault(number)[1] for number, armed in enumerate(self._faults.armed)}
        return Lived(merged(self._folder), struck, took_s, failed)

    def _play(self) -> None:
        scenario, history = self._prepared.scenario, self._history
        self._set_up()
        origin_s = self._here.now
        history.add("phase", "workload")
        self._board.begin(origin_s)
        self._send(origin_s)
        self._sleep_until(origin_s + faults_end_s(self._prepared) - FAULTS_AFTER_S)
        self._wait_quiet(FAULTS_AFTER_S)  # what rests, no fault can strike
        self._board.stop(self._here.now)
        history.add("phase", "faults_stopped")
        rests = self._wait_quiet(scenario.settle_s)
        history.add("phase", "settled" if rests else "unsettled", dead_letters=self._queues.dead_letters())

    def _set_up(self) -> None:
        number = 0
        for setup in self._prepared.requests.setup:
            for request in setup.requests():
                self._outside.start(setup.template.name, request, f"setup-{number}", SETUP_CLIENT)
                number += 1
            self._wait_quiet(self._prepared.scenario.settle_s)

    def _send(self, origin_s: float) -> None:
        workload = self._prepared.scenario.workload
        coming = arrivals(workload, self._prepared.requests, self._choices, self._prepared.folder)
        for number, arrival in enumerate(coming):
            self._sleep_until(origin_s + arrival.at_s)
            self._outside.start(arrival.name, arrival.request, f"request-{number}", workload.client)

    def _sleep_until(self, at_s: float) -> None:
        while (left_s := at_s - self._here.now) > 0:
            self._wait(min(left_s, _LOOK_S))

    def _wait_quiet(self, most_s: float) -> bool:
        """Waits until all rests; False after `most_s`."""
        until_s = self._here.now + most_s
        looks = 0
        while looks < _LOOKS:
            if self._here.now >= until_s:
                return False
            self._wait(_LOOK_S)
            looks = looks + 1 if self._quiet() else 0
        return True

    def _quiet(self) -> bool:
        resting = not self._outside.waiting and all(worker.rests for worker in self._board.workers())
        return resting and not self._queues.waiting()

    def _wait(self, seconds: float) -> None:
        self._clock.sleep(seconds)
        self._watch.check()
        ended = self._host.exited()
        if ended:
            raise HostFailed(f"the host of the run {ended}; it logged last:\n{self._host.log()}")


def _entry(prepared: Prepared) -> str:
    return Names(prepared.manifest, prepared.app.name).function("Web")
