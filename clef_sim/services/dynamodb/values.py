"""Attribute values: `{"S": "a"}` and the other types. Sizes, equality, order, and the form numbers take.

A stored item is immutable by agreement: writes replace it, and whoever hands it out copies its top level.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any, TypeAlias

from clef_sim.services.sdk import Malformed, ModelError, Refusal

Value: TypeAlias = dict[str, Any]
Item: TypeAlias = dict[str, Value]
Number: TypeAlias = int | Decimal

ITEM_BYTES_MAX = 400 * 1024
KINDS = frozenset({"S", "N", "B", "BOOL", "NULL", "M", "L", "SS", "NS", "BS"})
ORDERED_KINDS = frozenset({"S", "N", "B"})

_CANONICAL = re.compile(r"(?:0|-?(?:[1-9]\d{0,20}|(?:0|[1-9]\d{0,15})\.\d{0,15}[1-9]))").fullmatch


class NotCanonical(ModelError):
    """A number that the service stores in another spelling."""


def invalid(message: str) -> Refusal:
    return Refusal("ValidationException", message)


def kind_of(value: Value) -> str:
    """The type tag.

    Raises:
        Refusal: the value has none or several.
        Malformed: it has one that there is not.
    """
    if len(value) != 1:
        how = "has more than one datatypes set" if value else "is empty"
        raise invalid(f"Supplied AttributeValue {how}, must contain exactly one of the supported datatypes")
    for kind in value:
        if kind in KINDS:
            return kind
    raise Malformed(f'Unknown parameter in AttributeValue: "{next(iter(value))}", must be one of: {sorted(KINDS)}')


def canonical_number(text: str) -> str:
    """The spelling under which a number is stored: no exponent, no useless zeros."""
    if _CANONICAL(text):
        return text
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("nan")
    if not number.is_finite():
        raise invalid(f"The parameter cannot be converted to a numeric value: {text}")
    if number == 0:
        return "0"
    digits = "".join(map(str, number.as_tuple().digits)).strip("0")
    if len(digits) > 38:
        raise invalid("Attempting to store more than 38 significant digits in a Number")
    if not -130 <= number.adjusted() <= 125:
        how = "larger" if number.adjusted() > 0 else "smaller"
        flow = "overflow" if number.adjusted() > 0 else "underflow"
        raise invalid(f"Number {flow}. Attempting to store a number with magnitude {how} than supported range")
    plain = format(number, "f")
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def number_of(text: str) -> Number:
    """The number's value; ints and Decimals compare exactly with each other."""
    try:
        return int(text)
    except ValueError:
        try:
            return Decimal(text)
        except InvalidOperation:
            raise invalid(f"The parameter cannot be converted to a numeric value: {text}") from None


def _text_bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def _number_bytes(text: str) -> int:
    plain = text.isdigit() and text.isascii() and text[0] != "0" and len(text) < 22
    if not plain and not _CANONICAL(text) and canonical_number(text) != text:
        raise NotCanonical
    return 1 + (len(text) + 1) // 2


def _blob_bytes(blob: bytes) -> int:
    if not isinstance(blob, bytes | bytearray):
        raise TypeError(f"Invalid type for an attribute of type B, value: {blob!r}")
    return len(blob)


def _flag_bytes(flag: bool) -> int:
    if not isinstance(flag, bool):
        raise TypeError(f"Invalid type for an attribute of type BOOL or NULL, value: {flag!r}")
    return 1


def _null_bytes(flag: bool) -> int:
    if flag is False:
        raise invalid(
            "One or more parameter values were invalid: Null attribute value types must have the value of true"
        )
    return _flag_bytes(flag)


def _map_bytes(fields: Item) -> int:
    return 3 + len(fields) + measure_fields(fields)


def _list_bytes(values: list[Value]) -> int:
    return 3 + len(values) + sum(measure_value(value) for value in values)


def _set_bytes(what: str, size_of: Callable[[Any], int]) -> Callable[[list[Any]], int]:
    def measure(members: list[Any]) -> int:
        if not members:
            raise invalid(f"One or more parameter values were invalid: An {what} set  may not be empty")
        size = sum(size_of(member) for member in members)
        if len(set(members)) < len(members):
            raise invalid(
                f"One or more parameter values were invalid: Input collection {members} contains duplicates."
            )
        return size

    return measure


_MEASURES: dict[str, Callable[[Any], int]] = {
    "S": _text_bytes,
    "N": _number_bytes,
    "B": _blob_bytes,
    "BOOL": _flag_bytes,
    "NULL": _null_bytes,
    "M": _map_bytes,
    "L": _list_bytes,
    "SS": _set_bytes("string", _text_bytes),
    "NS": _set_bytes("number", _number_bytes),
    "BS": _set_bytes("binary", _blob_bytes),
}


def measure_value(value: Value) -> int:
    """The bytes that a value counts for. Raises as `measure`."""
    kind = kind_of(value)
    return _MEASURES[kind](value[kind])


def measure_fields(fields: Item) -> int:
    size = 0
    for name, value in fields.items():
        size += _name_bytes.get(name) or _measure_name(name)
        # Text and plain numbers are by far the most frequent; unfolded for speed.
        if len(value) == 1:
            if "S" in value:
                text = value["S"]
                size += len(text) if text.isascii() else len(text.encode())
                continue
            if "N" in value:
                text = value["N"]
                if (text.isdigit() and text.isascii() and text[0] != "0" and len(text) < 22) or _CANONICAL(text):
                    size += 1 + (len(text) + 1) // 2
                    continue
        size += measure_value(value)
    return size


_name_bytes: dict[str, int] = {}
_NAMES_MAX = 4096  # more means that somebody writes values into names


def _measure_name(name: str) -> int:
    if len(_name_bytes) >= _NAMES_MAX:
        _name_bytes.clear()
    size = _name_bytes[name] = len(name.encode())
    return size


def measure(item: Item) -> tuple[Item, int]:
    """Checks an item; gives a copy of it as it will be stored, and its size in bytes.

    Raises:
        Refusal: an empty or repeating set, a number out of range, or the item is over 400 KB.
        Malformed: not an attribute value.
    """
    try:
        try:
            stored, size = item.copy(), measure_fields(item)
        except NotCanonical:
            stored = {name: _respelt(value) for name, value in item.items()}
            size = measure_fields(stored)
    except (AttributeError, TypeError) as error:
        raise Malformed(f"Parameter validation failed: Invalid type in an attribute value: {error}") from None
    if size > ITEM_BYTES_MAX:
        raise invalid("Item size has exceeded the maximum allowed size")
    return stored, size


def _respelt(value: Value) -> Value:
    kind = kind_of(value)
    content = value[kind]
    if kind == "N":
        return {"N": canonical_number(content)}
    if kind == "NS":
        return {"NS": [canonical_number(member) for member in content]}
    if kind == "M":
        return {"M": {name: _respelt(each) for name, each in content.items()}}
    if kind == "L":
        return {"L": [_respelt(each) for each in content]}
    return value


def equal(left: Value, right: Value) -> bool:
    """Equality as conditions see it: same type, numbers by value, sets without order."""
    if left == right:
        return True
    kind = kind_of(left)
    if kind not in right:
        return False
    ours, theirs = left[kind], right[kind]
    if kind == "N":
        return number_of(ours) == number_of(theirs)
    if kind == "M":
        return bool(ours.keys() == theirs.keys()) and all(equal(ours[name], theirs[name]) for name in ours)
    if kind == "L":
        return len(ours) == len(theirs) and all(map(equal, ours, theirs))
    if kind == "NS":
        return {number_of(each) for each in ours} == {number_of(each) for each in theirs}
    return kind in ("SS", "BS") and set(ours) == set(theirs)


def order_key(value: Value) -> tuple[str, Any] | None:
    """(type, comparable content), or None for a type without order."""
    for kind, content in value.items():
        if kind == "N":
            return kind, number_of(content)
        if kind in ORDERED_KINDS:
            return kind, content
    return None
