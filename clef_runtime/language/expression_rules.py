"""The rules of expressions: what stands in bind, filter, guard, any, a call, or beside an operator."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from lark import Token, Transformer

from clef_runtime.language import clef_form
from clef_runtime.language.compiled import Call, Expr, ListOf, Lit, RecordOf, Var

WORDS: dict[str, Any] = {"true": True, "false": False, "null": None, "none": None}
_SIGNS = {"=": "==", "===": "==", "!==": "!="}
_EMPTY = ListOf((Lit(None), Lit(""), ListOf(()), RecordOf(())))


class Arm(NamedTuple):
    """`test => value` in a `cond`; `test` is None for `default`."""

    test: Expr | None
    value: Expr


class Unreadable(Exception):  # it ends in a finding or an error of the language, not here
    """Recognised, and yet without a meaning; the text says why."""


def string_of(token: str) -> str:
    return clef_form.unescape(token[1:-1])


def number_of(token: str) -> int | float:
    """Raises Unreadable for one that no float can hold."""
    value = float(token)
    if math.isinf(value):
        raise Unreadable(f"the number {token[:20]}... is too large")
    return value if "." in token else int(token) if len(token) < 300 else int(value)


def variable_name(token: str) -> str:
    return token[1:].lstrip()


def path_of(token: str) -> Var:
    """`?name.field[0]`"""
    text = variable_name(token)
    if "[" not in text and "." not in text:
        return Var(text)
    name, *path = text.replace("[", ".").replace("]", "").split(".")
    return Var(name, tuple(path))


class ExpressionRules(Transformer[Any, Any]):
    """One method a rule; Lark calls them bottom-up."""

    def expression(self, children: list[Expr]) -> Expr:
        return children[0]

    def conditions(self, children: list[Expr]) -> list[Expr]:
        return children

    def either(self, children: list[Expr]) -> Expr:
        return Call("or", tuple(children))

    def both(self, children: list[Expr]) -> Expr:
        return Call("and", tuple(children))

    def negate(self, children: list[Expr]) -> Expr:
        return Call("not", (children[0],))

    def chain(self, children: list[Any]) -> Expr:
        """Operand, sign, operand, sign, ...; the left ones bind first."""
        value: Expr = children[0]
        for at in range(1, len(children), 2):
            negated, _, sign = f" {children[at]}".rpartition(" ")
            value = Call(_SIGNS.get(sign, sign), (value, children[at + 1]))
            if negated.strip():
                value = Call("not", (value,))
        return value

    def state(self, children: list[Any]) -> Expr:
        """`is [not] empty`, `is [not] null`"""
        value, (_, *negated, word) = children[0], children[1].split()
        held = Call("in", (value, _EMPTY)) if word == "empty" else Call("==", (value, Lit(None)))
        return Call("not", (held,)) if negated else held

    def minus(self, children: list[Expr]) -> Expr:
        (only,) = children
        if isinstance(only, Lit) and type(only.value) in (int, float):
            return Lit(-only.value)
        return Call("-", (only,))

    def path(self, children: list[Token]) -> Expr:
        return path_of(children[0])

    def string(self, children: list[Token]) -> Expr:
        return clef_form.template(string_of(children[0]))

    def number(self, children: list[Token]) -> Expr:
        return Lit(number_of(children[0]))

    def word(self, children: list[Token]) -> Expr:
        (name,) = children
        return Lit(WORDS.get(name, str(name)))

    def call(self, children: list[Any]) -> Expr:
        name, *args = children
        if any(isinstance(arg, Arm) for arg in args):
            return _conditional(str(name), args)
        if name in ("cond", "if") and len(args) > 3:
            pairs = [Arm(args[at], args[at + 1]) for at in range(0, len(args) - 1, 2)]
            return _conditional(str(name), pairs + [Arm(None, arg) for arg in args[2 * len(pairs) :]])
        return Call(str(name), tuple(args))

    def arm(self, children: list[Expr]) -> Arm:
        return Arm(None, children[0]) if len(children) == 1 else Arm(children[0], children[1])

    def index(self, children: list[Expr]) -> Expr:
        return Call("at", tuple(children))

    def member(self, children: list[Any]) -> Expr:
        value, name = children
        for step in name.split("."):
            value = Call("at", (value, Lit(step)))
        return value  # type: ignore[no-any-return]  # what was an expression still is

    def items(self, children: list[Expr]) -> Expr:
        return ListOf(tuple(children))

    def pairs(self, children: list[tuple[str, Expr]]) -> Expr:
        return RecordOf(tuple(children))

    def pair(self, children: list[Any]) -> tuple[str, Expr]:
        return children[0][:-1].rstrip(), children[1]


def _conditional(name: str, arms: list[Any]) -> Expr:
    """`cond(test => value, ..., default => value)`: the first arm that holds, else null."""
    if name not in ("cond", "if") or not all(isinstance(arm, Arm) for arm in arms):
        raise Unreadable("`test => value` stands only in cond(...), and then in all of its arguments")
    if any(arm.test is None for arm in arms[:-1]):
        raise Unreadable("nothing can follow `default => value`")
    value: Expr | None = None
    for arm in reversed(arms):
        if arm.test is None:
            value = arm.value
        else:
            value = Call("cond", (arm.test, arm.value) if value is None else (arm.test, arm.value, value))
    return value or Lit(None)
