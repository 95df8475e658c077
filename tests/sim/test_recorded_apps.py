"""Whole apps on the real runtime, recorded: the reference agrees with the engine, and planted bugs show."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence

import msgspec
import pytest
from recorded_app import RecordedApp

from clef_runtime.errors import ClefError, Throttled
from clef_runtime.guard.memory import MemoryFiringGuard
from clef_runtime.model import Completion, Firing, Invocation
from clef_runtime.receiver import Delivery
from clef_runtime.transport.base import Dispatcher
from clef_sim.checkers import Verdict
from clef_sim.metrics import measure
from clef_sim.recorded import RecordedDispatcher, RecordedGuard
from scenarios.apps.conduit import app as conduit
from scenarios.apps.fanout import app as fanout
from scenarios.apps.orders import app as orders

APPS = {"conduit": conduit, "fanout": fanout, "orders": orders}


@pytest.mark.parametrize("delivery", ["recorded", "transactional"])
@pytest.mark.parametrize("name", APPS)
def test_recorded_app_all_checkers_are_valid_and_the_reference_agrees(name: str, delivery: Delivery) -> None:
    world = RecordedApp(APPS[name], delivery=delivery)
    world.send_all(name, 1)
    verdicts = world.verdicts()
    assert [(each.checker, each.first) for each in verdicts.values() if each.verdict != "valid"] == []
    assert verdicts["no_lost_firing"].examined > 40
    metrics = measure(world.history, world.syncs)
    assert metrics.flows == world.requests
    assert metrics.sync_step_ms.count > 50 and metrics.sync_step_ms.p50 > 0


# ---- planted bugs


def ordered(spoil: Callable[[RecordedApp], object]) -> dict[str, Verdict]:
    """One order in a world that was spoiled."""
    world = RecordedApp(orders)
    spoil(world)
    world.send_all("orders", 1, setup=False)
    return world.verdicts()


class Spoiled:
    """A dispatcher that sends something else."""

    def __init__(self, inner: Dispatcher, what: Callable[[Sequence[Invocation]], Sequence[Invocation]]) -> None:
        self._inner, self._what = inner, what

    def send(self, invocations: Sequence[Invocation]) -> list[Completion]:
        return self._inner.send(self._what(invocations))


def dispatching(what: Callable[[Sequence[Invocation]], Sequence[Invocation]]) -> Callable[[RecordedApp], None]:
    def spoil(world: RecordedApp) -> None:
        world.firer._dispatcher = Spoiled(world.dispatcher, what)

    return spoil


def test_recorded_app_second_invocation_dropped_is_lost() -> None:
    verdicts = ordered(dispatching(lambda invocations: invocations[:1]))
    assert verdicts["no_lost_firing"].verdict == "invalid"
    assert "was never sent" in verdicts["no_lost_firing"].first
    assert verdicts["no_duplicate_firing"].verdict == "valid"


def test_recorded_app_input_changed_on_the_way_is_seen() -> None:
    def other(invocations: Sequence[Invocation]) -> list[Invocation]:
        return [msgspec.structs.replace(each, input={**each.input, "amount": 1}) for each in invocations]

    verdicts = ordered(dispatching(other))
    assert verdicts["causality"].verdict == "invalid"
    assert "the reference computes" in verdicts["causality"].first


def test_recorded_app_completions_lost_on_arrival_are_named() -> None:
    """The transport says yes and delivers nothing."""

    def spoil(world: RecordedApp) -> None:
        class Void:
            def send(self, _: Sequence[Invocation]) -> list[Completion]:
                return []

        world.firer._dispatcher = RecordedDispatcher(Void(), world.history)

    verdicts = ordered(spoil)
    assert verdicts["no_lost_firing"].verdict == verdicts["effects"].verdict == "invalid"
    assert "its action never started" in verdicts["no_lost_firing"].first


class Open(MemoryFiringGuard):
    """A guard whose condition was dropped."""

    def claim(self, firing: Firing, *, owner: str, lease_s: float):  # type: ignore[no-untyped-def]
        self._claims.clear()
        return super().claim(firing, owner=owner, lease_s=lease_s)

    def try_acquire(self, completion_ids: Iterable[str], sync: str) -> bool:
        self._acquired.clear()
        return super().try_acquire(completion_ids, sync)


@pytest.mark.parametrize("protocol", ["once", "lease"])
def test_recorded_app_guard_without_its_condition_fires_twice(protocol: str) -> None:
    """Every completion is evaluated twice, as a queue may deliver it twice, and before the first is through."""
    world = RecordedApp(orders, protocol=protocol)  # type: ignore[arg-type]
    world.firer._guard = RecordedGuard(Open(world.counted), world.history)
    evaluate, fire = world.engine.evaluate, world.firer.fire

    def twice(completions: Sequence[Completion]) -> list[Completion]:
        evaluate(completions)
        world.counted.who += "b"
        return evaluate(completions)

    world.engine.evaluate = twice  # type: ignore[method-assign]
    world.firer.fire = lambda match, _=(): fire(match)  # type: ignore[method-assign]
    world.send_all("orders", 1, setup=False)
    verdict = world.verdicts()["no_duplicate_firing"]
    assert verdict.verdict == "invalid"
    assert ("acquired by" if protocol == "once" else "fencing number 1") in verdict.first

    world = RecordedApp(orders, protocol=protocol)  # type: ignore[arg-type]
    evaluate = world.engine.evaluate
    world.engine.evaluate = twice  # type: ignore[method-assign]
    world.send_all("orders", 1, setup=False)
    assert {each.verdict for each in world.verdicts().values()} == {"valid"}, "with the condition it holds"


def test_recorded_app_throttle_read_as_taken_is_lost() -> None:
    def spoil(world: RecordedApp) -> None:
        class Throttling(MemoryFiringGuard):
            calls = itertools.count()

            def try_acquire(self, completion_ids: Iterable[str], sync: str) -> bool:
                if next(self.calls) == 2:
                    raise Throttled("too fast")
                return super().try_acquire(completion_ids, sync)

        recorded = RecordedGuard(Throttling(world.counted), world.history)

        class Reading:
            def try_acquire(self, completion_ids: Iterable[str], sync: str) -> bool:
                try:
                    return recorded.try_acquire(completion_ids, sync)
                except ClefError:
                    return False

        world.firer._guard = Reading()  # type: ignore[assignment]
        world.firer._protocol = "once"

    verdict = ordered(spoil)["no_lost_firing"]
    assert verdict.verdict == "invalid" and verdict.count == 1
    assert "ended in Throttled, which says nothing about who holds it" in verdict.first


def test_recorded_app_matches_dropped_are_lost() -> None:
    """Two bugs of the matching: a join that never comes about, and a where that is not looked at."""

    def spoil(world: RecordedApp) -> None:
        fire = world.firer.fire

        def joinless(match, fired=()):  # type: ignore[no-untyped-def]
            return [] if len(match.completions) > 1 else fire(match, fired)

        world.firer.fire = joinless  # type: ignore[method-assign]

    verdict = ordered(spoil)["no_lost_firing"]
    assert verdict.verdict == "invalid" and "neither claimed nor sent it" in verdict.first
    assert "Look at matching (engine/flow.py, matching.py)" in verdict.first


def test_recorded_app_ids_that_are_drawn_show_when_a_firing_is_taken_over() -> None:
    def spoil(world: RecordedApp) -> None:
        drawn = itertools.count()

        def other(invocations: Sequence[Invocation]) -> list[Invocation]:
            return [msgspec.structs.replace(each, id=f"drawn-{next(drawn)}") for each in invocations]

        send = Spoiled(world.dispatcher, other)

        class Twice:
            def send(self, invocations: Sequence[Invocation]) -> list[Completion]:
                send.send(invocations)
                return send.send(invocations)

        world.firer._dispatcher = Twice()

    verdict = ordered(spoil)["no_duplicate_firing"]
    assert verdict.verdict == "invalid" and "ids are derived" in verdict.first


def test_recorded_app_redelivered_invocation_that_runs_again_is_an_effect_twice() -> None:
    world = RecordedApp(orders, delivery="plain")
    deliver = world.deliver

    def twice(invocation: Invocation) -> None:
        if invocation.action != "request":
            world.receiver.run(invocation)
        deliver(invocation)

    world.deliver = twice  # type: ignore[method-assign]
    world.engine._append = "first"
    world.send_all("orders", 1, setup=False)
    verdict = world.verdicts()["effects"]
    assert verdict.verdict == "invalid" and "the action ran twice" in verdict.first
