"""Walks through the expressions and variables of compiled syncs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from clef_runtime.language.clef_form import meaning
from clef_runtime.language.compiled import (
    Bind,
    Call,
    CompiledSync,
    Expr,
    FieldPattern,
    Filter,
    ListOf,
    RecordOf,
    Template,
    ThenAction,
    Var,
    Variable,
)


def parts(expr: Expr) -> tuple[Expr, ...]:
    """What an expression is directly made of."""
    if isinstance(expr, Call):
        return expr.args
    if isinstance(expr, ListOf):
        return expr.items
    if isinstance(expr, Template):
        return expr.parts
    return tuple(item for _, item in expr.fields) if isinstance(expr, RecordOf) else ()


def within(expr: Expr) -> Iterator[Expr]:
    """An expression and everything in it, outer before inner, left before right."""
    stack = [expr]
    while stack:
        found = stack.pop()
        yield found
        stack.extend(reversed(parts(found)))


def expressions(sync: CompiledSync) -> Iterator[Expr]:
    """The expressions of a sync in the order of its text."""
    for entry in sync.where:
        if isinstance(entry, Bind | Filter):
            if entry.value is not None:
                yield entry.value
        elif entry.ask is not None:
            yield from (value for _, value in entry.ask.input)
    for action in sync.then:
        yield from (loop.items for loop in action.loops)
        yield from field_values(action)


def field_values(action: ThenAction) -> Iterator[Expr]:
    for field in action.fields:
        yield field.expr if field.expr is not None else meaning(field.value)


def bound_variables(sync: CompiledSync) -> set[str]:
    """The variables that *when* and *where* may bind."""
    names: set[str] = set()
    for pattern in sync.when:
        names.update(_variables(pattern.input_fields), _variables(pattern.output_fields))
        names.update(name[1:] for name in (pattern.concept, pattern.action) if name.startswith("?"))
    for entry in sync.where:
        if isinstance(entry, Bind):
            names.add(entry.as_)
        elif not isinstance(entry, Filter):
            names.update(binding.variable for binding in entry.bindings)
    return names


def unbound_variables(sync: CompiledSync) -> list[str]:
    """The variables of *then* that nothing binds, in the order of the text."""
    bound = bound_variables(sync)
    found: dict[str, None] = {}
    for action in sync.then:
        known = set(bound)
        for loop in action.loops:
            found.update(dict.fromkeys(_used(loop.items, known)))
            known.add(loop.variable)
        targets = (name[1:] for name in (action.concept, action.action) if name.startswith("?"))
        found.update(dict.fromkeys(name for name in targets if name not in known))
        for value in field_values(action):
            found.update(dict.fromkeys(_used(value, known)))
    return list(found)


def _variables(fields: Iterable[FieldPattern]) -> Iterator[str]:
    return (field.match.name for field in fields if isinstance(field.match, Variable))


def _used(expr: Expr, known: set[str]) -> Iterator[str]:
    return (found.name for found in within(expr) if isinstance(found, Var) and found.name not in known)
