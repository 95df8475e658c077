"""TransactWriteItems and TransactGetItems: all or nothing, at one instant."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from hashlib import blake2b
from typing import Any, TypeAlias

import msgspec

from clef_sim.services.dynamodb.expressions import plan_of
from clef_sim.services.dynamodb.rates import read_units
from clef_sim.services.dynamodb.table import Table
from clef_sim.services.dynamodb.values import Item, invalid
from clef_sim.services.dynamodb.writes import Write
from clef_sim.services.sdk import METADATA, Answer, Malformed, Refusal, Request, check_names

TRANSACTION_ITEMS_MAX = 100
TRANSACTION_BYTES_MAX = 4 << 20
TOKEN_LIFE_S = 600.0

Conflict: TypeAlias = Callable[[str, str, Item], bool] | None
Reason: TypeAlias = dict[str, Any]

_NO_REASON: Reason = {"Code": "None"}
_CONFLICT: Reason = {"Code": "TransactionConflict", "Message": "Transaction is ongoing for the item"}
_EXPRESSION = ("ExpressionAttributeNames", "ExpressionAttributeValues", "ReturnValuesOnConditionCheckFailure")
_SHAPES: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    "Put": ("put", ("TableName", "Item"), ("ConditionExpression", *_EXPRESSION)),
    "Delete": ("delete", ("TableName", "Key"), ("ConditionExpression", *_EXPRESSION)),
    "Update": ("update", ("TableName", "Key", "UpdateExpression"), ("ConditionExpression", *_EXPRESSION)),
    "ConditionCheck": ("check", ("TableName", "Key", "ConditionExpression"), _EXPRESSION),
}
_CODES = {
    "ConditionalCheckFailedException": "ConditionalCheckFailed",
    "ValidationException": "ValidationError",
    "ThrottlingException": "ThrottlingError",
    "ProvisionedThroughputExceededException": "ProvisionedThroughputExceeded",
}


class Tokens:
    """Client request tokens of the last ten minutes, each with a digest of what it was used for."""

    def __init__(self) -> None:
        self._requests: dict[str, bytes] = {}
        self._ends: deque[tuple[float, str]] = deque()

    def known(self, token: str, items: Any, now: float) -> bool:
        """Whether this request has been done under this token.

        Raises:
            Refusal: the token was used for another request.
        """
        while self._ends and self._ends[0][0] <= now:
            del self._requests[self._ends.popleft()[1]]
        if token not in self._requests:
            return False
        if self._requests[token] != _digest(items):
            raise Refusal(
                "IdempotentParameterMismatchException",
                "The request uses the same client token as a previous, but non-identical request. Do not reuse "
                "a client token with different requests, unless the requests are identical",
            )
        return True

    def add(self, token: str, items: Any, now: float) -> None:
        self._requests[token] = _digest(items)
        self._ends.append((now + TOKEN_LIFE_S, token))


_encode = msgspec.json.Encoder(order="deterministic").encode


def _digest(items: Any) -> bytes:
    return blake2b(_encode(items), digest_size=16).digest()


def write(
    table_at: Callable[[str, float], Table], tokens: Tokens, conflict: Conflict, request: Request, now: float
) -> Answer:
    """Applies all writes, or raises Refusal with the reason of each."""
    items = request["TransactItems"]
    token = request.get("ClientRequestToken")
    _check_count(items)
    if token is not None and tokens.known(token, items, now):
        return {"ResponseMetadata": METADATA}
    writes = _prepared(table_at, items, now)
    reasons = [_reason(one, conflict, now) for one in writes]
    if reasons.count(_NO_REASON) < len(reasons):
        raise _canceled(reasons)
    size = 0
    for one in writes:
        if one.new is not None:
            size += one.new[1]
    if size > TRANSACTION_BYTES_MAX:
        raise invalid("Collection size exceeded: transaction request cannot be larger than 4 MB")
    for one in writes:
        one.commit(now)
    if token is not None:
        tokens.add(token, items, now)
    return {"ResponseMetadata": METADATA}


def _check_count(items: list[Request]) -> None:
    if not items:
        raise Malformed("Invalid length for parameter TransactItems, value: 0, valid min length: 1")
    if len(items) > TRANSACTION_ITEMS_MAX:
        raise invalid(
            "1 validation error detected: Value at 'transactItems' failed to satisfy constraint: "
            f"Member must have length less than or equal to {TRANSACTION_ITEMS_MAX}"
        )


def _prepared(table_at: Callable[[str, float], Table], items: list[Request], now: float) -> list[Write]:
    writes: list[Write] = []
    seen: set[tuple[str, Any, Any]] = set()
    for entry in items:
        if len(entry) != 1 or next(iter(entry)) not in _SHAPES:
            check_names("TransactWriteItems", entry, (), tuple(_SHAPES))
            raise invalid("TransactItems can only contain one of Check, Put, Update or Delete")
        ((shape, wanted),) = entry.items()
        kind, required, optional = _SHAPES[shape]
        check_names(shape, wanted, required, optional)
        one = Write(table_at(wanted["TableName"], now), kind, wanted)
        key = (one.table.name, one.pk, one.sk)
        if key in seen:
            raise invalid("Transaction request cannot include multiple operations on one item")
        seen.add(key)
        writes.append(one)
    return writes


def _reason(one: Write, conflict: Conflict, now: float) -> Reason:
    """Why this write cannot be applied. It pays all the same."""
    if conflict is not None and conflict("TransactWriteItems", one.table.name, one.key_item()):
        return _CONFLICT
    try:
        one.charge(now, times=2)
        one.check()
        if one.kind == "update":
            one.compute(now, times=2)
    except Refusal as refusal:
        return {"Code": _CODES[refusal.code], "Message": refusal.message, **refusal.extra}
    return _NO_REASON


def _canceled(reasons: list[Reason]) -> Refusal:
    codes = ", ".join(reason["Code"] for reason in reasons)
    return Refusal(
        "TransactionCanceledException",
        f"Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]",
        CancellationReasons=[dict(reason) for reason in reasons],
    )


def get(table_of: Callable[[str], Table], conflict: Conflict, request: Request, now: float) -> Answer:
    """The items in the order asked for; `{}` for one that is not there."""
    items = request["TransactItems"]
    _check_count(items)
    reasons: list[Reason] = []
    responses: list[Answer] = []
    for entry in items:
        check_names("TransactGetItems", entry, ("Get",), ())
        wanted = entry["Get"]
        check_names("Get", wanted, ("TableName", "Key"), ("ExpressionAttributeNames", "ProjectionExpression"))
        table = table_of(wanted["TableName"])
        plan = plan_of(wanted, ("ProjectionExpression",))
        names, _ = plan.bind(wanted)
        pk, sk = table.exact_key(wanted["Key"])
        stored = table.rows.get(pk, sk)
        reason = _NO_REASON
        if conflict is not None and conflict("TransactGetItems", table.name, wanted["Key"]):
            reason = _CONFLICT
        try:
            table.charge_read(pk, 2 * (1 if stored is None else read_units(stored[1])), now)
        except Refusal as refusal:
            reason = {"Code": _CODES[refusal.code], "Message": refusal.message}
        reasons.append(reason)
        responses.append({} if stored is None else {"Item": plan.project(stored[0], names)})
    if any(reason is not _NO_REASON for reason in reasons):
        raise _canceled(reasons)
    return {"Responses": responses, "ResponseMetadata": METADATA}
