"""DynamoDB's expressions, as far as the adapters use them, read without the model's code.

condition := term {("AND" | "OR") term}, with NOT and parentheses
term      := name op value | "attribute_exists(" name ")" | "attribute_not_exists(" name ")"
update    := "SET" name = value {, ..} | "ADD" name value | "REMOVE" name {, ..}
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

Item = Mapping[str, Any]

_TOKEN = re.compile(r"\s*([A-Za-z_#:][\w:.#-]*|<>|<=|>=|[=<>(),])")
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class NotKnown(Exception):
    """An expression of another form."""


class _Reader:
    def __init__(self, text: str, request: Mapping[str, Any]) -> None:
        self._tokens = _tokens(text)
        self._names = request.get("ExpressionAttributeNames", {})
        self._values = request.get("ExpressionAttributeValues", {})

    def peek(self) -> str:
        return self._tokens[0] if self._tokens else ""

    def take(self, wanted: str = "") -> str:
        if not self._tokens or (wanted and self._tokens[0] != wanted):
            raise NotKnown(f"{wanted or 'more'} expected at {self._tokens[:3]}")
        return self._tokens.pop(0)

    def name(self) -> str:
        name = self.take()
        if name.startswith("#"):
            name = self._names[name]
        elif not name.isidentifier():
            raise NotKnown(name)
        return name

    def value(self) -> Any:
        name = self.take()
        if name not in self._values:
            raise NotKnown(name)
        return self._values[name]


def holds(request: Mapping[str, Any], item: Item | None) -> bool:
    """Whether the request's condition holds on the item (None: there is none). Raises NotKnown."""
    text = request.get("ConditionExpression")
    if text is None:
        return True
    reader = _Reader(text, request)
    found = _any(reader, item or {})
    if reader.peek():
        raise NotKnown(reader.peek())
    return found


def updated(request: Mapping[str, Any], item: Item | None) -> dict[str, Any]:
    """The item after an UpdateItem. Raises NotKnown."""
    made = dict(item or request["Key"])
    reader = _Reader(request.get("UpdateExpression", ""), request)
    while reader.peek():
        clause = reader.take()
        while True:
            name = reader.name()
            if clause == "SET":
                reader.take("=")
                made[name] = reader.value()
            elif clause == "ADD":
                more = Decimal(reader.value()["N"])
                made[name] = {"N": str(Decimal(made.get(name, {"N": "0"})["N"]) + more)}
            elif clause == "REMOVE":
                made.pop(name, None)
            else:
                raise NotKnown(clause)
            if reader.peek() != ",":
                break
            reader.take()
    return made


def equal(one: Item, other: Item) -> bool:
    """Numbers are equal by value."""
    return one.keys() == other.keys() and all(_plain(one[name]) == _plain(other[name]) for name in one)


def _any(reader: _Reader, item: Item) -> bool:
    found = _all(reader, item)
    while reader.peek() == "OR":
        reader.take()
        found = _all(reader, item) or found
    return found


def _all(reader: _Reader, item: Item) -> bool:
    found = _one(reader, item)
    while reader.peek() == "AND":
        reader.take()
        found = _one(reader, item) and found
    return found


def _one(reader: _Reader, item: Item) -> bool:
    if reader.peek() == "NOT":
        reader.take()
        return not _one(reader, item)
    if reader.peek() == "(":
        reader.take()
        found = _any(reader, item)
        reader.take(")")
        return found
    if reader.peek() in ("attribute_exists", "attribute_not_exists"):
        wanted = reader.take() == "attribute_exists"
        reader.take("(")
        found = (reader.name() in item) is wanted
        reader.take(")")
        return found
    name, compare, value = reader.name(), reader.take(), reader.value()
    if compare not in _COMPARE:
        raise NotKnown(compare)
    if name not in item:
        return compare == "<>"
    there, wanted_ = _plain(item[name]), _plain(value)
    if type(there) is not type(wanted_):
        return compare == "<>"
    return _COMPARE[compare](there, wanted_)


def _plain(attribute: Any) -> Any:
    ((kind, value),) = attribute.items()
    if kind == "N":
        return Decimal(value)
    if kind in ("S", "B", "BOOL"):
        return value
    return repr(attribute)


def _tokens(text: str) -> list[str]:
    found, place = [], 0
    text = text.strip()
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            raise NotKnown(text[place : place + 20])
        found.append(match.group(1))
        place = match.end()
    return found
