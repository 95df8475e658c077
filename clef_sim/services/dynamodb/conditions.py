"""Conditions and paths as closures of (item, names, values), compiled once per text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import ge, gt, le, lt
from typing import Any, TypeAlias

from clef_sim.services.dynamodb.syntax import Node
from clef_sim.services.dynamodb.values import KINDS, ORDERED_KINDS, Item, Value, equal, invalid, kind_of, order_key

Names: TypeAlias = Mapping[str, str]
Values: TypeAlias = Mapping[str, Value]
Operand: TypeAlias = Callable[[Item, Names, Values], Value | None]
Test: TypeAlias = Callable[[Item, Names, Values], bool]
Check: TypeAlias = tuple[str, str, frozenset[str]]
"""(value token, operator or function, kinds it may have)"""

_ORDER: dict[str, Callable[[Any, Any], bool]] = {"<": lt, "<=": le, ">": gt, ">=": ge}
_MEMBER_KINDS = {"SS": "S", "NS": "N", "BS": "B"}
_STRING = frozenset({"S"})
_STRING_OR_BINARY = frozenset({"S", "B"})


def compile_path(parts: tuple[str | int, ...]) -> Operand:
    """Finds the value at a path; None where there is none."""
    first = parts[0]
    assert isinstance(first, str)
    if len(parts) == 1:
        if first.startswith("#"):
            return lambda item, names, _values: item.get(names[first])
        return lambda item, _names, _values: item.get(first)

    def find(item: Item, names: Names, _values: Values) -> Value | None:
        value: Value | None = {"M": item}
        for part in parts:
            if value is None:
                return None
            value = step(value, part, names)
        return value

    return find


def step(value: Value, part: str | int, names: Names) -> Value | None:
    """One level down; None where `value` has no such member."""
    if isinstance(part, int):
        elements: list[Value] = value.get("L", [])
        return elements[part] if part < len(elements) else None
    fields: Item = value.get("M", {})
    return fields.get(names[part] if part.startswith("#") else part)


def compile_operand(node: Node) -> Operand:
    if node[0] == "value":
        token = node[1]
        return lambda _item, _names, values: values[token]
    if node[0] == "path":
        return compile_path(node[1])
    inner = compile_operand(node[2][0])

    def size(item: Item, names: Names, values: Values) -> Value | None:
        value = inner(item, names, values)
        if value is None or kind_of(value) in ("N", "BOOL", "NULL"):
            return None
        return {"N": str(len(value[kind_of(value)]))}

    return size


def compile_condition(node: Node) -> Test:
    return _COMPILERS[node[0]](node)


def checks_of(node: Node) -> list[Check]:
    """The kinds that literal values must have, whatever the item holds."""
    if node[0] == "cmp" and node[1] in _ORDER:
        return _literal(node[1], node[2:], ORDERED_KINDS)
    if node[0] == "between":
        return _literal("BETWEEN", node[1:], ORDERED_KINDS)
    if node[0] == "call":
        if node[1] == "begins_with":
            return _literal("begins_with", node[2], _STRING_OR_BINARY)
        return _literal("attribute_type", node[2][1:], _STRING) if node[1] == "attribute_type" else []
    return [check for part in node[1:] if node[0] in ("and", "or", "not") for check in checks_of(part)]


def ranges_of(node: Node) -> list[tuple[str, str]]:
    """The value tokens of every BETWEEN whose bounds are both literal."""
    if node[0] == "between":
        low, high = node[2:]
        return [(low[1], high[1])] if low[0] == high[0] == "value" else []
    return [pair for part in node[1:] if node[0] in ("and", "or", "not") for pair in ranges_of(part)]


def check_range(label: str, low: Value, high: Value) -> None:
    """Of bounds of kinds that have an order."""
    ours, theirs = order_key(low), order_key(high)
    if ours is None or theirs is None:
        return
    needed = "same data type for lower and upper bounds"
    if ours[0] == theirs[0]:
        if ours[1] <= theirs[1]:
            return
        needed = "upper bound to be greater than or equal to lower bound"
    raise invalid(f"Invalid {label}: The BETWEEN operator requires {needed}")


def _literal(what: str, operands: tuple[Node, ...], kinds: frozenset[str]) -> list[Check]:
    return [(operand[1], what, kinds) for operand in operands if operand[0] == "value"]


def _and(node: Node) -> Test:
    left, right = compile_condition(node[1]), compile_condition(node[2])
    return lambda item, names, values: left(item, names, values) and right(item, names, values)


def _or(node: Node) -> Test:
    left, right = compile_condition(node[1]), compile_condition(node[2])
    return lambda item, names, values: left(item, names, values) or right(item, names, values)


def _not(node: Node) -> Test:
    inner = compile_condition(node[1])
    return lambda item, names, values: not inner(item, names, values)


def _compare(node: Node) -> Test:
    op = node[1]
    left, right = compile_operand(node[2]), compile_operand(node[3])
    if op in _ORDER:
        holds = _ORDER[op]
        return lambda item, names, values: _ordered(holds, left(item, names, values), right(item, names, values))

    def same(item: Item, names: Names, values: Values) -> bool:
        ours, theirs = left(item, names, values), right(item, names, values)
        return ours is not None and theirs is not None and (ours == theirs or equal(ours, theirs))

    if op == "=":
        return same
    return lambda item, names, values: not same(item, names, values)


def _ordered(holds: Callable[[Any, Any], bool], left: Value | None, right: Value | None) -> bool:
    if left is None or right is None:
        return False
    ours, theirs = order_key(left), order_key(right)
    return ours is not None and theirs is not None and ours[0] == theirs[0] and holds(ours[1], theirs[1])


def _between(node: Node) -> Test:
    operand, low, high = (compile_operand(part) for part in node[1:])

    def holds(item: Item, names: Names, values: Values) -> bool:
        value = operand(item, names, values)
        return _ordered(ge, value, low(item, names, values)) and _ordered(le, value, high(item, names, values))

    return holds


def _in(node: Node) -> Test:
    operand, choices = compile_operand(node[1]), [compile_operand(part) for part in node[2]]

    def holds(item: Item, names: Names, values: Values) -> bool:
        value = operand(item, names, values)
        if value is None:
            return False
        found = (choice(item, names, values) for choice in choices)
        return any(each is not None and equal(value, each) for each in found)

    return holds


def _call(node: Node) -> Test:
    name, operands = node[1], [compile_operand(part) for part in node[2]]
    first = operands[0]
    if name == "attribute_not_exists" and node[2][0][0] == "path" and len(node[2][0][1]) == 1:
        top = node[2][0][1][0]
        if top[0] != "#":
            return lambda item, _names, _values: top not in item
    if name == "attribute_exists":
        return lambda item, names, values: first(item, names, values) is not None
    if name == "attribute_not_exists":
        return lambda item, names, values: first(item, names, values) is None
    second, test = operands[1], _FUNCTIONS[name]

    def holds(item: Item, names: Names, values: Values) -> bool:
        value, argument = first(item, names, values), second(item, names, values)
        return value is not None and argument is not None and test(value, argument)

    return holds


def _begins_with(value: Value, prefix: Value) -> bool:
    kind = kind_of(value)
    return kind in ("S", "B") and kind in prefix and bool(value[kind].startswith(prefix[kind]))


def _contains(value: Value, member: Value) -> bool:
    kind = kind_of(value)
    if kind in ("S", "B"):
        return kind in member and member[kind] in value[kind]
    if kind == "L":
        return any(equal(each, member) for each in value["L"])
    of = _MEMBER_KINDS.get(kind)
    return of is not None and any(equal({of: each}, member) for each in value[kind])


def _attribute_type(value: Value, kind: Value) -> bool:
    if kind["S"] not in KINDS:
        raise invalid(
            "Invalid ConditionExpression: Invalid attribute type name found; type: "
            f"{kind['S']}, valid types: {{B,NULL,SS,BOOL,L,BS,N,NS,S,M}}"
        )
    return kind["S"] in value


_FUNCTIONS: dict[str, Callable[[Value, Value], bool]] = {
    "begins_with": _begins_with,
    "contains": _contains,
    "attribute_type": _attribute_type,
}
_COMPILERS: dict[str, Callable[[Node], Test]] = {
    "and": _and,
    "or": _or,
    "not": _not,
    "cmp": _compare,
    "between": _between,
    "in": _in,
    "call": _call,
}
