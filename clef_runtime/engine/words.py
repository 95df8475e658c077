"""Why a pattern does not fit, a join does not hold, a where yields nothing: in words, for `explain`."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import Any

import msgspec

from clef_runtime.engine.expressions import Draw, Site, compile_expr
from clef_runtime.engine.index import Program
from clef_runtime.engine.matching import Entry, hashable
from clef_runtime.engine.where import Facts, QueryParts, ask_concept, query_parts
from clef_runtime.language.compiled import (
    Bind,
    FieldPattern,
    Filter,
    Literal,
    Match,
    Pattern,
    Query,
    Var,
    Variable,
    WhereEntry,
)
from clef_runtime.language.functions import json_equal
from clef_runtime.language.walk import within
from clef_runtime.model import Completion, Record, concept_name

COMPARED_MAX = 1_000
"""At most so many partial joins are looked at to name a disagreement; any one of them is a true one."""


def shown(value: Any, limit: int = 80) -> str:
    """JSON, cut to `limit` characters."""
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= limit else text[: limit - 3] + "..."


# --- when ---------------------------------------------------------------------------------------------


def target_text(concept: str, action: str) -> str:
    return f"{concept_name(concept)}/{action}"


def pattern_text(pattern: Pattern) -> str:
    """The pattern as one would write it."""
    variant = [f for f in pattern.output_fields if f.name == "variant" and isinstance(f.match, Literal)]
    others = [field for field in pattern.output_fields if field not in variant[:1]]
    fields = _fields_text(others)
    output = f"{variant[0].match.value}({fields})" if variant else f"[{fields and f' {fields} '}]"  # type: ignore[union-attr]  # `variant` holds literals only
    inputs = _fields_text(pattern.input_fields)
    return f"{target_text(pattern.concept, pattern.action)}: [{inputs and f' {inputs} '}] => {output}"


def _fields_text(fields: Iterable[FieldPattern]) -> str:
    return "; ".join(f"{field.name}: {_match_text(field.match)}" for field in fields)


def _match_text(match: Match) -> str:
    if isinstance(match, Variable):
        return f"?{match.name}"
    return shown(match.value) if isinstance(match, Literal) else "_"


def closest_difference(pattern: Pattern, completions: Sequence[Completion]) -> str:
    """Why no completion fits the pattern: what differs in the one that comes nearest."""
    wanted = target_text(pattern.concept, pattern.action)
    aimed = [
        completion
        for completion in completions
        if _named(pattern.concept, completion.concept) and _named(pattern.action, completion.action)
    ]
    if not aimed:
        near = dict.fromkeys(
            target_text(each.concept, each.action) for each in completions if _named(pattern.concept, each.concept)
        )
        return f"no completion of {wanted}" + (f"; of that concept there are {', '.join(near)}" if near else "")
    nearest = min(aimed, key=lambda completion: len(list(differences(pattern, completion))))
    found = "; ".join(differences(pattern, nearest))
    return f"no completion of {wanted} fits: in {nearest.id} {found}"


def _named(wanted: str, name: str) -> bool:
    return wanted.startswith("?") or wanted == name


def differences(pattern: Pattern, completion: Completion) -> Iterator[str]:
    """What keeps a completion of the right concept and action from fitting."""
    seen: dict[str, tuple[str, Any]] = {}
    for text, name in ((pattern.concept, completion.concept), (pattern.action, completion.action)):
        if text.startswith("?"):
            seen.setdefault(text[1:], (text, name))
    output = {**completion.output, "variant": completion.variant}
    for side, record, fields in (
        ("input", completion.input, pattern.input_fields),
        ("output", output, pattern.output_fields),
    ):
        for field in fields:
            where = "variant" if side == "output" and field.name == "variant" else f"{side} field {field.name!r}"
            match = field.match
            if isinstance(match, Literal | Variable) and field.name not in record:
                yield f"{where} is absent, wanted {_match_text(match)}"
            elif isinstance(match, Literal) and not json_equal(record[field.name], match.value):
                yield f"{where} is {shown(record[field.name])}, wanted {shown(match.value)}"
            elif isinstance(match, Variable):
                first, value = seen.setdefault(match.name, (where, record[field.name]))
                if not json_equal(value, record[field.name]):
                    yield f"?{match.name} is {shown(value)} in {first} and {shown(record[field.name])} in {where}"


def disagreement(program: Program, entries: Sequence[Sequence[Entry]]) -> str:
    """Why completions that fit the patterns one by one do not fit together: the patterns are joined in
    their order until none is left, and the nearest pair at that point is told."""
    partial: list[tuple[Entry, ...]] = [(entry,) for entry in entries[0][:COMPARED_MAX]]
    for place in range(1, len(entries)):
        bound: dict[str, tuple[int, int]] = {}
        for earlier in range(place):
            for slot, name in enumerate(program.patterns[earlier].variables):
                bound.setdefault(name, (earlier, slot))
        variables = program.patterns[place].variables
        shared = [(name, slot, bound[name]) for slot, name in enumerate(variables) if name in bound]
        by_key: dict[Hashable, list[Entry]] = {}
        for entry in entries[place]:
            by_key.setdefault(tuple(hashable(entry[1][slot]) for _, slot, _ in shared), []).append(entry)
        longer: list[tuple[Entry, ...]] = []
        for assigned in partial:
            key = tuple(hashable(assigned[earlier][1][at]) for _, _, (earlier, at) in shared)
            used = {completion.id for completion, _ in assigned}
            longer += [(*assigned, entry) for entry in by_key.get(key, ()) if entry[0].id not in used]
            if len(longer) >= COMPARED_MAX:
                break
        if not longer:
            return _nearest_pair(program, partial, entries[place][:COMPARED_MAX], place, shared)
        partial = longer
    return "no completions fit together"


def _nearest_pair(
    program: Program,
    partial: list[tuple[Entry, ...]],
    candidates: Sequence[Entry],
    place: int,
    shared: list[tuple[str, int, tuple[int, int]]],
) -> str:
    wanted = pattern_text(program.sync.when[place])
    best: list[str] | None = None
    for entry in candidates:
        assigned = partial[0]
        differing = [
            f"?{name} is {shown(assigned[earlier][1][at])} in {assigned[earlier][0].id}"
            f" and {shown(entry[1][slot])} in {entry[0].id}"
            for name, slot, (earlier, at) in shared
            if not json_equal(assigned[earlier][1][at], entry[1][slot])
        ]
        if differing and (best is None or len(differing) < len(best)):
            best = differing
    if best is None:
        return f"another completion for {wanted}: {partial[0][0][0].id} cannot stand in two places"
    return f"a completion for {wanted} that agrees with the others: {'; '.join(best)}"


# --- where --------------------------------------------------------------------------------------------


def why_no_bindings(
    entry: WhereEntry, rows: Sequence[Record], bound: set[str], facts: Facts, site: Site, draw: Draw
) -> str:
    """Why this entry left none of the bindings `rows`; told of the first."""
    row = rows[0]
    of_all = f" (the first of {len(rows)} bindings)" if len(rows) > 1 else ""
    if isinstance(entry, Filter | Bind):
        return f"{_filter_words(entry, row)}{of_all}"
    if entry.ask is None:
        return f"{_query_words(entry, row, query_parts(entry, bound), facts.query)}{of_all}"
    given = {name: compile_expr(expr, site)(row, draw) for name, expr in entry.ask.input}
    outcome = facts.ask(ask_concept(entry), entry.ask.action, given)
    wanted = pattern_text(Pattern(ask_concept(entry), entry.ask.action, (), entry.ask.output))
    answer = f"{outcome.variant} {shown(outcome.output)}"
    return f"asked with {shown(given)}, the answer is {answer}, wanted {wanted.partition('=> ')[2]}{of_all}"


def _filter_words(entry: Filter | Bind, row: Record) -> str:
    used = within(entry.value) if entry.value is not None else ()
    names = dict.fromkeys(each.name for each in used if isinstance(each, Var))
    values = ", ".join(f"?{name} is {shown(row.get(name))}" for name in names)
    return f"{entry.text or entry.expr} does not hold" + (f": {values}" if values else "")


def _query_words(entry: Query, row: Record, parts: QueryParts, query: Callable[[str, Record], list[Record]]) -> str:
    name, criteria = concept_name(entry.concept), parts.criteria(row)
    rows = query(entry.concept, criteria)
    if rows:
        for field, variable in (*parts.binds, *parts.agrees):
            absent = field not in rows[0]
            if absent:
                return f"the {name} fact {shown(rows[0])} has no field {field!r} for ?{variable}"
        return f"the {name} fact {shown(rows[0])} does not agree with the other fields of the query"
    if not criteria:
        return f"there is no {name} fact"
    wanted = shown(criteria)
    for field, value in criteria.items():
        if len(criteria) > 1 and not query(entry.concept, {field: value}):
            return f"no {name} fact with {wanted}: none has {shown({field: value})}"
    return f"no {name} fact with {wanted}"


def no_invocations(program: Program) -> str:
    """Why bindings gave no invocation: only a loop can do that."""
    if not program.then:
        return "the sync has no then action"
    loops = [loop for action in program.sync.then for loop in action.loops]
    names = ", ".join(dict.fromkeys(f"?{loop.variable}" for loop in loops))
    return f"the loop over {names} has no turn: what it goes over is empty or no list"
