"""A request's expressions, compiled once per text and bound to the request's names and values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

from clef_sim.services.dynamodb import conditions, updates
from clef_sim.services.dynamodb.conditions import Names, Test, Values
from clef_sim.services.dynamodb.syntax import Node, Parser
from clef_sim.services.dynamodb.updates import Path, Update
from clef_sim.services.dynamodb.values import Item, Value, invalid, kind_of
from clef_sim.services.sdk import Refusal, Request

KeyTest: TypeAlias = tuple[str, str, tuple[str, ...]]
"""(operator, attribute as written, value tokens)"""

WRITE_LABELS = ("ConditionExpression", "UpdateExpression")
NOTHING_BOUND: Mapping[str, Any] = {}
_CACHE_MAX = 4096  # texts; more means that somebody writes values into them


class Plan:
    """The expressions of one kind of request, compiled."""

    __slots__ = (
        "_apart", "bare", "checks", "condition", "filter", "filter_roots", "keys", "names", "paths", "ranges",
        "roots", "targets", "update",
        "values",
    )  # fmt: skip

    def __init__(self, texts: Mapping[str, str]) -> None:
        nodes: list[Node] = []
        self.checks: list[tuple[str, conditions.Check]] = []
        self.ranges: list[tuple[str, str, str]] = []
        self.condition: Test | None = None
        self.filter: Test | None = None
        self.keys: list[KeyTest] = []
        self.paths: list[Path] = []
        self.filter_roots: list[str] = []
        self.roots: list[str] = []
        self.targets: list[Path] = []
        self.update: Update | None = None
        self._apart: Callable[[Names], None] | None = None
        for label, text in texts.items():
            nodes.extend(self._compile(label, Parser(label, text)))
        tokens = [token for node in nodes for token in _tokens(node)]
        self.names = frozenset(token for token in tokens if token[0] == "#")
        self.values = frozenset(token for token in tokens if token[0] == ":")
        self.bare = not (self.names or self.values)

    def _compile(self, label: str, parser: Parser) -> list[Node]:
        if label == "UpdateExpression":
            actions = parser.update()
            self.update = updates.compile_update(actions)
            self.targets = [action[1][1] for action in actions]
            self.roots = [action[1][1][0] for action in actions]
            if len(actions) > 1:
                self._apart = _once_per_names(lambda names: updates.check_overlap(actions, names))
            return actions
        if label == "ProjectionExpression":
            paths = parser.projection()
            parser.finish()
            self.paths = [path[1] for path in paths]
            return paths
        node = parser.condition()
        parser.finish()
        self.checks.extend((label, check) for check in conditions.checks_of(node))
        self.ranges.extend((label, *pair) for pair in conditions.ranges_of(node))
        if label == "KeyConditionExpression":
            self.keys = key_tests(node, parser)
        elif label == "FilterExpression":
            self.filter = conditions.compile_condition(node)
            self.filter_roots = list(_roots(node))
        else:
            self.condition = conditions.compile_condition(node)
        return [node]

    def bind(self, request: Request) -> tuple[Names, Values]:
        """The request's names and values.

        Raises:
            Refusal: one is missing, unused, or of a type that the expression cannot take.
        """
        names: Names = request.get("ExpressionAttributeNames", NOTHING_BOUND)
        values: Values = request.get("ExpressionAttributeValues", NOTHING_BOUND)
        if ((self.names or names is not NOTHING_BOUND) and (not names or names.keys() != self.names)) or (
            (self.values or values is not NOTHING_BOUND) and (not values or values.keys() != self.values)
        ):
            raise self._misfit(request, names, values)
        for label, (token, what, kinds) in self.checks:
            if kind_of(values[token]) not in kinds:
                raise _wrong_operand(label, what, values[token])
        for label, low, high in self.ranges:
            conditions.check_range(label, values[low], values[high])
        if self._apart is not None:
            self._apart(names)
        return names, values

    def _misfit(self, request: Request, names: Names, values: Values) -> Refusal:
        for what, given, used in (
            ("Names", names, self.names),
            ("Values", values, self.values),
        ):
            noun = "name" if what == "Names" else "value"
            if not given and f"ExpressionAttribute{what}" in request:
                return invalid(f"ExpressionAttribute{what} must not be empty")
            missing = sorted(used - given.keys())
            if missing:
                where = "in the document path " if noun == "name" else "in expression "
                return invalid(
                    f"Invalid expression: An expression attribute {noun} used {where}is not defined; "
                    f"attribute {noun}: {missing[0]}"
                )
            unused = sorted(given.keys() - used)
            if unused:
                return invalid(
                    f"Value provided in ExpressionAttribute{what} unused in expressions: keys: "
                    f"{{{', '.join(unused)}}}"
                )
        raise AssertionError("names and values fit")

    def project(self, item: Item, names: Names) -> Item:
        """The item's attributes at the projection's paths, or a copy of all."""
        if not self.paths:
            return item.copy()
        out: Item = {}
        for path in self.paths:
            top = path[0]
            assert isinstance(top, str)
            name = names[top] if top[0] == "#" else top
            if len(path) == 1:
                if name in item:
                    out[name] = item[name]
            elif name in item:
                picked = _pick(item[name], path[1:], names)
                if picked is not None:
                    out[name] = _merge(out[name], picked) if name in out else picked
        return out


def _pick(value: Value, path: Path, names: Names) -> Value | None:
    """What `path` leads to, inside the containers that lead there."""
    if not path:
        return value
    inner = conditions.step(value, path[0], names)
    picked = None if inner is None else _pick(inner, path[1:], names)
    if picked is None:
        return None
    part = path[0]
    if isinstance(part, int):
        return {"L": [picked]}
    return {"M": {names[part] if part[0] == "#" else part: picked}}


def _merge(one: Value, other: Value) -> Value:
    if "M" in one and "M" in other:
        merged = dict(one["M"])
        for name, value in other["M"].items():
            merged[name] = _merge(merged[name], value) if name in merged else value
        return {"M": merged}
    if "L" in one and "L" in other:
        return {"L": [*one["L"], *other["L"]]}
    return other


def _once_per_names(check: Callable[[Names], None]) -> Callable[[Names], None]:
    seen: set[tuple[Any, ...]] = set()

    def once(names: Names) -> None:
        key = tuple(names.items())
        if key not in seen:
            check(names)
            if len(seen) >= _CACHE_MAX:
                seen.clear()
            seen.add(key)

    return once


def _wrong_operand(label: str, what: str, value: Value) -> Refusal:
    noun = "operator or function" if what[0].islower() else "operator"
    return invalid(
        f"Invalid {label}: Incorrect operand type for operator or function; {noun}: {what}, "
        f"operand type: {kind_of(value)}"
    )


def _tokens(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        if node[:1] in ("#", ":"):
            yield node
    elif isinstance(node, tuple):
        for part in node:
            yield from _tokens(part)


def _roots(node: Any) -> Iterator[str]:
    """The first part of every path."""
    if isinstance(node, tuple):
        if node[:1] == ("path",):
            yield node[1][0]
        else:
            for part in node:
                yield from _roots(part)


def key_tests(node: Node, parser: Parser) -> list[KeyTest]:
    """Flattens `pk = :a AND sk op :b`."""
    if node[0] == "and":
        return [*key_tests(node[1], parser), *key_tests(node[2], parser)]
    if node[0] == "cmp":
        op, operands = node[1], node[2:]
    elif node[0] == "between" or (node[0] == "call" and node[1] == "begins_with"):
        op, operands = (node[0], node[1:]) if node[0] == "between" else (node[1], node[2])
    else:
        raise parser.error(f"Invalid operator used in KeyConditionExpression: {str(node[0]).upper()}")
    path, literals = operands[0], operands[1:]
    if op == "<>":
        raise parser.error("Unsupported operator on KeyCondition: operator: <>")
    if path[0] != "path" or len(path[1]) != 1 or any(literal[0] != "value" for literal in literals):
        raise parser.error("The expression must compare a key attribute with values")
    return [(op, path[1][0], tuple(literal[1] for literal in literals))]


_plans: dict[tuple[Any, ...], Plan] = {}
NO_PLAN = Plan({})


def plan_of(request: Request, labels: tuple[str, ...]) -> Plan:
    """The compiled expressions of those request parameters that `labels` names."""
    key = (labels, *map(request.get, labels))
    return _plans.get(key) or _compiled(key)


def write_plan_of(request: Request) -> Plan:
    """As `plan_of` for the expressions of a write."""
    key = (WRITE_LABELS, request.get("ConditionExpression"), request.get("UpdateExpression"))
    return _plans.get(key) or _compiled(key)


def _compiled(key: tuple[Any, ...]) -> Plan:
    texts = {label: text for label, text in zip(key[0], key[1:], strict=True) if text is not None}
    if len(_plans) >= _CACHE_MAX:
        _plans.clear()
    _plans[key] = plan = Plan(texts) if texts else NO_PLAN
    return plan
