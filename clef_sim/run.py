"""One run: set up, workload under faults, then the faults stop and the world must settle."""

from __future__ import annotations

from collections.abc import Callable

from clef_sim.emulated.backends import Backends
from clef_sim.kernel.choices import Choices
from clef_sim.kernel.garbage import seldom_collected
from clef_sim.prepared import Prepared
from clef_sim.scenario import Bursts, Client, EngineRestart, Fault, Fixed, Poisson, Ramp, Recorded, Redrive
from clef_sim.workload import arrivals
from clef_sim.world import World

SLICE_S = 5.0
"""How often (virtual seconds) a caller hears of progress."""

LOOK_S = 1.0
LOOK_SHARE = 0.01
"""How often it is looked whether the world rests: each second, later each hundredth of the time waited so far."""

FAULTS_AFTER_S = 30.0
"""Faults go on for so long after the last request: what fails late fails then."""

SETUP_CLIENT = Client(attempts=8, pause_s=0.5)


class Run:
    """A world and what happens in it. Arguments: as `World`."""

    def __init__(
        self, prepared: Prepared, choices: Choices, backends: Backends | None = None, *, keep: bool = True
    ) -> None:
        self.prepared = prepared
        self.world = World(prepared, choices, backends, keep=keep)
        self._finished = False

    def run(self, progress: Callable[[float], None] | None = None) -> None:
        """Runs to the end.

        Args:
            progress: called now and then with the virtual seconds that have passed.

        Raises:
            BackendFailed: a real service stopped answering, or does not hold at the end what it was given.
        """
        kernel = self.world.kernel
        kernel.spawn(self._script, who="script")
        with seldom_collected():
            while not self._finished:
                kernel.run(until=kernel.now + SLICE_S)
                if progress is not None:
                    progress(kernel.now)
            kernel.close()
        self.world.cloud.close()

    def _script(self) -> None:
        world, history, scenario = self.world, self.world.history, self.prepared.scenario
        self._set_up()
        origin_s = world.kernel.now
        history.add("phase", "workload")
        world.begin_faults()
        self._schedule_faults()
        self._send(origin_s)
        self._sleep_until(origin_s + faults_end_s(self.prepared))
        world.stop_faults()
        history.add("phase", "faults_stopped")
        rests = self._wait_quiet(scenario.settle_s)
        history.add("phase", "settled" if rests else "unsettled", dead_letters=world.dead_letters)
        self._finished = True

    def _set_up(self) -> None:
        world = self.world
        world.faults.stop()
        number = 0
        for setup in self.prepared.requests.setup:
            for request in setup.requests():
                world.outside.start(setup.template.name, request, f"setup-{number}", SETUP_CLIENT)
                number += 1
            self._wait_quiet(self.prepared.scenario.settle_s)

    def _send(self, origin_s: float) -> None:
        world, client = self.world, self.prepared.scenario.workload.client
        coming = arrivals(
            self.prepared.scenario.workload, self.prepared.requests, world.choices, self.prepared.folder
        )
        for number, arrival in enumerate(coming):
            self._sleep_until(origin_s + arrival.at_s)
            world.outside.start(arrival.name, arrival.request, f"request-{number}", client)

    def _schedule_faults(self) -> None:
        world = self.world
        for armed, restart in world.faults.of(EngineRestart):

            def die(armed=armed) -> None:  # type: ignore[no-untyped-def]  # bound in the loop
                if world.engine is not None and armed.strikes():
                    world.history.add("fault", armed.name, target=world.names.engine, does="restart")
                    world.engine.restart(armed.name)

            world.kernel.call_later(restart.at_s, die)
        for at_s in sorted({redrive.at_s for _, redrive in world.faults.of(Redrive)}):
            world.kernel.call_later(at_s, world.cloud.queue_faults.redrive)

    def _sleep_until(self, at_s: float) -> None:
        kernel = self.world.kernel
        if at_s > kernel.now:
            kernel.sleep(at_s - kernel.now)

    def _wait_quiet(self, most_s: float) -> bool:
        """Waits until nothing is under way; False after `most_s`."""
        kernel, since_s = self.world.kernel, self.world.kernel.now
        kernel.sleep(LOOK_S)
        while not self.world.quiet:
            waited_s = kernel.now - since_s
            if waited_s >= most_s:
                return False
            kernel.sleep(max(LOOK_S, LOOK_SHARE * waited_s))
        return True


def faults_end_s(prepared: Prepared) -> float:
    """When the faults stop, in virtual seconds of the workload."""
    workload = prepared.scenario.workload
    match workload:
        case Fixed():
            last_s = workload.count * workload.every_s
        case Bursts():
            last_s = workload.count * workload.every_s
        case Poisson() | Ramp():
            last_s = workload.duration_s
        case Recorded():
            last_s = 0.0  # the script has sent everything by then
    marks = [_mark_s(fault) for fault in prepared.scenario.faults]
    return max([last_s, *marks]) + FAULTS_AFTER_S


def _mark_s(fault: Fault) -> float:
    if isinstance(fault, EngineRestart | Redrive):
        return fault.at_s
    return fault.until_s or fault.from_s
