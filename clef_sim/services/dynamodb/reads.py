"""Query and scan: which items, in which order, how many in one page."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from clef_sim.services.dynamodb.conditions import Values
from clef_sim.services.dynamodb.expressions import Plan, plan_of
from clef_sim.services.dynamodb.rates import read_units
from clef_sim.services.dynamodb.rows import Partition, Stored
from clef_sim.services.dynamodb.table import Table
from clef_sim.services.dynamodb.values import Item, invalid
from clef_sim.services.sdk import METADATA, Answer, Malformed, Request, Unmodelled

PAGE_BYTES_MAX = 1 << 20
QUERY_LABELS = ("KeyConditionExpression", "FilterExpression", "ProjectionExpression")
SCAN_LABELS = ("FilterExpression", "ProjectionExpression")


def query(table: Table, request: Request, now: float) -> Answer:
    """One page of a partition, in the order of the sort key."""
    plan = plan_of(request, QUERY_LABELS)
    names, values = plan.bind(request)
    for token in plan.filter_roots:
        if names.get(token, token) in table.schema.key_names:
            raise invalid(
                "Filter Expression can only contain non-primary key attributes: Primary key attribute: "
                f"{names.get(token, token)}"
            )
    pk, low, high = _key_range(table, plan, names, values)
    partition = table.partition(pk, request.get("ConsistentRead", False), now)
    start, stop = 0, len(partition.order)
    if low is not None or high is not None:
        start, stop = partition.span(*(low or (None, True)), *(high or (None, True)))
    forward = request.get("ScanIndexForward", True)
    after = request.get("ExclusiveStartKey")
    if after is not None:
        start, stop = _resume(table, partition, after, pk, start, stop, forward)
    keys = partition.order[start:stop]
    if not forward:
        keys.reverse()
    items = partition.items
    return _page(table, plan, request, map(items.__getitem__, keys), pk, now)


def _key_range(table: Table, plan: Plan, names: Any, values: Values) -> tuple[Any, Any, Any]:
    """(partition key, lower bound, upper bound) of a key condition; a bound is (sort key, included)."""
    schema = table.schema
    pk, low, high = None, None, None
    seen: set[str] = set()
    for op, token, operands in plan.keys:
        name = names[token] if token[0] == "#" else token
        if name in seen:
            raise invalid("KeyConditionExpressions must only contain one condition per key")
        seen.add(name)
        kind = schema.pk_kind if name == schema.pk_name else schema.sk_kind
        if name not in schema.key_names:
            raise invalid(f"Query condition missed key schema element: {schema.pk_name}")
        if any(kind not in values[operand] for operand in operands):
            raise invalid(
                "One or more parameter values were invalid: Condition parameter type does not match schema type"
            )
        if name == schema.pk_name:
            if op != "=":
                raise invalid("Query key condition not supported")
            pk = table.partition_value(values[operands[0]])
        else:
            low, high = _bounds(op, [table.sort_value(values[operand]) for operand in operands], kind)
    if schema.pk_name not in seen:
        raise invalid(f"Query condition missed key schema element: {schema.pk_name}")
    return pk, low, high


def _bounds(op: str, bounds: list[Any], kind: str) -> tuple[Any, Any]:
    first = bounds[0]
    if op == "begins_with":
        if kind == "N":
            raise invalid(
                "Invalid KeyConditionExpression: Incorrect operand type for operator or function; "
                "operator or function: begins_with, operand type: N"
            )
        return (first, True), (_after_prefix(first), False)
    if op == "between":
        return (first, True), (bounds[1], True)
    low = (first, op != ">") if op in ("=", ">", ">=") else None
    high = (first, op != "<") if op in ("=", "<", "<=") else None
    return low, high


def _after_prefix(prefix: Any) -> Any:
    """The least key above all that begin with `prefix`; None where there is no such key."""
    if isinstance(prefix, bytes):
        stem = prefix.rstrip(b"\xff")
        return stem[:-1] + bytes([stem[-1] + 1]) if stem else None
    text = prefix.rstrip("\U0010ffff")
    return text[:-1] + chr(ord(text[-1]) + 1) if text else None


def _resume(
    table: Table, partition: Partition, after: Item, pk: Any, start: int, stop: int, forward: bool
) -> tuple[int, int]:
    """Narrows the range to what follows the last key of the previous page."""
    after_pk, after_sk = table.exact_key(after)
    if after_pk != pk:
        raise invalid("The provided starting key is outside query boundaries based on provided conditions")
    low, high = partition.span(after_sk, True, after_sk, True)
    return (max(start, high), stop) if forward else (start, min(stop, low))


def scan(table: Table, request: Request, now: float) -> Answer:
    """One page of the whole table."""
    plan = plan_of(request, SCAN_LABELS)
    plan.bind(request)
    return _page(table, plan, request, _scanned(table, request, now), None, now)


def _scanned(table: Table, request: Request, now: float) -> Iterator[Stored]:
    consistent = request.get("ConsistentRead", False)
    after = request.get("ExclusiveStartKey")
    after_pk, after_sk = (None, None) if after is None else table.exact_key(after)
    for pk in table.scan_order(after_pk):
        partition = table.partition(pk, consistent, now)
        start = partition.span(after_sk, True, after_sk, True)[1] if pk == after_pk else 0
        for sk in islice(partition.order, start, None):
            yield partition.items[sk]


def _page(table: Table, plan: Plan, request: Request, found: Iterator[Stored], pk: Any, now: float) -> Answer:
    """Reads up to `Limit` items and 1 MB, filters and projects what it read."""
    limit = request.get("Limit")
    if limit is not None and limit < 1:
        raise Malformed(f"Invalid value for parameter Limit, value: {limit}, valid min value: 1")
    names = request.get("ExpressionAttributeNames", {})
    values = request.get("ExpressionAttributeValues", {})
    read: list[Item] = []
    size = 0
    more = False
    for item, item_size in found:
        read.append(item)
        size += item_size
        if len(read) == limit or size > PAGE_BYTES_MAX:
            more = True
            break
    units: float = read_units(size)
    table.charge_read(pk, units if request.get("ConsistentRead", False) else units / 2, now)
    kept = read if plan.filter is None else [item for item in read if plan.filter(item, names, values)]
    answer: Answer = {"Count": len(kept), "ScannedCount": len(read), "ResponseMetadata": METADATA}
    select = request.get("Select", "ALL_ATTRIBUTES")
    if select not in ("COUNT", "ALL_ATTRIBUTES", "SPECIFIC_ATTRIBUTES"):
        raise Unmodelled(
            f"Select={select!r} is not modelled; modelled are COUNT, ALL_ATTRIBUTES, SPECIFIC_ATTRIBUTES"
        )
    if select != "COUNT":
        if plan.paths:
            answer["Items"] = [plan.project(item, names) for item in kept]
        else:
            answer["Items"] = [item.copy() for item in kept]
    if more:
        answer["LastEvaluatedKey"] = table.key_item(read[-1])
    return answer
