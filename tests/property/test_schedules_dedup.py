"""Schedules and faults drawn as data, over the runtime's own guard, log and evaluator."""

from __future__ import annotations

from typing import Any

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from clef_runtime.guard.base import FiringGuard
from clef_runtime.guard.dynamodb import DynamoDBFiringGuard
from clef_runtime.language import parse_text
from clef_runtime.model import Completion
from clef_sim.kernel.clock import SimClock
from clef_sim.testing.schedules import Race, Schedule, schedules

SYNCS = parse_text(
    """
    sync ShipWhenPaid
    when {
      Payment/charge: [] => ok(order: ?order)
      Stock/reserve: [] => ok(order: ?order)
    }
    then { Shipping/ship: [ order: ?order; parcel: "{{order}}" ] }

    sync Receipt
    when { Payment/charge: [] => ok(order: ?order) }
    then {
      Notice/send: [ order: ?order ]
      Ledger/book: [ order: ?order ]
    }
    """
)


def completion(concept: str, action: str) -> Completion:
    return Completion(
        id=f"{concept}-1",
        concept=f"urn:clef/{concept}",
        action=action,
        input={},
        variant="ok",
        output={"order": "o1"},
        flow="flow",
        timestamp="2026-01-01T00:00:00.000Z",
    )


COMPLETIONS = [completion("Payment", "charge"), completion("Stock", "reserve")]


class WithoutCondition:
    """A DynamoDB client that forgets the condition of a put to the guard's table."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def put_item(self, **arguments: Any) -> Any:
        if arguments["TableName"] == "guard":
            arguments.pop("ConditionExpression", None)
            arguments.pop("ReturnValuesOnConditionCheckFailure", None)
        return self._client.put_item(**arguments)


def broken_guard(client: Any, clock: SimClock) -> FiringGuard:
    return DynamoDBFiringGuard(WithoutCondition(client), "guard", clock)


def offences(schedule: Schedule, **options: Any) -> list[str]:
    race = Race(SYNCS, COMPLETIONS, schedule, **options)
    race.run()
    return race.check()


@given(schedules())
@settings(max_examples=150, deadline=None, derandomize=True)
def test_lease_guard_under_any_schedule_and_crash_fires_each_match_once(schedule: Schedule) -> None:
    assert offences(schedule) == []


def find(**options: Any) -> Schedule:
    return hypothesis.find(
        schedules(crashes=options.pop("crashes", False)),
        lambda schedule: bool(offences(schedule, **options)),
        settings=settings(
            max_examples=2000,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate, Phase.shrink],
        ),
    )


def test_lease_guard_without_its_condition_is_found_and_shrinks_to_two_instances() -> None:
    schedule = find(guard_of=broken_guard)
    assert len(schedule.instances) == 2
    assert any("decided twice" in words for words in offences(schedule, guard_of=broken_guard))


def test_once_guard_with_a_crash_is_found_to_lose_a_firing_with_one_instance() -> None:
    schedule = find(protocol="once", crashes=True)
    assert len(schedule.instances) == 1
    assert len(schedule.crashes) == 1
    assert any("never fired" in words for words in offences(schedule, protocol="once"))


@pytest.mark.parametrize("protocol", ["once", "lease"])
def test_guard_without_crashes_fires_each_match_once(protocol: str) -> None:
    schedule = Schedule(instances=((0, 1), (1, 0), (0,)), ticks=(1, 0, 2, 1, 0, 1))
    assert offences(schedule, protocol=protocol) == []
