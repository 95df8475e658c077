"""causality: cause before effect, and a log from which the flow can be told again."""

from __future__ import annotations

import msgspec
from checker_stories import Orders, change, drop, is_a, judge, orders, orders_until_the_join

from clef_sim.checkers import Verdict
from clef_sim.history import Event


def causality(events: list[Event]) -> Verdict:
    verdict = judge(events, "causality")
    assert verdict.verdict == "invalid", verdict
    return verdict


def moved(events: list[Event], what: Event, before: Event) -> list[Event]:
    left = [each for each in events if each is not what]
    place = next(index for index, each in enumerate(left) if each is before)
    return [*left[:place], what, *left[place:]]


def one(events: list[Event], kind: str, who: str) -> Event:
    return next(each for each in events if is_a(kind, who=who)(each))


def test_causality_started_before_its_cause_was_recorded_is_invalid() -> None:
    events = drop(orders().events, is_a("loaded", who="evaluator#2"))
    late = moved(events, one(events, "started", "shipping"), one(events, "appended", "stock"))
    offences = causality(late).offences
    assert any("which it matched, was recorded only later" in each for each in offences)
    assert any("before it was sent" not in each for each in offences)


def test_causality_load_that_saw_it_first_is_as_good_as_the_append() -> None:
    """The append's answer may come back after somebody else has read the record."""
    events = orders().events
    answered_late = moved(events, one(events, "appended", "stock"), events[-1])
    assert judge(answered_late, "causality").verdict == "valid"


def test_causality_started_before_it_was_sent_is_invalid() -> None:
    events = change(orders().events, is_a("sent", who="evaluator#2"), began=9.0)
    assert "before it was sent at 9.000 s" in causality(events).first


def test_causality_started_while_the_dispatch_waits_is_valid() -> None:
    """Over HTTP the dispatch ends when the action has run."""
    events = orders().events
    sent = one(events, "sent", "evaluator#2")
    assert judge(moved(events, sent, events[-2]), "causality").verdict == "valid"


def test_causality_started_and_sent_by_nobody_is_invalid() -> None:
    events = drop(orders().events, is_a("sent", who="evaluator#2"), is_a("edge", who="evaluator#2"))
    assert any("started on shipping#1:1" in each and "unsent" in each for each in causality(events).offences)


def test_causality_completion_of_no_invocation_is_invalid() -> None:
    story = orders()
    record = one(story.events, "appended", "shipping").data["record"]
    story.append(msgspec.structs.replace(record, id="c9", parent="nobody"))
    assert "names the invocation nobody, which was neither sent nor started" in causality(story.events).first


def test_causality_completion_with_another_input_is_invalid() -> None:
    record = one(orders().events, "appended", "shipping").data["record"]
    other = msgspec.structs.replace(record, input={"order": "o2"})
    events = change(orders().events, is_a("appended", who="shipping"), record=other)
    assert "does not belong to its invocation" in causality(events).first


def test_causality_invocation_with_another_input_than_computed_is_invalid() -> None:
    rows = [{"__key": "a1", "order": "o1", "street": "Low Road"}]
    first = causality(change(orders().events, is_a("facts"), rows=rows)).first
    assert "was sent with input {'id': 'u1', 'order': 'o1', 'street': 'High Street'}" in first
    assert "the reference computes {'id': (drawn), 'order': 'o1', 'street': 'Low Road'}" in first


def test_causality_fired_without_a_match_is_invalid() -> None:
    record = one(orders().events, "appended", "stock").data["record"]
    refused = msgspec.structs.replace(record, variant="soldout")
    events = change(orders().events, is_a("appended", who="stock"), record=refused)
    assert "the reference sees no such match" in causality(events).first


def test_causality_returned_and_recorded_by_nobody_is_invalid() -> None:
    events = drop(orders().events, is_a("appended", who="shipping"))
    assert "nobody recorded its completion" in causality(events).first


def test_causality_returned_on_an_instance_that_was_killed_is_no_offence_of_the_log() -> None:
    story = orders()
    events = drop(story.events, is_a("appended", who="shipping"))
    returned = one(events, "returned", "shipping")
    death = Event(returned.at, "shipping#1:1", "instance", "killed", "ok", {"instance": "shipping#1"})
    place = events.index(returned)
    events = [*events[: place + 1], death, *events[place + 1 :]]
    assert judge(events, "causality").verdict == "valid"


def test_causality_published_and_not_recorded_is_invalid() -> None:
    story = orders()
    record = msgspec.structs.replace(one(story.events, "appended", "shipping").data["record"], id="c9")
    story.port("published", "completion", record=record)
    assert "was published by" in causality(story.events).first


def test_causality_edge_of_what_nobody_sent_is_invalid() -> None:
    events = change(orders().events, is_a("edge", who="evaluator#2"), invocations=("i-unsent",))
    assert "names invocation i-unsent, which nobody sent" in causality(events).first


def test_causality_fired_without_an_edge_is_invalid() -> None:
    events = drop(orders().events, is_a("edge", who="evaluator#2"))
    assert "has no edge" in causality(events).first


def test_causality_one_id_for_two_invocations_is_invalid() -> None:
    story: Orders = orders_until_the_join()
    firing = story.prepare()
    taken = story.first.invocations[0].id
    shared = msgspec.structs.replace(firing.invocations[0], id=taken)
    story.fire("evaluator#2:1", msgspec.structs.replace(firing, invocations=(shared,)))
    assert any("share the id" in each for each in causality(story.events).offences)


def test_causality_mark_of_a_fenced_off_holder_is_invalid() -> None:
    story = orders_until_the_join()
    firing = story.prepare()
    story.claim(firing)
    story.who = "evaluator#3:1"
    story.claim(firing, fencing=2)
    story.send(firing)
    story.edge(firing)
    story.who = "evaluator#2:1"
    story.mark(firing, fencing=1)
    story.run("shipping#1:1", firing.invocations[0])
    first = causality(story.events).first
    assert "evaluator#2:1, holding fencing number 1, marked it fired" in first
    assert "taken over under number 2 by evaluator#3:1" in first
    refused = change(story.events, is_a("fired", who="evaluator#2"), outcome="failed")
    assert judge(refused, "causality").verdict == "valid"
