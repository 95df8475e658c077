"""The rules of values: what stands behind the colon of a field. One method a rule.

A value in *then* is built twice over: its exact expression, and what the exchange form says of it, since
that form keeps less.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from lark import Token

from clef_runtime.language import clef_form
from clef_runtime.language.compiled import Expr, ListOf, Lit, Literal, RecordOf, ThenAction, Variable
from clef_runtime.language.expression_rules import (
    WORDS,
    ExpressionRules,
    Unreadable,
    number_of,
    path_of,
    string_of,
)

_ARITHMETIC = frozenset("+-*/%")

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


def field_name(token: str) -> str:
    return token[:-1].rstrip()


class ValueRules(ExpressionRules):
    """`job` is set for each text that is read."""

    job: Job

    def scalar(self, token: Token) -> Any:
        """The value of a STRING, NUMBER, TRUTH or WORD."""
        if token.type == "STRING":
            return string_of(token)
        if token.type == "NUMBER":
            try:
                return number_of(token)
            except Unreadable as error:
                raise self.job.refuse(token, str(error)) from None
        return WORDS.get(token, str(token))

    def parens(self, children: list[Token]) -> Group:
        return Group(children[0], children[-1])

    def call_text(self, children: list[Token]) -> Group:
        return Group(children[0], children[-1])

    def plain(self, children: list[Any]) -> Value:
        (found,) = children
        if isinstance(found, Group):
            return self._computed(found.start, found.end)
        if found.type == "PATH":
            expr = path_of(found)
            dotted = ".".join((expr.name, *expr.path))
            hole = f"{{{{{dotted}}}}}"
            return Value(expr, Variable(dotted), hole, hole, found, found)
        value = self.scalar(found)
        if found.type == "STRING":
            return Value(clef_form.template(value), Literal(value), value, value, found, found)
        if found.type == "WORD":
            text = str(found)
            return Value(Lit(value), Literal(value), None if text == "null" else text, text, found, found)
        inner = str(found) if isinstance(value, float) else value
        return Value(Lit(value), Literal(value), inner, inner, found, found)

    def computed(self, children: list[Any]) -> Value:
        for at, found in enumerate(children):
            if found in _ARITHMETIC and found.type == "OPERATOR":
                self._no_words(found, children[max(at - 1, 0) : at + 2])
        first, last = children[0], children[-1]
        return self._computed(
            first.start if isinstance(first, Group) else first, last.end if isinstance(last, Group) else last
        )

    def _no_words(self, sign: Token, operands: list[Any]) -> None:
        """Text without quotes is no operand: it would silently come to null."""
        for operand in operands:
            if isinstance(operand, Token) and operand.type == "WORD" and operand not in WORDS:
                message = f"found `{operand}` beside `{sign}`, expected a `?variable`, a number or a string in quotes"
                raise self.job.refuse(operand, message)

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
