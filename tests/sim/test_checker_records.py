"""causality: what is told is what happened."""

from __future__ import annotations

import msgspec
from checker_stories import Orders, change, drop, is_a, judge, orders

from clef_runtime.model import Completion, Outcome, complete
from clef_sim.checkers import Verdict
from clef_sim.history import Event, EventOutcome


def causality(events: list[Event], verdict: str = "invalid") -> Verdict:
    found = judge(events, "causality")
    assert found.verdict == verdict, found
    return found


def shipped(story: Orders) -> Completion:
    record = next(each for each in story.events if is_a("appended", who="shipping")(each)).data["record"]
    assert isinstance(record, Completion)
    return record


def test_causality_completion_of_another_outcome_than_returned_is_invalid() -> None:
    record = msgspec.structs.replace(shipped(orders()), output={"tracking": "t1"})
    first = causality(change(orders().events, is_a("appended", who="shipping"), record=record)).first
    assert "(Shipping/ship): its action returned ok {} on shipping#1:1" in first
    assert "its completion says ok {'tracking': 't1'}" in first and "receiver.py" in first


def test_causality_service_failure_recorded_as_a_variant_is_invalid() -> None:
    returned = is_a("returned", who="shipping")
    events = change(orders().events, returned, outcome="failed", variant=None, error="Throttled")
    assert "ended in Throttled on shipping#1:1" in causality(events).first


def test_causality_raised_exception_recorded_as_variant_error_is_valid() -> None:
    record = msgspec.structs.replace(shipped(orders()), variant="error", output={"message": "ValueError: x"})
    events = change(orders().events, is_a("appended", who="shipping"), record=record)
    causality(change(events, is_a("returned", who="shipping"), outcome="unknown", error="ValueError"), "valid")


def publish(story: Orders, outcome: Outcome) -> list[Event]:
    invocation = story.shipping().invocations[0]
    story.who = "shipping#2:1"
    story.port("published", "completion", record=complete(invocation, outcome, "2026-01-01T00:00:09.000Z"))
    return story.events


def test_causality_published_otherwise_than_recorded_is_invalid() -> None:
    first = causality(publish(orders(), Outcome("ok", {"tracking": "t2"}))).first
    assert "was published by shipping#2:1" in first and "{'tracking': 't2'}" in first and "receiver.py" in first
    causality(publish(orders(), Outcome("ok", {})), "valid")


def called(story: Orders, kind: str, outcome: EventOutcome, ended: EventOutcome, error: str) -> list[Event]:
    """The first port call of this kind ended in `outcome`, and the service call that it made in `ended`."""
    event = next(each for each in story.events if each.kind == kind)
    place = story.events.index(event)
    data = {"ms": 1.0, "error": error, "applied": ended == "unknown"}
    sdk = Event(event.at, event.who, "sdk", "dynamodb.PutItem", ended, data)
    told = msgspec.structs.replace(event, outcome=outcome)
    return [*story.events[:place], sdk, told, *story.events[place + 1 :]]


def test_causality_definite_error_for_what_was_applied_is_invalid() -> None:
    first = causality(called(orders(), "edge", "failed", "unknown", "ReadTimeoutError")).offences
    assert any("the edge of Begin by evaluator#1:1" in each and "aws.py, translate" in each for each in first)


def test_causality_success_after_a_failed_call_is_invalid() -> None:
    first = causality(called(orders(), "claim", "ok", "failed", "ThrottlingException")).first
    assert "the claim of Begin" in first and "ThrottlingException" in first and "retry.py" in first
    causality(called(orders(), "claim", "ok", "failed", "ConditionalCheckFailedException"), "valid")


def answered(status: int, flow: str) -> list[Event]:
    story = orders()
    story.add("response", "place", flow=flow, status=status, attempt=0)
    return story.events


def test_causality_answer_for_a_flow_without_records_is_invalid() -> None:
    first = causality(answered(202, "nobody")).first
    assert "request 'place' was answered with 202" in first and "flows that nobody asked for: f1" in first
    assert "web.py, open_flow" in first
    causality(answered(202, "f1"), "valid")
    causality(answered(404, "nobody"), "valid")


def test_causality_log_without_any_edge_is_invalid() -> None:
    assert "has no edge" in causality(drop(orders().events, is_a("edge"))).first


def test_causality_other_ids_by_another_preparation_are_invalid() -> None:
    def story(*offered: str) -> list[Event]:
        script = orders()
        firing = script.shipping()
        data = {"firing": firing, "state": "held", "owner": "o", "fencing": 1, "offered": offered}
        script.port("claim", firing.sync, **data)
        return script.events

    first = causality(story("drawn")).first
    assert "with the invocation id drawn" in first and "engine/prepare.py" in first
    causality(story(orders().shipping().invocations[0].id), "valid")
