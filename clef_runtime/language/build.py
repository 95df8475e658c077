"""Turns what the grammar recognises into compiled syncs. One method a rule; Lark calls them bottom-up.

A value in *then* is built twice over: its exact expression, and what the exchange form says of it, since
that form keeps less.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple, Protocol

from lark import Token

from clef_runtime.language import clef_form
from clef_runtime.language.compiled import (
    Ask,
    Bind,
    CompiledSync,
    Expr,
    FieldPattern,
    Filter,
    ListOf,
    Lit,
    Literal,
    Loop,
    Match,
    Pattern,
    Query,
    QueryBinding,
    QueryLiteral,
    RecordOf,
    Source,
    ThenAction,
    ThenField,
    Var,
    Variable,
    Wildcard,
)
from clef_runtime.language.expression_rules import (
    WORDS,
    ExpressionRules,
    Unreadable,
    number_of,
    path_of,
    string_of,
    variable_name,
)
from clef_runtime.model import concept_urn

_AS_NAME = re.compile(r"\s*\?\s*([A-Za-z_][\w-]*)(?:\s|#[^\n]*|//[^\n]*)*", re.ASCII)

DEPTH_MAX = 64
"""Records, lists, loops and expressions nested deeper than this are refused: nobody wrote them by hand."""


class Job(Protocol):
    """The text that is being read, and how to read the parts that the grammar takes whole."""

    file: str

    def text(self, start: Token, end: Token) -> str:
        """The text from `start` to `end`, both included."""

    def line(self, token: Token) -> int: ...

    def expression(self, text: str) -> Expr: ...

    def condition(self, kind: str, text: str) -> Expr: ...

    def loop(self, start: Token, end: Token) -> tuple[ThenAction, ...]: ...

    def refuse(self, token: Token, message: str) -> Exception: ...


class Value(NamedTuple):
    """A value in *then*. `alone` is what the exchange form says of it as a field's value, `braces` and
    `brackets` what it says inside a record of that kind."""

    expr: Expr
    alone: Literal | Variable
    braces: Any
    brackets: Any
    start: Token
    end: Token
    depth: int = 0


class Group(NamedTuple):
    """Text in round brackets, or a call; from `start` to `end`."""

    start: Token
    end: Token


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


def field_name(token: str) -> str:
    return token[:-1].rstrip()


class Build(ExpressionRules):
    """The rules of files; those of expressions are inherited. `job` is set for each text that is read."""

    job: Job

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
        purpose = None
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
                purpose = part or None
        return CompiledSync(
            name=str(name),
            annotations=tuple(annotations),
            when=when,
            where=where,
            then=tuple(then),
            purpose=purpose,
            invariants=tuple(invariants),
            source=Source(self.job.file, self.job.line(keyword)),
        )

    def annotation(self, children: list[Token]) -> Annotation:
        return Annotation(map(str, children))

    def purpose_line(self, children: list[Token]) -> str:
        return string_of(children[1])

    def purpose_prose(self, children: list[Token]) -> str:
        _, start, end = children
        return " ".join(self.job.text(start, end)[1:-1].split())

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
        return Literal(self._scalar(found))

    def _scalar(self, token: Token) -> Any:
        """The value of a STRING, NUMBER, TRUTH or NAME."""
        if token.type == "STRING":
            return string_of(token)
        if token.type == "NUMBER":
            try:
                return number_of(token)
            except Unreadable as error:
                raise self.job.refuse(token, str(error)) from None
        return WORDS.get(token, str(token))

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

    def parens(self, children: list[Token]) -> Group:
        return Group(children[0], children[-1])

    def call_text(self, children: list[Token]) -> Group:
        return Group(children[0], children[-1])

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

    def plain(self, children: list[Any]) -> Value:
        (found,) = children
        if isinstance(found, Group):
            return self._computed(found.start, found.end)
        if found.type == "PATH":
            expr = path_of(found)
            dotted = ".".join((expr.name, *expr.path))
            hole = f"{{{{{dotted}}}}}"
            return Value(expr, Variable(dotted), hole, hole, found, found)
        value = self._scalar(found)
        if found.type == "STRING":
            return Value(clef_form.template(value), Literal(value), value, value, found, found)
        if found.type == "NAME":
            text = str(found)
            return Value(Lit(value), Literal(value), None if text == "null" else text, text, found, found)
        inner = str(found) if isinstance(value, float) else value
        return Value(Lit(value), Literal(value), inner, inner, found, found)

    def computed(self, children: list[Any]) -> Value:
        first, last = children[0], children[-1]
        return self._computed(
            first.start if isinstance(first, Group) else first, last.end if isinstance(last, Group) else last
        )

    def _computed(self, start: Token, end: Token) -> Value:
        text = self.job.text(start, end)
        said = clef_form.call_text(text)
        return Value(self.job.expression(text), Literal(said), said, said, start, end)

    def record(self, children: list[Any]) -> Value:
        opening, *entries = children
        depth = self._deeper(opening, [value for _, value in entries])
        kind = "braces" if opening == "{" else "brackets"
        said = {name: getattr(value, kind) for name, value in entries}
        expr = RecordOf(tuple({name: value.expr for name, value in entries}.items()))
        return Value(expr, Literal(said), said, said, opening, opening, depth)

    def listed(self, children: list[Any]) -> Value:
        opening, *values, end = children
        depth = self._deeper(opening, values)
        expr = ListOf(tuple(value.expr for value in values))
        if not values:
            # Clef says {} for an empty list inside a record.
            return Value(expr, Literal([]), {}, {}, opening, end, depth)
        plain = not any(isinstance(value.expr, RecordOf | ListOf) for value in values)
        first = values[0].start.type in ("PATH", "STRING")
        inner = [value.brackets for value in values]
        alone = clef_form.list_text(self.job.text(opening, end)) if plain and first else inner
        return Value(expr, Literal(alone), inner, inner, opening, end, depth)

    def set_of(self, children: list[Any]) -> Value:
        opening, *values, end = children
        depth = self._deeper(opening, values)
        said = {"__set": clef_form.set_items(self.job.text(opening, end))}
        return Value(ListOf(tuple(value.expr for value in values)), Literal(said), said, said, opening, end, depth)

    def _deeper(self, opening: Token, values: list[Value]) -> int:
        depth = 1 + max((value.depth for value in values), default=0)
        if depth > DEPTH_MAX:
            raise self.job.refuse(opening, f"nested more than {DEPTH_MAX} deep")
        return depth


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
