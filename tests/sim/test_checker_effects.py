"""effects: an action takes effect once, a completion is recorded once."""

from __future__ import annotations

import msgspec
from checker_stories import Orders, change, drop, is_a, judge, orders

from clef_runtime.model import Invocation


def shipping(story: Orders) -> Invocation:
    return story.shipping().invocations[0]


def rerun(*, writes: bool = True) -> Orders:
    story = orders()
    story.who = "shipping#2:1"
    story.start(shipping(story))
    if writes:
        story.store(shipping(story))
    return story


def test_effects_action_that_wrote_twice_is_invalid() -> None:
    verdict = judge(rerun().history, "effects")
    assert (verdict.verdict, verdict.count) == ("invalid", 1)
    assert "(Shipping/ship): the action ran twice: shipping#1:1" in verdict.first
    assert "wrote put rows/" in verdict.first and "(the same values)" in verdict.first
    assert "receiver.py" in verdict.first


def test_effects_rerun_that_only_read_is_valid() -> None:
    assert judge(rerun(writes=False).history, "effects").verdict == "valid"


def test_effects_rerun_whose_write_was_refused_is_valid() -> None:
    events = change(rerun().events, is_a("stored", who="shipping#2"), outcome="failed")
    assert judge(events, "effects").verdict == "valid"


def test_effects_write_without_an_answer_counts_where_the_service_applied_it() -> None:
    def story(applied: bool) -> Orders:
        script = rerun(writes=False)
        script.add("sdk", "dynamodb.PutItem", "unknown", ms=1.0, error="ReadTimeoutError", applied=applied)
        script.add("stored", "urn:clef/Shipping", "unknown", op="put", relation="r", key="k", value={}, began=0.0)
        return script

    assert judge(story(True).history, "effects").verdict == "invalid"
    assert judge(story(False).history, "effects").verdict == "valid"


def test_effects_delete_of_no_row_is_no_effect() -> None:
    story = rerun(writes=False)
    story.port("stored", "urn:clef/Shipping", op="delete", relation="r", key=None, value=None, count=0)
    assert judge(story.history, "effects").verdict == "valid"


def test_effects_writes_committed_along_twice_is_invalid() -> None:
    story = rerun(writes=False)
    completion = next(each for each in story.events if each.who == "shipping#1:1" and each.kind == "appended")
    story.append(completion.data["record"], new=True, along=1)
    verdict = judge(story.history, "effects")
    assert verdict.count == 2
    assert "committed with its completion" in verdict.offences[0]
    assert "was appended as new by shipping#1:1" in verdict.offences[1]


def test_effects_writes_not_applied_since_the_completion_was_there_is_valid() -> None:
    story = rerun(writes=False)
    completion = next(each for each in story.events if each.who == "shipping#1:1" and each.kind == "appended")
    story.append(completion.data["record"], new=False, along=1)
    assert judge(story.history, "effects").verdict == "valid"


def test_effects_accepted_and_never_completed_is_invalid() -> None:
    events = drop(orders().events, is_a("appended", who="shipping"))
    verdict = judge(events, "effects")
    assert verdict.verdict == "invalid"
    assert "was accepted by evaluator#2:1" in verdict.first and "no completion at the end" in verdict.first


def test_effects_two_completions_of_one_invocation_is_invalid() -> None:
    story = orders()
    completion = next(each for each in story.events if each.who == "shipping#1:1" and each.kind == "appended")
    story.append(msgspec.structs.replace(completion.data["record"], id="drawn"))
    verdict = judge(story.history, "effects")
    assert verdict.verdict == "invalid" and "has 2 completions" in verdict.first and "derived" in verdict.first


def test_effects_nothing_ran_is_unknown() -> None:
    assert judge([], "effects").verdict == "unknown"
