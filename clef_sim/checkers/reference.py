"""The reference: from a flow's completions, which matches exist, and what each must cause.

Written from the meaning of the language alone, by brute force: every assignment of distinct completions to
the patterns is tried. What a *where* finds is computed from the answers that the history holds, since a query
has no other truth than what the storage said at that moment.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from clef_runtime.language.compiled import (
    Bind,
    CompiledSync,
    FieldPattern,
    Filter,
    Literal,
    Pattern,
    Query,
    ThenAction,
    Variable,
)
from clef_runtime.model import Completion, Record, concept_urn
from clef_sim.checkers.expressions import Evaluator, Undecided, Unknown, equal, field_expr, has_unknown, true
from clef_sim.checkers.story import Key, key_of

_MISSING = object()


class NeverAsked(Exception):  # a finding about the runtime, not an error here
    """The *where* needs an answer that the history does not hold."""

    def __init__(self, name: str, asked: Record) -> None:
        self.name, self.asked = name, asked
        super().__init__(f"{name} was never asked for {asked!r:.200}")


class Answers(Protocol):
    """What the runtime was told when it prepared a firing."""

    def rows(self, concept: str, criteria: Record) -> list[Record] | None:
        """A query's rows; None where it was never asked."""

    def outcome(self, name: str, input: Record) -> tuple[str, Record] | None:
        """Variant and output of an ask (`urn:clef/C/action`); None where it was never asked."""


class Match(msgspec.Struct):
    """A match. Where patterns are alike, one set of completions has several assignments, hence bindings."""

    key: Key
    sync: CompiledSync
    completions: tuple[Completion, ...]
    bindings: list[Record]


class Required(msgspec.Struct):
    """An invocation that a firing must have. `input` may hold unknowns."""

    concept: str
    action: str
    input: Record


class Reference:
    """Args:
    syncs: of the app.
    functions: that the app registered.
    concepts: URNs of the app's concepts; a sync that needs another one does not fire. None: all exist.
    """

    def __init__(
        self,
        syncs: Iterable[CompiledSync],
        functions: Mapping[str, Callable[..., Any]] | None = None,
        concepts: Collection[str] | None = None,
    ) -> None:
        self._evaluator = Evaluator(functions or {})
        available = [sync for sync in syncs if concepts is None or _needed(sync) <= set(concepts)]
        self._syncs = [(sync, [_target(pattern) for pattern in sync.when]) for sync in available]

    # ---- when

    def matches(self, completions: Sequence[Completion]) -> list[Match]:
        """Every match among the completions of one flow."""
        by_action: dict[tuple[str, str], list[Completion]] = {}
        for completion in completions:
            by_action.setdefault((completion.concept, completion.action), []).append(completion)
        found: dict[Key, Match] = {}
        for sync, targets in self._syncs:
            if any(target is not None and target not in by_action for target in targets):
                continue
            candidates = [
                _candidates(pattern, completions if target is None else by_action[target])
                for pattern, target in zip(sync.when, targets, strict=True)
            ]
            if all(candidates):
                for assigned, bindings in _assignments(candidates, 0, (), {}):
                    key = key_of(sync.name, (each.id for each in assigned))
                    match = found.get(key)
                    if match is None:
                        found[key] = Match(key, sync, assigned, [bindings])
                    else:
                        match.bindings.append(bindings)
        return list(found.values())

    # ---- where and then

    def required(self, match: Match, answers: Answers, assignment: int = 0) -> list[Required]:
        """The invocations of the match's firing, by one of its assignments.

        Raises:
            NeverAsked: a query's answer is missing.
            Undecided: what follows depends on what was drawn.
        """
        rows = [dict(match.bindings[assignment])]
        for entry in match.sync.where:
            rows = [after for row in rows for after in self._entry(entry, row, answers)]
        return [each for row in rows for action in match.sync.then for each in self._invocations(action, row)]

    def _entry(self, entry: Bind | Query | Filter, row: Record, answers: Answers) -> Iterable[Record]:
        match entry:
            case Bind():
                if entry.value is None:
                    raise Undecided(f"the expression {entry.expr!r} is not parsed")
                return [{**row, entry.as_: self._evaluator.value(entry.value, row)}]
            case Filter():
                if entry.value is None:
                    raise Undecided(f"the expression {entry.expr!r} is not parsed")
                return [row] if true(self._evaluator.value(entry.value, row)) else []
            case Query(ask=None):
                return self._query(entry, row, answers)
            case _:
                return self._ask(entry, row, answers)

    def _query(self, entry: Query, row: Record, answers: Answers) -> list[Record]:
        criteria = {each.field: each.value for each in entry.literals}
        for binding in entry.bindings:
            if binding.variable in row:
                criteria.setdefault(binding.field, row[binding.variable])
        rows = answers.rows(entry.concept, criteria)
        if rows is None:
            raise NeverAsked(entry.concept, criteria)
        found = []
        for fact in rows:
            bound: Record | None = row
            for binding in entry.bindings:
                bound = _agree(bound, binding.variable, fact.get(binding.field, _MISSING))
            if bound is not None and all(
                equal(fact.get(each.field, _MISSING), each.value) for each in entry.literals
            ):
                found.append(bound)
        return found

    def _ask(self, entry: Query, row: Record, answers: Answers) -> list[Record]:
        assert entry.ask is not None
        name = entry.concept.removesuffix("/" + entry.ask.action) + "/" + entry.ask.action
        given = {field: self._evaluator.value(expr, row) for field, expr in entry.ask.input}
        answer = answers.outcome(name, given)
        if answer is None:
            raise NeverAsked(name, given)
        variant, output = answer
        bound = _bind_fields(entry.ask.output, {**output, "variant": variant}, row)
        return [] if bound is None else [bound]

    def _invocations(self, action: ThenAction, row: Record) -> list[Required]:
        turns = [row]
        for loop in action.loops:
            turns = [
                {**turn, loop.variable: item}
                for turn in turns
                for item in _items(self._evaluator.value(loop.items, turn))
            ]
        return [
            Required(
                concept_urn(_named(action.concept, turn)),
                _named(action.action, turn),
                {field.name: self._evaluator.value(field_expr(field), turn) for field in action.fields},
            )
            for turn in turns
        ]


def _needed(sync: CompiledSync) -> set[str]:
    asked = [
        entry.concept.removesuffix("/" + entry.ask.action) if entry.ask else entry.concept
        for entry in sync.where
        if isinstance(entry, Query)
    ]
    urns = [*asked, *(action.concept for action in sync.then)]
    return {urn for urn in urns if not urn.startswith("?")}


def _items(value: Any) -> list[Any]:
    if isinstance(value, Unknown):
        raise Undecided("it loops over what was drawn")
    return value if isinstance(value, list) else []


def _named(text: str, row: Record) -> str:
    if not text.startswith("?"):
        return text
    value = row.get(text[1:])
    if not isinstance(value, str) or not value:
        raise Undecided(f"{text} is {value!r:.80} and names nothing to invoke")
    return value


def _target(pattern: Pattern) -> tuple[str, str] | None:
    """Concept and action; None where a variable stands for one of them."""
    named = not pattern.concept.startswith("?") and not pattern.action.startswith("?")
    return (pattern.concept, pattern.action) if named else None


def _candidates(pattern: Pattern, pool: Sequence[Completion]) -> list[tuple[Completion, Record]]:
    """The completions that fit the pattern by themselves, each with what it binds."""
    fitting = ((each, _fit(pattern, each)) for each in pool)
    return [(each, bound) for each, bound in fitting if bound is not None]


def _fit(pattern: Pattern, completion: Completion) -> Record | None:
    bound: Record | None = {}
    for text, value in ((pattern.concept, completion.concept), (pattern.action, completion.action)):
        if text.startswith("?"):
            bound = _agree(bound, text[1:], value)
        elif text != value:
            return None
    if bound is not None:
        bound = _bind_fields(pattern.input_fields, completion.input, bound)
    if bound is not None and pattern.output_fields:
        output = {**completion.output, "variant": completion.variant}
        bound = _bind_fields(pattern.output_fields, output, bound)
    return bound


def _bind_fields(fields: Iterable[FieldPattern], record: Record, bound: Record | None) -> Record | None:
    for field in fields:
        match = field.match
        if isinstance(match, Variable):
            bound = _agree(bound, match.name, record.get(field.name, _MISSING))
        elif isinstance(match, Literal) and not equal(record.get(field.name, _MISSING), match.value):
            return None
        if bound is None:
            return None
    return bound


def _agree(bound: Record | None, variable: str, value: Any) -> Record | None:
    """`bound` with the variable bound to the value; None where it has another one, or there is no value."""
    if bound is None or value is _MISSING:
        return None
    if variable not in bound:
        return {**bound, variable: value}
    return bound if has_unknown(bound[variable]) or equal(bound[variable], value) else None


def _assignments(
    candidates: Sequence[Sequence[tuple[Completion, Record]]],
    place: int,
    assigned: tuple[Completion, ...],
    bindings: Record,
) -> Iterator[tuple[tuple[Completion, ...], Record]]:
    if place == len(candidates):
        yield assigned, bindings
        return
    for completion, bound in candidates[place]:
        if any(completion.id == each.id for each in assigned):
            continue
        if all(equal(bindings[name], value) for name, value in bound.items() if name in bindings):
            joined = {**bindings, **bound}
            yield from _assignments(candidates, place + 1, (*assigned, completion), joined)
