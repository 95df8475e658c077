"""Each invocation's action takes effect exactly once, and its completion is recorded once.

An execution took effect where a write of its own was applied, or its staged writes were committed along with
its completion. One that only reads may run as often as it likes. What took effect stays (`updates.py`).
"""

from __future__ import annotations

from typing import Any

from clef_sim.checkers.case import Case
from clef_sim.checkers.firings import nothing_to_examine
from clef_sim.checkers.story import Run
from clef_sim.checkers.updates import undone
from clef_sim.checkers.verdict import Offences, Verdict
from clef_sim.checkers.words import listed, seconds
from clef_sim.history import Event


def effects(case: Case) -> Verdict:
    story = case.story
    if not story.runs and not story.completed:
        return nothing_to_examine("effects")
    offences = Offences()
    for id, runs in story.runs.items():
        effective = [run for run in runs if run.took_effect]
        if len(effective) > 1:
            words = _twice(case, effective) + _cause(case, id)
            offences.add(f"{case.words.invocation_id(id)}: the action ran twice: {words}")
    for id, sendings in story.sends.items():
        accepted = next((each for each in sendings if each.event.outcome == "ok"), None)
        if accepted is not None and id not in story.completed:
            offences.add(
                f"{case.words.invocation_id(id)} was accepted {case.words.did(accepted.event)} and has no"
                " completion at the end. Look at its delivery and at receiver.py"
            )
    for id, turns in story.appends.items():
        new = [turn.event for turn in turns if turn.event.data["new"] is True]
        if len(new) > 1:
            offences.add(
                f"completion {case.words.completion(id)} was appended as new {case.words.did(new[0])} and again"
                f" {case.words.did(new[1])}. Look at the condition of the append (action_log/)"
            )
    for id, completions in story.completed.items():
        if len(completions) > 1:
            ids = listed(case.words.completion(each.completion.id) for each in completions)
            offences.add(
                f"{case.words.invocation_id(id)} has {len(completions)} completions: {ids}."
                " Look at whether the completion's id is derived from the invocation's (model.py)"
            )
    for words in undone(case):
        offences.add(words)
    return offences.verdict("effects", len(story.runs))


def _cause(case: Case, id: str) -> str:
    """Why a redelivered invocation was not recognised."""
    if len(case.story.completed.get(id, ())) > 1:
        return ". Look at whether the completion's id is derived from the invocation's (model.py, complete)"
    if any(
        sum(turn.event.data["new"] is True for turn in case.story.appends.get(recorded.completion.id, ())) > 1
        for recorded in case.story.completed.get(id, ())
    ):
        return "; its completion was appended as new twice. Look at the condition of the append (action_log/)"
    return (
        ". Look at how a redelivered invocation is recognised (receiver.py); `delivery: transactional`"
        " commits writes and completion together"
    )


def _twice(case: Case, runs: list[Run]) -> str:
    first, second = runs[:2]
    told = []
    for run in (first, second):
        what = (
            f"committed with its completion at {seconds(run.committed.at)}"
            if run.committed is not None
            else f"wrote {_writes(run)}"
        )
        told.append(f"{run.event.who} at {seconds(run.event.at)} {what}")
    same = [_write(each) for each in first.writes] == [_write(each) for each in second.writes]
    fate = case.words.fate(first.event.who, first.event.at)
    return (
        " and ".join(told) + (" (the same values)" if same and first.writes else "") + (f"; {fate}" if fate else "")
    )


def _writes(run: Run) -> str:
    return listed(f"{each.data['op']} {each.data['relation']}/{each.data['key']}" for each in run.writes)


def _write(event: Event) -> tuple[Any, ...]:
    data = event.data
    return (data["op"], data["relation"], data["key"], data["value"])
