"""The functions of sync expressions, and what equality, order and truth mean in them.

Values are JSON. Nothing here raises for a value of an unexpected type: it yields null (`None`) or false,
so that a sync never fails half-way for what a client sent.
"""

from __future__ import annotations

import hashlib
import operator
from collections.abc import Callable
from typing import Any

import msgspec


def json_equal(left: Any, right: Any) -> bool:
    """JSON equality: 1 equals 1.0, but true is not 1; records and lists compare by content."""
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(json_equal(left[key], right[key]) for key in left)
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return len(left) == len(right) and all(map(json_equal, left, right))
    return bool(left == right) and isinstance(left, bool) == isinstance(right, bool)


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def truthy(value: Any) -> bool:
    """False for null, false, 0 and the empty string; an empty list or record counts as true."""
    if isinstance(value, list | dict):
        return True
    return bool(value)


def canonical(value: Any) -> bytes:
    """One JSON text for equal values: keys sorted, no spaces, whole numbers without a fraction."""
    return msgspec.json.encode(_whole(value), order="sorted")


def _whole(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: _whole(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_whole(item) for item in value]
    return value


def text_of(value: Any) -> str:
    """A value inside a text: a string as it is, null as nothing, anything else as JSON."""
    if isinstance(value, str):
        return value
    return "" if value is None else canonical(value).decode()


def concat(*parts: Any) -> str:
    return "".join(map(text_of, parts))


def length(value: Any) -> int:
    return len(value) if isinstance(value, str | list | dict) else 0


def contains(container: Any, item: Any) -> bool:
    """An element of a list, a part of a string, or a key of a record."""
    if isinstance(container, list):
        return any(json_equal(element, item) for element in container)
    return isinstance(container, str | dict) and isinstance(item, str) and item in container


def starts_with(text: Any, start: Any) -> bool:
    return isinstance(text, str) and isinstance(start, str) and text.startswith(start)


def ends_with(text: Any, end: Any) -> bool:
    return isinstance(text, str) and isinstance(end, str) and text.endswith(end)


def name_of(uri: Any) -> str | None:
    """The last segment: `urn:clef/User` -> `User`."""
    return uri.rstrip("/").rpartition("/")[2] if isinstance(uri, str) else None


def step_into(value: Any, step: str) -> Any:
    """One step of a path: a record's field, a list's element; `length` counts what has no such field."""
    if isinstance(value, dict):
        return value.get(step, len(value) if step == "length" and step not in value else None)
    if isinstance(value, list) and step.isdecimal():
        return value[int(step)] if int(step) < len(value) else None
    return len(value) if step == "length" and isinstance(value, str | list) else None


def at(value: Any, index: Any) -> Any:
    """`value[index]`; a negative index counts from the end of a list."""
    if is_number(index) and float(index).is_integer():
        from_end = len(value) if index < 0 and isinstance(value, list) else 0
        return step_into(value, str(int(index) + from_end))
    return step_into(value, index) if isinstance(index, str) else None


def pluck(records: Any, field: Any) -> list[Any]:
    """That field of each record that has it."""
    if not isinstance(records, list) or not isinstance(field, str):
        return []
    return [record[field] for record in records if isinstance(record, dict) and field in record]


def hash_of(value: Any) -> str:
    """A stable hash: equal values have the same one on every machine."""
    return hashlib.blake2b(canonical(value), digest_size=16).hexdigest()


def json_of(value: Any) -> str:
    return canonical(value).decode()


def coalesce(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)


def exists(value: Any) -> bool:
    return value is not None


def first(values: Any) -> Any:
    return at(values, 0)


def last(values: Any) -> Any:
    return values[-1] if isinstance(values, list) and values else None


def lower(text: Any) -> Any:
    return text.lower() if isinstance(text, str) else None


def upper(text: Any) -> Any:
    return text.upper() if isinstance(text, str) else None


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    """Numbers with numbers and strings with strings; any other pair is not ordered: false."""

    def holds(left: Any, right: Any) -> bool:
        both_text = isinstance(left, str) and isinstance(right, str)
        return (both_text or (is_number(left) and is_number(right))) and compare(left, right)

    return holds


less = _ordered(operator.lt)
less_or_equal = _ordered(operator.le)
greater = _ordered(operator.gt)
greater_or_equal = _ordered(operator.ge)


def not_equal(left: Any, right: Any) -> bool:
    return not json_equal(left, right)


def add(left: Any, right: Any) -> Any:
    """Adds numbers, joins lists, and writes one after the other where a string is among them."""
    if isinstance(left, str) or isinstance(right, str):
        return text_of(left) + text_of(right)
    if isinstance(left, list) and isinstance(right, list):
        return left + right
    return left + right if is_number(left) and is_number(right) else None


def _arithmetic(compute: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """On numbers; null for anything else, for a division by zero and for an overflow."""

    def value(left: Any, right: Any) -> Any:
        if not (is_number(left) and is_number(right)):
            return None
        try:
            return compute(left, right)
        except (ZeroDivisionError, OverflowError):
            return None

    return value


OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "==": json_equal,
    "!=": not_equal,
    "<": less,
    "<=": less_or_equal,
    ">": greater,
    ">=": greater_or_equal,
    "+": add,
    "-": _arithmetic(operator.sub),
    "*": _arithmetic(operator.mul),
    "/": _arithmetic(operator.truediv),
    "%": _arithmetic(operator.mod),
}

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "at": at,
    "coalesce": coalesce,
    "concat": concat,
    "contains": contains,
    "endsWith": ends_with,
    "eq": json_equal,
    "equals": json_equal,
    "exists": exists,
    "first": first,
    "greaterThan": greater,
    "greaterThanOrEqual": greater_or_equal,
    "hash": hash_of,
    "in": lambda item, container: contains(container, item),
    "json": json_of,
    "last": last,
    "length": length,
    "lessThan": less,
    "lessThanOrEqual": less_or_equal,
    "lower": lower,
    "nameOf": name_of,
    "notEquals": not_equal,
    "pluck": pluck,
    "startsWith": starts_with,
    "upper": upper,
}

# Fewest and most arguments. Functions not in FUNCTIONS are evaluated by the expression compiler itself.
UNLIMITED = 1_000
ARITY: dict[str, tuple[int, int]] = {
    "any": (1, UNLIMITED),
    "at": (2, 2),
    "coalesce": (1, UNLIMITED),
    "concat": (0, UNLIMITED),
    "cond": (2, 3),
    "contains": (2, 2),
    "endsWith": (2, 2),
    "eq": (2, 2),
    "equals": (2, 2),
    "exists": (1, 1),
    "first": (1, 1),
    "greaterThan": (2, 2),
    "greaterThanOrEqual": (2, 2),
    "guard": (1, 1),
    "hash": (1, 1),
    "if": (2, 3),
    "in": (2, 2),
    "json": (1, 1),
    "last": (1, 1),
    "length": (1, 1),
    "lessThan": (2, 2),
    "lessThanOrEqual": (2, 2),
    "lower": (1, 1),
    "nameOf": (1, 1),
    "not": (1, 1),
    "notEquals": (2, 2),
    "now": (0, 0),
    "pluck": (2, 2),
    "startsWith": (2, 2),
    "upper": (1, 1),
    "uuid": (0, 0),
}

BUILTINS = frozenset(ARITY)

# Stands for an expression that Clef lets through and that has no meaning; nobody can register it, so a sync
# with it is refused when it is indexed. Its one argument is the text.
UNREADABLE = "unreadable expression"
