"""What was committed stays: nobody overwrites it unread, and whoever reads later finds it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import msgspec

from clef_runtime.model import concept_name
from clef_sim.checkers.case import Case
from clef_sim.checkers.story import Run
from clef_sim.checkers.words import seconds

_Row: TypeAlias = tuple[str, str, str]
"""Concept (URN), relation, key."""


class _History(msgspec.Struct):
    """What happened to one row. `reads` and `commits` hold the version that was read; each commit makes another."""

    reads: list[tuple[float, int, Run]] = []
    commits: list[tuple[int, Run]] = []
    deleted: bool = False
    """Then it may be absent (version 0) more than once."""


def undone(case: Case) -> Iterator[str]:
    """The offences in words, one a row."""
    for row, history in _histories(case).items():
        words = "" if history.deleted else _overwritten(case, history) or _not_found_again(case, history)
        if words:
            concept, relation, key = row
            yield f"{concept_name(concept)} {relation}/{key}: {words}"


def _histories(case: Case) -> dict[_Row, _History]:
    found: dict[_Row, _History] = {}
    for run in (run for runs in case.story.runs.values() for run in runs if run.staged is not None):
        assert run.staged is not None
        concept, data = run.staged.name, run.staged.data
        versions: dict[tuple[str, str], int] = {}
        for relation, key, version, began in data["reads"]:
            versions[relation, key] = version
            found.setdefault((concept, relation, key), _History()).reads.append((began, version, run))
        for relation, key, deletes in data["writes"] if run.committed is not None else ():
            history = found.setdefault((concept, relation, key), _History())
            history.deleted = history.deleted or deletes
            if (relation, key) in versions:
                history.commits.append((versions[relation, key], run))
    return found


def _overwritten(case: Case, history: _History) -> str:
    """Two commits on the same version: one has undone the other."""
    seen: dict[int, Run] = {}
    for version, run in sorted(history.commits, key=lambda each: _at(each[1])):
        first = seen.setdefault(version, run)
        if first.invocation != run.invocation:
            return (
                f"{_committed(case, first)} and {_committed(case, run)} both changed it as of version {version}, so"
                " one change is lost. Look at the version that a commit is conditional on (unit_of_work.py, storage/)"
            )
    return ""


def _not_found_again(case: Case, history: _History) -> str:
    """A read that began after a commit had been answered, and found what was there before it."""
    commits = sorted(history.commits, key=lambda each: _at(each[1]))
    for began, version, run in sorted(history.reads, key=lambda each: each[0]):
        earlier = [each for each in commits if _at(each[1]) <= began and each[1].invocation != run.invocation]
        missed = next((each for of, each in earlier if of == version), None)
        if missed is not None:
            return (
                f"{_committed(case, missed)} changed it, and {case.words.invocation_id(run.invocation)} read it at"
                f" {seconds(began)} as it was before. Look at whether staged writes are made along with the"
                " completion (action_log/, append) and at how rows are read (storage/)"
            )
    return ""


def _at(run: Run) -> float:
    assert run.committed is not None
    return run.committed.at


def _committed(case: Case, run: Run) -> str:
    assert run.committed is not None
    return f"{case.words.invocation_id(run.invocation)} (committed {case.words.did(run.committed)})"
