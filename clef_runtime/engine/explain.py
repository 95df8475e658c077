"""Why syncs fire or do not fire for a flow: for each, what matched, what it would invoke, what is missing.

It runs the engine itself over recorded completions. `uuid()` and `now()` are shown as placeholders.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, TypeAlias

import msgspec

from clef_runtime.engine.expressions import Draw
from clef_runtime.engine.flow import FlowState, Match
from clef_runtime.engine.index import Program, SyncIndex
from clef_runtime.engine.matching import Entry
from clef_runtime.engine.prepare import invocations_of
from clef_runtime.engine.where import Facts
from clef_runtime.engine.words import (
    closest_difference,
    disagreement,
    no_invocations,
    pattern_text,
    shown,
    why_no_bindings,
)
from clef_runtime.errors import ClefError
from clef_runtime.language.compiled import CompiledSync, Query
from clef_runtime.model import Completion, Outcome, Record, concept_name

Verdict: TypeAlias = Literal["fires", "nothing", "undecided"]


class Would(msgspec.Struct, frozen=True):
    """An invocation that a match would cause. `id` is the one that it really has."""

    id: str
    concept: str
    action: str
    input: Record


class PatternReport(msgspec.Struct, frozen=True):
    """A pattern of the *when*: the completions that fit it alone, or why none does."""

    pattern: str
    completions: tuple[str, ...]
    missing: str = ""


class MatchReport(msgspec.Struct, frozen=True):
    """A match: its completions in the order of the patterns, and what it would fire.

    `undecided`: its *where* reads facts that were not given. `missing` says why nothing (sure) is fired.
    """

    firing: str
    completions: tuple[str, ...]
    bindings: Record
    verdict: Verdict
    invocations: tuple[Would, ...] = ()
    missing: str = ""


class Explanation(msgspec.Struct, frozen=True):
    """What a sync makes of a flow. `missing` is the first missing thing, where it has no match."""

    flow: str
    sync: str
    place: str
    patterns: tuple[PatternReport, ...]
    matches: tuple[MatchReport, ...]
    missing: str = ""

    @property
    def verdict(self) -> Verdict:
        """`fires` where a match does; else `undecided` where one is; else `nothing`."""
        verdicts = [match.verdict for match in self.matches]
        return "fires" if "fires" in verdicts else "undecided" if "undecided" in verdicts else "nothing"

    def __str__(self) -> str:
        head = f"sync {self.sync}" + (f" ({self.place})" if self.place else "")
        lines = [f"{head}: " + {"fires": "fires", "nothing": "does not fire"}.get(self.verdict, "undecided")]
        for pattern in self.patterns:
            fitting = ", ".join(pattern.completions) or "nothing fits"
            lines.append(f"  when {pattern.pattern}: {fitting}")
        if self.missing:
            lines.append(f"  missing: {self.missing}")
        for match in self.matches:
            variables = ", ".join(f"?{name} = {shown(value)}" for name, value in match.bindings.items())
            lines.append(f"  match {' + '.join(match.completions)}" + (f": {variables}" if variables else ""))
            lines += [
                f"    invokes {concept_name(would.concept)}/{would.action} {shown(would.input, limit=400)}"
                for would in match.invocations
            ]
            if match.missing:
                lines.append(f"    {match.verdict}: {match.missing}")
        return "\n".join(lines)


def explain(
    syncs: Iterable[CompiledSync],
    completions: Iterable[Completion],
    facts: Facts | None = None,
    functions: Mapping[str, Callable[..., Any]] = {},
) -> list[Explanation]:
    """One explanation for each flow and sync, flows in the order of their first completion. Without any
    completion, of a flow without a name.

    Args:
        completions: of any number of flows; those with a known id are skipped.
        facts: None where there is no state to ask; a match that needs it is `undecided`.
        functions: as for `SyncIndex`.

    Raises:
        BadInput: as `SyncIndex`.
    """
    index = SyncIndex(syncs, functions)
    flows: dict[str, list[Completion]] = {}
    for completion in completions:
        flows.setdefault(completion.flow, []).append(completion)
    return [
        explanation
        for flow, members in (flows or {"": []}).items()
        for explanation in _explain_flow(index, flow, members, facts)
    ]


def _explain_flow(
    index: SyncIndex, flow: str, completions: list[Completion], facts: Facts | None
) -> list[Explanation]:
    state = FlowState(index)
    known = [completion for completion in completions if state.add(completion)]
    entries: dict[str, list[list[Entry]]] = {
        name: [[] for _ in program.patterns] for name, program in index.programs.items()
    }
    matches: dict[str, dict[str, Match]] = {name: {} for name in index.programs}
    for completion in known:
        for place, values in index.fits(completion):
            entries[place.program.name][place.position].append((completion, values))
        for match in state.matches(completion):
            matches[match.program.name].setdefault(match.firing_id, match)
    return [
        _explain_sync(flow, program, known, entries[name], matches[name], facts)
        for name, program in index.programs.items()
    ]


def _explain_sync(
    flow: str,
    program: Program,
    completions: list[Completion],
    entries: list[list[Entry]],
    matches: dict[str, Match],
    facts: Facts | None,
) -> Explanation:
    patterns = tuple(
        PatternReport(
            pattern_text(pattern),
            tuple(completion.id for completion, _ in found),
            "" if found else closest_difference(pattern, completions),
        )
        for pattern, found in zip(program.sync.when, entries, strict=True)
    )
    missing = next((report.missing for report in patterns if report.missing), "")
    if not matches and not missing:
        missing = disagreement(program, entries)
    source = program.sync.source
    return Explanation(
        flow=flow,
        sync=program.name,
        place=f"{source.file}:{source.line}" if source else "",
        patterns=patterns,
        matches=tuple(_explain_match(match, facts) for match in matches.values()),
        missing=missing,
    )


class _NoFacts:
    """Given to entries that read none."""

    def query(self, concept: str, criteria: Record) -> list[Record]:
        raise NotImplementedError(f"{concept} {criteria}: there are no facts")

    def ask(self, concept: str, action: str, input: Record) -> Outcome:
        raise NotImplementedError(f"{concept}/{action} {input}: there are no facts")


class _Placeholders(Draw):
    """What a firing would draw, told apart but not drawn."""

    def __init__(self) -> None:
        self._count = 0

    def now(self) -> str:
        return "<now>"

    def uuid(self) -> str:
        self._count += 1
        return f"<uuid {self._count}>"


def _explain_match(match: Match, facts: Facts | None) -> MatchReport:
    def report(verdict: Verdict, missing: str = "", invocations: tuple[Would, ...] = ()) -> MatchReport:
        ids = tuple(completion.id for completion in match.completions)
        return MatchReport(match.firing_id, ids, match.bindings, verdict, invocations, missing)

    draw = _Placeholders()
    readable = _NoFacts() if facts is None else facts
    rows = [match.bindings.copy()]
    bound = set(match.bindings)
    try:
        for step in match.program.where:
            if facts is None and isinstance(step.entry, Query):
                return report("undecided", f"facts of {concept_name(step.entry.concept)} were not given")
            before = [row.copy() for row in rows]
            rows = step.run(rows, draw, readable)
            if not rows:
                site = match.program.site
                return report("nothing", why_no_bindings(step.entry, before, bound, readable, site, draw))
            bound |= set(rows[0])
        invocations = invocations_of(match, rows, draw)
    except ClefError as error:
        return report("undecided" if error.retryable else "nothing", str(error))
    if not invocations:
        return report("nothing", no_invocations(match.program))
    return report("fires", "", tuple(Would(each.id, each.concept, each.action, each.input) for each in invocations))
