"""no_lost_firing: how far a firing came, and the words that lead to where it ended."""

from __future__ import annotations

import msgspec
import pytest
from checker_stories import Orders, change, drop, is_a, judge, orders, orders_until_the_join

from clef_sim.checkers import AppInfo, Verdict


def lost(story: Orders) -> Verdict:
    story.settle()
    verdict = judge(story.events, "no_lost_firing")
    assert (verdict.verdict, verdict.count) == ("invalid", 1), verdict
    assert verdict.first.startswith("sync ShipWhenPaid on completions ")
    assert "(Payment/charge ok) + " in verdict.first and "(Stock/reserve ok) of flow f1: " in verdict.first
    return verdict


def killed(story: Orders, fault: str = "crash") -> None:
    story.add("fault", fault, target="sqs.SendMessage", does="crash", place="before")
    story.add("instance", "killed", function="evaluator", instance=story.who.partition(":")[0])


def test_lost_firing_killed_after_acquire_tells_who_and_when() -> None:
    story = orders_until_the_join("once")
    firing = story.prepare()
    story.acquire(firing)
    killed(story)
    first = lost(story).first
    assert "the guard was acquired by evaluator#2:1 at 0.019 s and nothing was ever sent" in first
    assert "the instance was killed at 0.021 s (fault crash)" in first
    assert first.endswith("Look at what follows the acquire in engine/firing.py")


def test_lost_firing_killed_by_the_platform_tells_its_reason() -> None:
    story = orders_until_the_join("once")
    story.acquire(story.prepare())
    story.add("instance", "killed", function="evaluator", instance="evaluator#2", reason="time-out of 30 s")
    assert "the instance was killed at 0.020 s (time-out of 30 s)" in lost(story).first


def test_lost_firing_execution_that_failed_tells_its_error() -> None:
    story = orders_until_the_join("once")
    story.acquire(story.prepare())
    story.add("instance", "failed", "failed", instance="evaluator#2", execution="evaluator#2:1", error="KeyError: x")
    assert "the execution failed at 0.020 s: KeyError: x" in lost(story).first


def test_lost_firing_acquired_and_forgotten_says_that_nothing_befell() -> None:
    story = orders_until_the_join("once")
    story.acquire(story.prepare())
    assert "though nothing befell the instance" in lost(story).first


def test_lost_firing_killed_after_claim_is_invalid() -> None:
    story = orders_until_the_join()
    story.claim(story.prepare())
    killed(story)
    assert "it was claimed by evaluator#2:1" in lost(story).first


def test_lost_firing_claim_with_nothing_to_send_is_invalid() -> None:
    story = orders_until_the_join()
    firing = story.prepare()
    story.claim(msgspec.structs.replace(firing, invocations=()))
    assert "claimed with no invocations" in lost(story).first


def test_lost_firing_taken_over_and_sent_is_valid() -> None:
    story = orders_until_the_join()
    firing = story.prepare()
    story.claim(firing)
    killed(story)
    story.who = "evaluator#3:1"
    story.load()
    story.ask([{"__key": "a1", "order": "o1", "street": "Moved"}], order="o1")  # not what was stored
    story.claim(firing, fencing=2)
    story.send(firing)
    story.edge(firing)
    story.run("shipping#1:1", firing.invocations[0])
    assert judge(story.events, "no_lost_firing").verdict == "valid"
    assert judge(story.events, "causality").verdict == "valid"


def test_lost_firing_guard_failed_and_nobody_came_again_is_invalid() -> None:
    story = orders_until_the_join("once")
    firing = story.prepare()
    story.port("acquire", "ShipWhenPaid", "failed", matched=firing.matched_ids, won=None, error="Throttled")
    first = lost(story).first
    assert "ended in Throttled, which says nothing about who holds it" in first


def test_lost_firing_guard_refused_though_nobody_had_it_is_invalid() -> None:
    story = orders_until_the_join("once")
    story.acquire(story.prepare(), won=False)
    assert "nobody had ever got it" in lost(story).first


def test_lost_firing_acquired_without_an_answer_is_invalid() -> None:
    story = orders_until_the_join("once")
    firing = story.prepare()
    story.add("sdk", "dynamodb.PutItem", "unknown", ms=1.0, error="ReadTimeout", applied=True)
    story.port("acquire", "ShipWhenPaid", "unknown", matched=firing.matched_ids, won=None, error="Indeterminate")
    assert "but the answer was lost" in lost(story).first


def test_lost_firing_killed_while_acquiring_is_told_as_taken() -> None:
    story = orders_until_the_join("once")
    firing = story.prepare()
    began = story.now
    story.add("instance", "killed", function="evaluator", instance="evaluator#2", reason="crash")
    killed_at, story.now = story.now, began
    story.add("sdk", "dynamodb.PutItem", "unknown", ms=1.0, error="Killed", applied=True)
    story.now = began
    story.add("acquire", "ShipWhenPaid", "unknown", matched=firing.matched_ids, won=None, error="Killed", began=began)
    assert story.now == killed_at
    first = lost(story).first
    assert "the guard was taken by evaluator#2:1" in first and "nothing was ever sent: the instance was" in first


def test_lost_firing_join_whose_halves_were_appended_after_loading_tells_both() -> None:
    """The design document's order: load, then append; neither evaluator sees the other's completion."""
    story = orders_until_the_join()
    events = drop(story.events, is_a("appended", who="payment"), is_a("appended", who="stock"))
    for number in (2, 3):
        story.who = f"evaluator#{number}:1"
        story.load(story.opened)
        events.append(story.events[-1])
    for number, mine in ((2, story.charged), (3, story.reserved)):
        story.who = f"evaluator#{number}:1"
        story.append(mine)
        events.append(story.events[-1])
    verdict = judge(events, "no_lost_firing")
    assert verdict.verdict == "invalid"
    assert "evaluator#2:1 loaded the flow at" in verdict.first and "evaluator#3:1 loaded the flow at" in verdict.first
    assert verdict.first.count("which was not yet recorded") == 2
    assert "Append before the flow is loaded" in verdict.first


@pytest.mark.parametrize("stale", [True, False])
def test_lost_firing_join_that_nobody_saw_whole_tells_who_saw_what(stale: bool) -> None:
    story = orders_until_the_join()
    story.who = "evaluator#2:1"
    story.load(story.opened, story.charged)
    events = story.events
    first_load, reserved = events[-1], next(each for each in events if each.who == "stock#1:1")
    if not stale:
        first_load = msgspec.structs.replace(first_load, at=reserved.at, data={**first_load.data, "began": 0.0})
        events = [*events[: events.index(reserved)], first_load, *events[events.index(reserved) : -1]]
    verdict = judge(events, "no_lost_firing")
    assert verdict.verdict == "invalid"
    seen = "which had been recorded at" if stale else "which was not yet recorded"
    assert "nobody saw all of its completions: evaluator#2:1 loaded the flow" in verdict.first
    assert f"(Stock/reserve ok), {seen}" in verdict.first


def test_lost_firing_seen_whole_and_not_fired_points_at_matching() -> None:
    story = orders_until_the_join()
    story.prepare()
    first = lost(story).first
    assert "evaluator#2:1 loaded the flow with all of its completions" in first
    assert "The reference requires Shipping/ship. Look at matching" in first


def test_lost_firing_never_handed_to_an_engine_is_invalid() -> None:
    first = lost(orders_until_the_join()).first
    assert "recorded by stock#1:1 at 0.017 s and never handed to an engine" in first


def test_lost_firing_published_and_never_evaluated_is_invalid() -> None:
    story = orders_until_the_join()
    story.port("published", "completion", record=story.reserved)
    assert "published, and never evaluated" in lost(story).first


def test_lost_firing_facts_without_a_row_cause_nothing() -> None:
    story = orders_until_the_join()
    story.who = "evaluator#2:1"
    story.load(story.opened, story.charged, story.reserved)
    story.ask([], order="o1")
    assert judge(story.events, "no_lost_firing").verdict == "valid"


def test_lost_firing_facts_of_another_flow_excuse_nobody() -> None:
    story = orders_until_the_join()
    story.who = "evaluator#5:1"
    story.port("loaded", "f2", ids=())
    story.ask([], order="o1")
    story.settle()
    assert judge(story.events, "no_lost_firing").verdict == "invalid"


def test_lost_firing_sent_without_asking_its_facts_is_invalid() -> None:
    events = drop(orders().events, is_a("facts"))
    verdict = judge(events, "no_lost_firing")
    assert verdict.verdict == "invalid" and "was never asked for {'order': 'o1'}" in verdict.first


def test_lost_firing_second_action_dropped_names_it() -> None:
    events = []
    for event in orders().events:
        if event.kind == "sent" and len(event.data["invocations"]) == 2:
            event = msgspec.structs.replace(event, data={**event.data, "invocations": event.data["invocations"][:1]})
        events.append(event)
    verdict = judge(events, "no_lost_firing")
    assert verdict.verdict == "invalid" and verdict.first.startswith("sync Begin on completion ")
    assert "of 2 invocations that the reference requires, Stock/reserve with {'order': 'o1'} was never sent" in (
        verdict.first
    )


def test_lost_firing_second_binding_dropped_is_invalid() -> None:
    rows = [{"__key": f"a{n}", "order": "o1", "street": f"Street {n}"} for n in range(2)]
    events = change(orders().events, is_a("facts"), rows=rows)
    verdict = judge(events, "no_lost_firing")
    assert verdict.verdict == "invalid" and "'street': 'Street 0'" in verdict.first


def test_lost_firing_send_that_failed_for_good_is_invalid() -> None:
    story = orders_until_the_join()
    firing = story.prepare()
    story.claim(firing)
    story.port("sent", "SqsDispatcher", "failed", invocations=firing.invocations, error="Refused")
    assert "ended in Refused, its action never started, and it was not sent again" in lost(story).first


def test_lost_firing_accepted_and_never_started_is_invalid() -> None:
    story = orders_until_the_join()
    story.fire("evaluator#2:1", story.prepare())
    assert "was sent and accepted by evaluator#2:1" in lost(story).first


def test_lost_firing_started_and_never_completed_tells_the_end() -> None:
    story = orders_until_the_join()
    firing = story.prepare()
    story.fire("evaluator#2:1", firing)
    story.who = "shipping#1:1"
    story.start(firing.invocations[0])
    killed(story, "crash_mid_action")
    first = lost(story).first
    assert "was accepted and never completed: its action started 1 time(s)" in first
    assert "did not return (the instance was killed" in first and "(fault crash_mid_action)" in first


def test_lost_firing_append_of_unknown_outcome_counts_once_somebody_saw_it() -> None:
    events = change(orders().events, is_a("appended", who="stock"), outcome="unknown", new=None)
    assert judge(events, "no_lost_firing").verdict == "valid"
    verdict = judge(change(events, is_a("loaded", who="evaluator#2"), ids=()), "no_lost_firing")
    assert verdict.verdict == "invalid", "unseen, it is not on record: then Stock/reserve never completed"
    assert "Stock/reserve" in verdict.first and "never completed" in verdict.first


def test_lost_firing_sync_of_a_concept_that_the_app_lacks_is_not_required() -> None:
    events = orders_until_the_join().events
    concepts = ["urn:clef/Payment", "urn:clef/Stock"]
    verdict = judge(events, "no_lost_firing", app=AppInfo(concepts=concepts))
    assert (verdict.verdict, verdict.examined) == ("valid", 1)


def test_lost_firing_without_a_log_takes_what_was_returned() -> None:
    events = drop(orders("none").events, is_a("appended"), is_a("loaded"), is_a("edge"))
    assert judge(events, "no_lost_firing").verdict == "valid"
    verdict = judge(drop(events, is_a("returned", "ship")), "no_lost_firing")
    assert verdict.verdict == "invalid"


def test_lost_firing_nothing_recorded_is_unknown() -> None:
    assert judge([], "no_lost_firing").verdict == "unknown"
