"""BatchWriteItem and BatchGetItem: many single-item requests, each on its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from clef_sim.services.dynamodb.expressions import plan_of
from clef_sim.services.dynamodb.rates import read_units
from clef_sim.services.dynamodb.table import Table
from clef_sim.services.dynamodb.values import Item, invalid
from clef_sim.services.dynamodb.writes import Write
from clef_sim.services.sdk import METADATA, Answer, Malformed, Refusal, Request, check_names

BATCH_WRITES_MAX = 25
BATCH_KEYS_MAX = 100
BATCH_GET_BYTES_MAX = 16 << 20
_DUPLICATES = "Provided list of item keys contains duplicates"


def write(table_of: Callable[[str], Table], request: Request, now: float) -> Answer:
    """Puts and deletes. Raises Refusal where all of them are throttled, or the batch is malformed."""
    asked = request["RequestItems"]
    for name, entries in asked.items():
        if not entries:
            raise Malformed(f"Invalid length for parameter RequestItems.{name}, value: 0, valid min length: 1")
    count = sum(len(entries) for entries in asked.values())
    if count > BATCH_WRITES_MAX:
        raise invalid("Too many items requested for the BatchWriteItem call")
    if not count:
        raise invalid("The batch write request list for a table cannot be null or empty")
    writes: list[tuple[str, Request, Write]] = []
    seen: set[tuple[str, Any, Any]] = set()
    for name, entries in asked.items():
        table = table_of(name)
        for entry in entries:
            one = _prepared(table, entry)
            if (name, one.pk, one.sk) in seen:
                raise invalid(_DUPLICATES)
            seen.add((name, one.pk, one.sk))
            writes.append((name, entry, one))
    left: dict[str, list[Request]] = {}
    refused: Refusal | None = None
    for name, entry, one in writes:
        try:
            one.charge(now)
        except Refusal as throttled:
            refused = throttled
            left.setdefault(name, []).append(entry)
        else:
            one.commit(now)
    if refused is not None and sum(map(len, left.values())) == count:
        raise refused
    return {"UnprocessedItems": left, "ResponseMetadata": METADATA}


def _prepared(table: Table, entry: Request) -> Write:
    check_names("BatchWriteItem", entry, (), ("PutRequest", "DeleteRequest"))
    if len(entry) != 1:
        raise invalid(
            "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the "
            "supported datatypes"
        )
    if "PutRequest" in entry:
        check_names("PutRequest", entry["PutRequest"], ("Item",), ())
        return Write(table, "put", entry["PutRequest"])
    check_names("DeleteRequest", entry["DeleteRequest"], ("Key",), ())
    return Write(table, "delete", entry["DeleteRequest"])


def get(table_of: Callable[[str], Table], request: Request, now: float) -> Answer:
    """Items by key. Raises Refusal where all are throttled, or the batch is malformed."""
    asked = request["RequestItems"]
    count = sum(len(each["Keys"]) for each in asked.values())
    if count > BATCH_KEYS_MAX:
        raise invalid("Too many items requested for the BatchGetItem call")
    if not count:
        raise invalid(
            "1 validation error detected: Value at 'requestItems' failed to satisfy constraint: Member "
            "must have length greater than or equal to 1"
        )
    found: dict[str, list[Item]] = {}
    left: dict[str, Request] = {}
    size = 0
    refused: Refusal | None = None
    for name, wanted in asked.items():
        check_names(
            "BatchGetItem", wanted, ("Keys",), ("ConsistentRead", "ExpressionAttributeNames", "ProjectionExpression")
        )
        table = table_of(name)
        plan = plan_of(wanted, ("ProjectionExpression",))
        names, _ = plan.bind(wanted)
        consistent = wanted.get("ConsistentRead", False)
        items = found.setdefault(name, [])
        keys = [(key, *table.exact_key(key)) for key in wanted["Keys"]]
        if len({key[1:] for key in keys}) < len(keys):
            raise invalid(_DUPLICATES)
        for key, pk, sk in keys:
            stored = table.get(pk, sk, consistent, now)
            units = 1 if stored is None else read_units(stored[1])
            fits = stored is None or size + stored[1] <= BATCH_GET_BYTES_MAX
            try:
                if fits:
                    table.charge_read(pk, units if consistent else units / 2, now)
            except Refusal as throttled:
                refused, fits = throttled, False
            if not fits:
                left.setdefault(name, {**wanted, "Keys": []})["Keys"].append(key)
            elif stored is not None:
                size += stored[1]
                items.append(plan.project(stored[0], names))
    if refused is not None and sum(len(each["Keys"]) for each in left.values()) == count:
        raise refused
    return {"Responses": found, "UnprocessedKeys": left, "ResponseMetadata": METADATA}
