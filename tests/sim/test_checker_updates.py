"""effects: what was committed stays."""

from __future__ import annotations

from checker_stories import Orders, judge, orders_until_the_join

from clef_runtime.model import Outcome, complete
from clef_sim.checkers import Verdict


def commit(story: Orders, number: int, reads: int | None, *, at: float = 0.0, writes: bool = True) -> None:
    """An action that read the counter at a version, and changed it."""
    story.who = f"stock#{number}:1"
    story.now += at
    invocation = story.invocation(f"i{number}", "Stock/reserve", {"order": f"o{number}"})
    story.start(invocation)
    story.returns(invocation, Outcome("ok", {}))
    read = () if reads is None else (("stock", "hot", reads, story.now),)
    story.add("staged", invocation.concept, reads=read, writes=(("stock", "hot", False),) if writes else ())
    story.append(complete(invocation, Outcome("ok", {}), "2026-01-01T00:00:00.000Z"), along=int(writes))


def effects(*commits: tuple[int | None, bool]) -> Verdict:
    story = orders_until_the_join()
    for number, (reads, writes) in enumerate(commits, 1):
        commit(story, number, reads, writes=writes)
    return judge(story.events, "effects")


def test_effects_commits_one_after_another_are_valid() -> None:
    assert effects((0, True), (71, True), (72, True)).verdict == "valid"


def test_effects_two_commits_on_one_version_are_invalid() -> None:
    verdict = effects((0, True), (71, True), (71, True))
    assert verdict.verdict == "invalid"
    assert verdict.first.startswith("Stock stock/hot: invocation i2 (Stock/reserve) (committed by stock#2:1 at ")
    assert "as of version 71, so one change is lost" in verdict.first and "unit_of_work.py" in verdict.first


def test_effects_change_that_a_later_read_does_not_find_is_invalid() -> None:
    verdict = effects((71, True), (71, False))
    assert verdict.verdict == "invalid"
    assert "invocation i2 (Stock/reserve) read it at " in verdict.first and "action_log/, append" in verdict.first


def test_effects_write_of_an_unread_row_says_nothing() -> None:
    assert effects((None, True), (None, True)).verdict == "valid"


def test_effects_row_that_is_deleted_may_be_absent_again() -> None:
    story = orders_until_the_join()
    commit(story, 1, 0)
    story.events[-2].data["writes"] = (("stock", "hot", True),)
    commit(story, 2, 0)
    assert judge(story.events, "effects").verdict == "valid"
