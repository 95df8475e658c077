"""Update expressions as functions from one item to the next. All operands are read from the old item."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Context
from typing import Any, TypeAlias

from clef_sim.services.dynamodb.conditions import Names, Operand, Values, compile_operand, compile_path
from clef_sim.services.dynamodb.syntax import Node
from clef_sim.services.dynamodb.values import Item, Value, canonical_number, equal, invalid, kind_of, number_of

Update: TypeAlias = Callable[[Item, Names, Values], Item]
Path: TypeAlias = tuple[str | int, ...]

_DIGITS = Context(prec=38)
_BAD_PATH = "The document path provided in the update expression is invalid for update"
_BAD_TYPE = "An operand in the update expression has an incorrect data type"
_NO_ATTRIBUTE = "The provided expression refers to an attribute that does not exist in the item"


def compile_update(actions: list[Node]) -> Update:
    """Applies all actions; raises Refusal (ValidationException) where one cannot be applied."""
    steps = [(action[0], action[1][1], _operand_of(action)) for action in actions]
    simple: list[tuple[str, Operand]] = []
    for kind, path, operand in steps:
        if kind == "SET" and len(path) == 1 and isinstance(path[0], str) and operand:
            simple.append((path[0], operand))

    def set_only(item: Item, names: Names, values: Values) -> Item:
        new = item.copy()
        for name, operand in simple:
            value = operand(item, names, values)
            if value is None:
                raise invalid(_NO_ATTRIBUTE)
            new[names[name] if name[0] == "#" else name] = value
        return new

    def apply(item: Item, names: Names, values: Values) -> Item:
        changes = []
        for kind, path, operand in steps:
            value = operand(item, names, values) if operand else None
            if operand and value is None:
                raise invalid(_NO_ATTRIBUTE)
            changes.append((kind, _resolve(path, names), value))
        new: Value = {"M": item}
        removals = [change for change in changes if change[0] == "REMOVE"]
        removals.sort(key=lambda change: [_rank(part) for part in change[1]], reverse=True)
        for kind, path, value in [change for change in changes if change[0] != "REMOVE"] + removals:
            new = _changed(new, path, kind, value)
        fields: Item = new["M"]
        return fields

    return set_only if len(simple) == len(steps) else apply


def check_overlap(actions: list[Node], names: Names) -> None:
    """Raises Refusal where two paths are the same or one lies within the other."""
    paths = [_resolve(action[1][1], names) for action in actions]
    for number, one in enumerate(paths):
        for other in paths[:number]:
            shared = min(len(one), len(other))
            if one[:shared] == other[:shared]:
                raise invalid(
                    "Invalid UpdateExpression: Two document paths overlap with each other; must remove or "
                    f"rewrite one of these paths; path one: {_show(other)}, path two: {_show(one)}"
                )


def _show(path: Path) -> str:
    return "[" + ", ".join(f"[{part}]" if isinstance(part, int) else part for part in path) + "]"


def _rank(part: str | int) -> tuple[int, str]:
    return (part, "") if isinstance(part, int) else (-1, part)


def _resolve(path: Path, names: Names) -> Path:
    return tuple(names[part] if isinstance(part, str) and part[0] == "#" else part for part in path)


def _operand_of(action: Node) -> Operand | None:
    return None if action[0] == "REMOVE" else _compile(action[2])


def _compile(node: Node) -> Operand:
    if node[0] in ("+", "-"):
        return _arithmetic(node[0], _compile(node[1]), _compile(node[2]))
    if node[0] != "call":
        return compile_operand(node)
    first, second = node[2]
    if node[1] == "if_not_exists":
        old, default = compile_path(first[1]), _compile(second)
        return lambda item, names, values: (
            found if (found := old(item, names, values)) is not None else default(item, names, values)
        )
    head, tail = _compile(first), _compile(second)

    def list_append(item: Item, names: Names, values: Values) -> Value | None:
        one, other = head(item, names, values), tail(item, names, values)
        if one is None or other is None:
            return None
        if "L" not in one or "L" not in other:
            raise invalid(_BAD_TYPE)
        return {"L": [*one["L"], *other["L"]]}

    return list_append


def _arithmetic(sign: str, left: Operand, right: Operand) -> Operand:
    def compute(item: Item, names: Names, values: Values) -> Value | None:
        one, other = left(item, names, values), right(item, names, values)
        if one is None or other is None:
            return None
        if "N" not in one or "N" not in other:
            raise invalid(_BAD_TYPE)
        return {"N": _add(one["N"], other["N"], sign)}

    return compute


def _add(one: str, other: str, sign: str = "+") -> str:
    left, right = number_of(one), number_of(other)
    if isinstance(left, int) and isinstance(right, int):
        return canonical_number(str(left + right if sign == "+" else left - right))
    return canonical_number(str(_DIGITS.add(left, right) if sign == "+" else _DIGITS.subtract(left, right)))


def _changed(value: Value, path: Path, kind: str, operand: Value | None) -> Value:
    """A copy of `value` with the member at `path` changed; what is not on the path is shared."""
    part, rest = path[0], path[1:]
    container: Any
    if isinstance(part, int):
        if "L" not in value:
            raise invalid(_BAD_PATH)
        container, exists = list(value["L"]), part < len(value["L"])
        if kind == "SET" and not rest and not exists:
            part = len(container)  # a list grows by one, wherever past its end the index points
            container.append(None)
    else:
        if "M" not in value:
            raise invalid(_BAD_PATH)
        container, exists = dict(value["M"]), part in value["M"]
    tag = "L" if isinstance(part, int) else "M"
    if rest:
        if not exists:
            raise invalid(_BAD_PATH)
        container[part] = _changed(container[part], rest, kind, operand)
    else:
        new = operand if kind == "SET" else _combined(kind, _member(value, part), operand)
        if new is not None:
            container[part] = new
        elif exists:
            del container[part]
    return {tag: container}


def _member(value: Value, part: str | int) -> Value | None:
    if isinstance(part, int):
        return value["L"][part] if part < len(value["L"]) else None
    fields: Item = value["M"]
    return fields.get(part)


def _combined(kind: str, old: Value | None, operand: Value | None) -> Value | None:
    """What ADD and DELETE make of an attribute; None where it goes, as under REMOVE."""
    if operand is None:
        return None
    of = kind_of(operand)
    if of not in (("SS", "NS", "BS", "N") if kind == "ADD" else ("SS", "NS", "BS")):
        raise invalid(
            "Invalid UpdateExpression: Incorrect operand type for operator or function; operator: "
            f"{kind}, operand type: {of}, typeSet: ALLOWED_FOR_{kind}_OPERAND"
        )
    if old is None:
        return operand if kind == "ADD" else None
    if of not in old:
        raise invalid(_BAD_TYPE)
    if of == "N":
        return {"N": _add(old["N"], operand["N"])}
    member = of[0]
    theirs = [{member: each} for each in operand[of]]
    if kind == "ADD":
        fresh = [each for each in theirs if not any(equal({member: mine}, each) for mine in old[of])]
        return {of: [*old[of], *(each[member] for each in fresh)]}
    left = [mine for mine in old[of] if not any(equal({member: mine}, each) for each in theirs)]
    return {of: left} if left else None
