"""Once the faults stop, the world settles within the stated time."""

from __future__ import annotations

from clef_sim.checkers.case import Case
from clef_sim.checkers.verdict import Verdict
from clef_sim.checkers.words import seconds


def settle(case: Case) -> Verdict:
    """Unknown where the history has no phases: then the run was cut off."""
    phases = {event.name: event for event in case.story.phases}
    stopped, settled, unsettled = (phases.get(name) for name in ("faults_stopped", "settled", "unsettled"))
    if unsettled is not None:
        return _invalid(
            f"the world had not settled at {seconds(unsettled.at)}"
            + (f", {seconds(unsettled.at - stopped.at)} after the faults stopped" if stopped else "")
            + _pending(case)
        )
    if settled is None:
        why = "it ends without a word on whether the world settled: was the run cut off?"
        return Verdict("settle", "unknown", first=why)
    took_s = settled.at - stopped.at if stopped is not None else 0.0
    limit_s = case.settings.settle_within_s
    if limit_s is not None and took_s > limit_s:
        return _invalid(f"the world took {seconds(took_s)} to settle; settle_within_s is {limit_s}")
    return Verdict("settle", "valid", examined=1)


def _invalid(words: str) -> Verdict:
    return Verdict("settle", "invalid", 1, words, (words,), 1)


def _pending(case: Case) -> str:
    waiting = [id for id in case.story.sends if id not in case.story.completed]
    if not waiting:
        return ": look for messages that keep coming back"
    return f": {len(waiting)} invocation(s) wait, first {case.words.invocation_id(waiting[0])}"
