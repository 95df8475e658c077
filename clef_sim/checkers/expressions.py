"""The reference's own reading of sync expressions: it walks the tree, and shares no code with the engine.

What `uuid()` and `now()` give is not known here: they yield an `Unknown`, and so does every function of one.
A condition on an `Unknown` raises `Undecided`, since nothing can be said about what follows from it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from clef_runtime.language.compiled import (
    Call,
    Expr,
    ListOf,
    Lit,
    Literal,
    RecordOf,
    Template,
    ThenField,
    Var,
)
from clef_runtime.model import Record


class Undecided(Exception):  # it is an answer, not an error
    """The reference cannot say what must follow; the text says why."""


class Unknown:
    """A value that was drawn when the firing was prepared. Equals anything once, then only that."""

    __slots__ = ("known", "value")

    def __init__(self) -> None:
        self.known = False
        self.value: Any = None

    def __repr__(self) -> str:
        return "(drawn)"


def has_unknown(value: Any) -> bool:
    if isinstance(value, dict):
        return any(has_unknown(each) for each in value.values())
    if isinstance(value, list):
        return any(has_unknown(each) for each in value)
    return isinstance(value, Unknown)


def equal(left: Any, right: Any) -> bool:
    """As JSON: 1 is 1.0, true is not 1."""
    match left, right:
        case dict(), dict():
            return set(left) == set(right) and all(equal(value, right[name]) for name, value in left.items())
        case ((list() | tuple()), (list() | tuple())):
            return len(left) == len(right) and all(equal(*pair) for pair in zip(left, right, strict=True))
        case (bool(), _) | (_, bool()):
            return left is right
        case _:
            return bool(left == right)


def fits(expected: Any, actual: Any, drawn: list[Unknown]) -> bool:
    """Whether `actual` is `expected`, where an unknown fits what it met first. `drawn` collects those that
    this call made known, so that a caller can take it back."""
    if isinstance(expected, Unknown):
        if expected.known:
            return equal(expected.value, actual)
        expected.known, expected.value = True, actual
        drawn.append(expected)
        return True
    if isinstance(expected, dict):
        return (
            isinstance(actual, dict)
            and set(expected) == set(actual)
            and all(fits(value, actual[name], drawn) for name, value in expected.items())
        )
    if isinstance(expected, list):
        return (
            isinstance(actual, list | tuple)
            and len(expected) == len(actual)
            and all(fits(*pair, drawn) for pair in zip(expected, actual, strict=True))
        )
    return equal(expected, actual)


def true(value: Any) -> bool:
    """Null, false, 0 and the empty text are false; lists and records are true, empty ones as well."""
    if isinstance(value, Unknown):
        raise Undecided("it depends on what uuid() or now() gave")
    return value not in (None, False, 0, "") or isinstance(value, list | dict)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def canonical(value: Any) -> str:
    """One JSON text for equal values."""

    def plain(each: Any) -> Any:
        if isinstance(each, float) and each.is_integer():
            return int(each)
        if isinstance(each, dict):
            return {name: plain(item) for name, item in each.items()}
        return [plain(item) for item in each] if isinstance(each, list | tuple) else each

    return msgspec.json.encode(plain(value), order="sorted").decode()


def text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else canonical(value)


def step(value: Any, name: str) -> Any:
    """One step of a path."""
    if isinstance(value, dict) and name in value:
        return value[name]
    if isinstance(value, list) and name.isdecimal():
        return value[int(name)] if int(name) < len(value) else None
    return len(value) if name == "length" and isinstance(value, dict | list | str) else None


class Evaluator:
    """Args: functions: those that the app registered."""

    def __init__(self, functions: Mapping[str, Callable[..., Any]]) -> None:
        self._functions = functions

    def value(self, expr: Expr, row: Record) -> Any:
        """Raises Undecided for a condition on something drawn, and where a function of the app fails."""
        match expr:
            case Lit(value):
                return value
            case Var(name, path):
                found = row.get(name)
                for each in path:
                    found = Unknown() if isinstance(found, Unknown) else step(found, each)
                return found
            case RecordOf(fields):
                return {name: self.value(each, row) for name, each in fields}
            case ListOf(items):
                return [self.value(each, row) for each in items]
            case Template(parts):
                values = [self.value(part, row) for part in parts]
                if len(values) == 1:
                    return values[0]
                return Unknown() if has_unknown(values) else "".join(text(value) for value in values)
            case Call(name, args):
                return self._call(name, args, row)
        raise Undecided(f"the reference does not know expressions of the kind {type(expr).__name__}")

    def _call(self, name: str, args: tuple[Expr, ...], row: Record) -> Any:
        match name:
            case "uuid" | "now":
                return Unknown()
            case "cond" | "if":
                if true(self.value(args[0], row)):
                    return self.value(args[1], row)
                return self.value(args[2], row) if len(args) > 2 else None
            case "and" | "or" | "any":
                result: Any = None
                for arg in args:
                    result = self.value(arg, row)
                    if true(result) is (name != "and"):
                        break
                return result
            case "guard":
                return self.value(args[0], row)
            case "not":
                return not true(self.value(args[0], row))
        values = [self.value(arg, row) for arg in args]
        if has_unknown(values):
            return Unknown()
        if name == "-" and len(values) == 1:
            values = [0, *values]
        function = _FUNCTIONS.get(name) or self._functions.get(name)
        if function is None:
            raise Undecided(f"the reference does not know the function {name}")
        try:
            return function(*values)
        except Exception as error:
            raise Undecided(f"the function {name} raised {type(error).__name__}: {error}") from error


# ---- functions


def _contains(box: Any, item: Any) -> bool:
    if isinstance(box, list):
        return any(equal(each, item) for each in box)
    return isinstance(item, str) and isinstance(box, str | dict) and item in box


def _at(value: Any, index: Any) -> Any:
    if isinstance(index, str):
        return step(value, index)
    return step(value, str(int(index))) if _number(index) and index >= 0 and index == int(index) else None


def _pluck(records: Any, field: Any) -> list[Any]:
    if not isinstance(records, list) or not isinstance(field, str):
        return []
    return [each[field] for each in records if isinstance(each, dict) and field in each]


def _add(left: Any, right: Any) -> Any:
    if isinstance(left, str) or isinstance(right, str):
        return text(left) + text(right)
    if isinstance(left, list) and isinstance(right, list):
        return [*left, *right]
    return left + right if _number(left) and _number(right) else None


def _compare(sign: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def holds(left: Any, right: Any) -> bool:
        texts = isinstance(left, str) and isinstance(right, str)
        return (texts or (_number(left) and _number(right))) and sign(left, right)

    return holds


def _reckon(sign: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def result(left: Any, right: Any) -> Any:
        try:
            return sign(left, right) if _number(left) and _number(right) else None
        except ArithmeticError:
            return None

    return result


_LESS = _compare(lambda left, right: left < right)
_LESS_OR_EQUAL = _compare(lambda left, right: left <= right)
_GREATER = _compare(lambda left, right: left > right)
_GREATER_OR_EQUAL = _compare(lambda left, right: left >= right)

_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "==": equal,
    "eq": equal,
    "equals": equal,
    "!=": lambda left, right: not equal(left, right),
    "notEquals": lambda left, right: not equal(left, right),
    "<": _LESS,
    "lessThan": _LESS,
    "<=": _LESS_OR_EQUAL,
    "lessThanOrEqual": _LESS_OR_EQUAL,
    ">": _GREATER,
    "greaterThan": _GREATER,
    ">=": _GREATER_OR_EQUAL,
    "greaterThanOrEqual": _GREATER_OR_EQUAL,
    "+": _add,
    "-": _reckon(lambda left, right: left - right),
    "*": _reckon(lambda left, right: left * right),
    "/": _reckon(lambda left, right: left / right),
    "%": _reckon(lambda left, right: left % right),
    "at": _at,
    "coalesce": lambda *values: next((each for each in values if each is not None), None),
    "concat": lambda *parts: "".join(text(part) for part in parts),
    "contains": _contains,
    "in": lambda item, box: _contains(box, item),
    "startsWith": lambda all, part: isinstance(all, str) and isinstance(part, str) and all.startswith(part),
    "endsWith": lambda all, part: isinstance(all, str) and isinstance(part, str) and all.endswith(part),
    "exists": lambda value: value is not None,
    "first": lambda values: _at(values, 0),
    "last": lambda values: values[-1] if isinstance(values, list) and values else None,
    "hash": lambda value: hashlib.blake2b(canonical(value).encode(), digest_size=16).hexdigest(),
    "json": canonical,
    "length": lambda value: len(value) if isinstance(value, str | list | dict) else 0,
    "lower": lambda value: value.lower() if isinstance(value, str) else None,
    "upper": lambda value: value.upper() if isinstance(value, str) else None,
    "nameOf": lambda uri: uri.rstrip("/").split("/")[-1] if isinstance(uri, str) else None,
    "pluck": _pluck,
}

# ---- values of the exchange form


_HOLE = re.compile(r"\{\{(\w+(?:\.\w+)*)\}\}")


def field_expr(field: ThenField) -> Expr:
    """What a field of a *then* means: its exact expression, or else what the exchange form says."""
    if field.expr is not None:
        return field.expr
    if isinstance(field.value, Literal):
        return _literal(field.value.value)
    return _dotted(field.value.name)


def _dotted(name: str) -> Var:
    head, *path = name.split(".")
    return Var(head, tuple(path))


def _literal(value: Any) -> Expr:
    match value:
        case str() if "{{" in value:
            pieces = _HOLE.split(value)
            parts = [_dotted(piece) if odd % 2 else Lit(piece) for odd, piece in enumerate(pieces)]
            return Template(tuple(part for part in parts if part != Lit("")))
        case {"__set": [*items]} if len(value) == 1:
            return ListOf(
                tuple(
                    _dotted(item[1:]) if isinstance(item, str) and item[:1] == "?" else _literal(item)
                    for item in items
                )
            )
        case dict():
            return RecordOf(tuple((name, _literal(item)) for name, item in value.items()))
        case _:
            return Lit(value)
