"""no_duplicate_firing: one test for each rule, good and bad, and the words."""

from __future__ import annotations

import msgspec
import pytest
from checker_stories import SYNCS, change, drop, is_a, judge, orders, orders_until_the_join

from clef_sim.checkers import run_checkers, worst


@pytest.mark.parametrize("guard", ["lease", "once", "none"])
def test_checkers_a_good_story_is_valid_for_all(guard: str) -> None:
    verdicts = run_checkers(orders(guard).history, SYNCS)
    assert [(each.checker, each.verdict, each.first) for each in verdicts if each.verdict != "valid"] == []
    assert worst(verdicts) == "valid"
    assert {each.checker: each.examined for each in verdicts}["no_lost_firing"] == 2


def test_duplicate_firing_nothing_recorded_is_unknown() -> None:
    assert judge([], "no_duplicate_firing").verdict == "unknown"


def test_duplicate_firing_two_acquires_won_is_invalid() -> None:
    story = orders("once")
    story.who = "evaluator#3:1"
    story.acquire(story.shipping())
    verdict = judge(story.events, "no_duplicate_firing")
    assert (verdict.verdict, verdict.count) == ("invalid", 1)
    assert "ShipWhenPaid" in verdict.first and "Payment/charge ok" in verdict.first
    assert "acquired by evaluator#2:1" in verdict.first and "again by evaluator#3:1" in verdict.first


def test_duplicate_firing_second_acquire_refused_is_valid() -> None:
    story = orders("once")
    story.who = "evaluator#3:1"
    story.acquire(story.shipping(), won=False)
    assert judge(story.events, "no_duplicate_firing").verdict == "valid"


def test_duplicate_firing_two_owners_of_one_fencing_number_is_invalid() -> None:
    story = orders_until_the_join()
    firing = story.prepare("evaluator#2:1")
    story.claim(firing, owner="a")
    story.fire("evaluator#3:1", firing)
    story.run("shipping#1:1", firing.invocations[0])
    verdict = judge(story.events, "no_duplicate_firing")
    assert verdict.verdict == "invalid"
    assert "both with fencing number 1" in verdict.first and "guard/" in verdict.first


def test_duplicate_firing_claim_answered_twice_to_one_owner_is_valid() -> None:
    story = orders_until_the_join()
    firing = story.prepare("evaluator#2:1")
    story.claim(firing)
    story.fire("evaluator#2:1", firing)
    assert judge(story.events, "no_duplicate_firing").verdict == "valid"


def test_duplicate_firing_taken_over_and_resent_as_stored_is_valid() -> None:
    story = orders_until_the_join()
    firing = story.prepare("evaluator#2:1")
    story.claim(firing)
    story.send(firing)
    story.who = "evaluator#3:1"
    story.claim(firing, fencing=2)
    story.send(firing)
    story.edge(firing)
    story.mark(firing, fencing=2)
    story.run("shipping#1:1", firing.invocations[0])
    assert judge(story.events, "no_duplicate_firing").verdict == "valid"
    assert judge(story.events, "causality").verdict == "valid"


def test_duplicate_firing_taken_over_and_computed_anew_is_invalid() -> None:
    story = orders_until_the_join()
    story.fire("evaluator#2:1", story.prepare("evaluator#2:1", "u1"))
    story.run("shipping#1:1", story.shipping("u1").invocations[0])
    other = story.prepare("evaluator#3:1", "u2")
    story.claim(other, fencing=2)
    story.send(other)
    verdict = judge(story.events, "no_duplicate_firing")
    assert verdict.verdict == "invalid"
    assert "'u1'" in verdict.first and "'u2'" in verdict.first and "computed anew" in verdict.first


def test_duplicate_firing_other_ids_for_the_same_firing_is_invalid() -> None:
    story = orders()
    story.who = "evaluator#3:1"
    firing = story.prepare("evaluator#3:1")
    drawn = msgspec.structs.replace(firing.invocations[0], id="drawn-at-random")
    story.claim(firing, fencing=2)
    story.send(msgspec.structs.replace(firing, invocations=(drawn,)))
    verdict = judge(story.events, "no_duplicate_firing")
    assert verdict.verdict == "invalid"
    assert "other invocations, computed anew" in verdict.first and "ids are derived" in verdict.first


def test_duplicate_firing_sent_without_holding_it_is_invalid() -> None:
    story = orders()
    story.who = "evaluator#3:1"
    story.claim(story.shipping(), "held", owner="a")
    story.send(story.shipping())
    verdict = judge(story.events, "no_duplicate_firing")
    assert verdict.verdict == "invalid"
    assert "evaluator#3:1 sent it" in verdict.first and "answered 'held'" in verdict.first


def test_duplicate_firing_sent_by_who_never_asked_the_guard_is_invalid() -> None:
    events = drop(orders("once").events, is_a("acquire", "ShipWhenPaid"))
    assert "never asked the guard" in judge(events, "no_duplicate_firing").first


def test_duplicate_firing_won_from_scratch_after_it_was_fired_is_invalid() -> None:
    story = orders()
    firing = story.shipping()
    story.who = "evaluator#9:1"
    story.claim(firing, fencing=1)
    verdict = judge(story.events, "no_duplicate_firing")
    assert verdict.verdict == "valid", "it has not been sent again yet"
    story.send(firing)
    verdict = judge(story.events, "no_duplicate_firing")
    assert verdict.verdict == "invalid"
    assert "though it was marked fired" in verdict.first and "how long the guard keeps its rows" in verdict.first


def test_duplicate_firing_without_guard_sent_again_after_its_edge_is_invalid() -> None:
    story = orders("none")
    story.who = "engine#2:1"
    story.send(story.shipping())
    verdict = judge(story.events, "no_duplicate_firing")
    assert verdict.verdict == "invalid"
    assert "recorded as fired" in verdict.first and "sent again by engine#2:1" in verdict.first


def test_duplicate_firing_without_guard_sent_again_before_an_edge_is_valid() -> None:
    events = drop(orders("none").events, is_a("edge", "ShipWhenPaid"))
    story = orders("none")
    story.who = "engine#2:1"
    story.send(story.shipping())
    assert judge([*events, story.events[-1]], "no_duplicate_firing").verdict == "valid"


def test_duplicate_firing_more_invocations_than_required_is_invalid() -> None:
    story = orders_until_the_join()
    firing = story.prepare()
    second = msgspec.structs.replace(firing.invocations[0], id="second")
    story.fire("evaluator#2:1", msgspec.structs.replace(firing, invocations=(*firing.invocations, second)))
    verdict = judge(story.events, "no_duplicate_firing")
    assert verdict.verdict == "invalid" and "2 different invocations were sent" in verdict.first


def test_duplicate_firing_counts_firings_not_offences() -> None:
    story = orders("once")
    for who in ("evaluator#3:1", "evaluator#4:1", "evaluator#5:1"):
        story.who = who
        story.acquire(story.shipping())
        story.acquire(story.first)
    assert judge(story.events, "no_duplicate_firing").count == 2


def test_duplicate_firing_keys_that_a_separator_confuses_stay_apart() -> None:
    """A guard that joins ids with `|` would take these for one; the checker must not."""
    story = orders("once")
    story.who = "evaluator#7:1"
    story.port("acquire", "X", matched=("a|b", "c"), won=True)
    story.port("acquire", "X", matched=("a", "b|c"), won=True)
    assert judge(story.events, "no_duplicate_firing").verdict == "valid"


def test_checkers_one_that_breaks_is_unknown() -> None:
    broken = change(orders().events, is_a("sent"), invocations=None)
    verdict = judge(broken, "no_duplicate_firing")
    assert verdict.verdict == "unknown" and "the checker broke: TypeError" in verdict.first


def test_duplicate_firing_claimed_and_sent_again_after_it_was_marked_is_invalid() -> None:
    """The guard answers 'won' for what it holds as fired."""
    story = orders()
    story.who = "evaluator#3:1"
    story.claim(story.shipping(), owner="owner-evaluator#2:1")
    assert judge(story.events, "no_duplicate_firing").verdict == "valid"
    story.send(story.shipping())
    verdict = judge(story.events, "no_duplicate_firing")
    assert verdict.verdict == "invalid"
    assert "marked fired by evaluator#2:1" in verdict.first and "guard/, _answer" in verdict.first
