"""Turns what the grammar recognises into compiled syncs. One method a rule; Lark calls them bottom-up."""

from __future__ import annotations

import re
from typing import Any

from lark import Token

from clef_runtime.language import clef_form
from clef_runtime.language.compiled import (
    Ask,
    Bind,
    CompiledSync,
    Expr,
    FieldPattern,
    Filter,
    Lit,
    Literal,
    Loop,
    Match,
    Pattern,
    Query,
    QueryBinding,
    QueryLiteral,
    Source,
    ThenAction,
    ThenField,
    Var,
    Variable,
    Wildcard,
)
from clef_runtime.language.expression_rules import string_of, variable_name
from clef_runtime.language.value_rules import Value, ValueRules, field_name
from clef_runtime.model import concept_urn

_AS_NAME = re.compile(r"\s*\?\s*([A-Za-z_][\w-]*)(?:\s|#[^\n]*|//[^\n]*)*", re.ASCII)


class Part(tuple[Any, ...]):
    """Children of one rule under its name, for the rule above to sort out."""

    __slots__ = ()


class Annotation(Part): ...


class When(Part): ...


class Where(Part): ...


class Then(Part): ...


class Invariant(Part): ...


class Key(Part): ...


class Field(Part): ...


class Build(ValueRules):
    """The rules of files; those of values and expressions are inherited."""

    # ---- files

    def file(self, children: list[CompiledSync]) -> list[CompiledSync]:
        return children

    def sync(self, children: list[Any]) -> CompiledSync:
        keyword, name, *parts = children
        annotations: list[str] = []
        when: tuple[Pattern, ...] = ()
        where: tuple[Bind | Query | Filter, ...] = ()
        then: list[ThenAction] = []
        invariants: list[str] = []
        purpose = written = ""
        for part in parts:
            if isinstance(part, When):
                when = tuple(part)
            elif isinstance(part, Then):
                then.extend(part)
            elif isinstance(part, Annotation):
                annotations.extend(part)
            elif isinstance(part, Where):
                where = tuple(part)
            elif isinstance(part, Invariant):
                invariants.extend(part)
            else:
                purpose, written = part
        return CompiledSync(
            name=str(name),
            annotations=tuple(annotations),
            when=when,
            where=where,
            then=tuple(then),
            purpose=purpose or None,
            purpose_text=written,
            invariants=tuple(invariants),
            source=Source(self.job.file, self.job.line(keyword)),
        )

    def annotation(self, children: list[Token]) -> Annotation:
        return Annotation(map(str, children))

    def purpose_line(self, children: list[Token]) -> tuple[str, str]:
        return string_of(children[1]), ""

    def purpose_prose(self, children: list[Token]) -> tuple[str, str]:
        _, start, end = children
        text = self.job.text(start, end)[1:-1]
        return clef_form.prose_text(text), " ".join(text.split())

    def invariant(self, children: list[Token]) -> Invariant:
        return Invariant((self.job.text(children[0], children[-1]),))

    # ---- when

    def when(self, children: list[Any]) -> When:
        return When(children[1:])

    def pattern(self, children: list[Any]) -> Pattern:
        concept, action, inputs = children[:3]
        output = children[3] if len(children) > 3 else ()
        return Pattern(*_target(concept, action), inputs, output)

    def fields(self, children: list[FieldPattern]) -> tuple[FieldPattern, ...]:
        return tuple(children)

    def variant(self, children: list[Any]) -> tuple[FieldPattern, ...]:
        named = FieldPattern("variant", Literal(str(children[0])))
        return (named, *children[1]) if len(children) > 1 else (named,)

    def named(self, children: list[Any]) -> tuple[FieldPattern, ...]:
        if children[0] == "_":
            raise self.job.refuse(children[0], "found `_`, expected a variant or a name with `:`")
        return self.variant(children)

    def field(self, children: list[Any]) -> FieldPattern:
        return FieldPattern(field_name(children[0]), self._match_of(children[1]))

    def _match_of(self, found: Any) -> Match:
        if isinstance(found, Value):
            return Literal(found.braces)
        kind = found.type
        if kind == "VAR":
            return Variable(variable_name(found))
        if kind == "WILDCARD":
            return Wildcard()
        return Literal(self.scalar(found))

    # ---- where

    def where(self, children: list[Any]) -> Where:
        return Where(children[1:])

    def bind(self, children: list[Any]) -> Bind:
        _, group = children
        inside = self.job.text(group.start, group.end)[1:-1]
        found = split_binding(inside)
        if found is None:
            raise self.job.refuse(group.end, "found `)`, expected `as ?variable` before it")
        text, name = found
        return Bind(clef_form.bind_text(text), name, self.job.expression(text), text)

    def filter(self, children: list[Any]) -> Filter:
        keyword, group = children
        inside = self.job.text(group.start, group.end)[1:-1]
        value = self.job.condition(str(keyword), inside)
        return Filter(clef_form.filter_text(str(keyword), inside), value, f"{keyword}({inside.strip()})")

    def query(self, children: list[Any]) -> Query:
        concept, *parts = children
        keys: list[QueryBinding] = []
        bindings: list[QueryBinding] = []
        literals: list[QueryLiteral] = []
        for part in parts:
            if isinstance(part, Key):
                keys.insert(0, QueryBinding(part[0], "__key"))
                continue
            name, match, *alias = part
            if isinstance(match, Variable):
                bindings.append(QueryBinding(match.name, name))
            elif isinstance(match, Literal):
                literals.append(QueryLiteral(name, match.value))
            bindings.extend(QueryBinding(each, name) for each in alias)
        return Query(concept_urn(field_name(concept)), (*keys, *bindings), tuple(literals))

    def key(self, children: list[Token]) -> Key:
        return Key((variable_name(children[0]),))

    def part(self, children: list[Token]) -> Field:
        name, match, *alias = children
        return Field(
            (field_name(name), self._match_of(match), *(variable_name(each) for each in alias if each.type == "VAR"))
        )

    def ask(self, children: list[Any]) -> Query:
        concept, action, inputs = children[:3]
        output = children[3] if len(children) > 3 else ()
        name = field_name(action)
        return Query(
            f"{concept_urn(concept)}/{name}",
            tuple(QueryBinding(each.match.name, each.name) for each in output if isinstance(each.match, Variable)),
            ask=Ask(name, tuple(_asked(each) for each in inputs if not isinstance(each.match, Wildcard)), output),
        )

    # ---- then

    def then(self, children: list[Any]) -> Then:
        return Then(self._flat(children[1:]))

    def _flat(self, steps: list[Any]) -> list[ThenAction]:
        actions: list[ThenAction] = []
        for step in steps:
            if isinstance(step, tuple):
                actions.extend(step)
            else:
                actions.append(step)
        return actions

    def action(self, children: list[Any]) -> ThenAction:
        concept, action, *fields = children
        return ThenAction(
            *_target(concept, action),
            tuple(ThenField(name, value.alone, clef_form.exact(value.alone, value.expr)) for name, value in fields),
        )

    def loop_text(self, children: list[Token]) -> tuple[ThenAction, ...]:
        return self.job.loop(children[0], children[-1])

    def loop(self, children: list[Any]) -> list[ThenAction]:
        _, variable, _, items, *steps = children
        loop = Loop(variable_name(variable), items.expr)
        return [ThenAction(step.concept, step.action, step.fields, (loop, *step.loops)) for step in self._flat(steps)]

    def entry(self, children: list[Any]) -> tuple[str, Value]:
        return field_name(children[0]), children[1]


def _target(concept: Token, action: Token) -> tuple[str, str]:
    named = concept.type == "NAME"
    return (
        concept_urn(concept) if named else "?" + variable_name(concept),
        field_name(action) if action.type == "FIELD" else "?" + variable_name(action),
    )


def _asked(field: FieldPattern) -> tuple[str, Expr]:
    match = field.match
    return field.name, Var(match.name) if isinstance(match, Variable) else Lit(getattr(match, "value", None))


def split_binding(inside: str) -> tuple[str, str] | None:
    """`expr as ?v` -> the text of `expr`, and `v`; at the first `as` outside of brackets, as Clef does."""
    depth = 0
    for word, start, end in clef_form.words(inside):
        if word == "as" and depth == 0 and not inside[:start].rstrip(" \t").endswith(("?", ".")):
            name = _AS_NAME.fullmatch(inside, end)
            return (inside[:start].strip(), name[1]) if name else None
        depth += (word == "(") - (word == ")")
    return None
