"""DynamoDB: a condition decides, a transaction is done wholly or not at all, a strong read sees what was written.

Items are told apart by `pk` and `sk`, the names that all tables of the adapters have.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from clef_sim.certify.evidence import Seen
from clef_sim.certify.promises.expressions import Item, NotKnown, equal, holds, updated
from clef_sim.kernel.clock import EPOCH_S

_Key = tuple[str, str, str]

_UNKNOWN: dict[str, Any] = {"unknown": {}}


def broken(calls: Sequence[Seen]) -> str:
    """See `promises.Judge`."""
    tables = _Tables()
    for call in calls:
        words = tables.see(call)
        if words:
            return words
    return ""


class _Tables:
    def __init__(self) -> None:
        self._items: dict[_Key, Item | None] = {}
        self._tokens: dict[str, None] = {}

    def see(self, call: Seen) -> str:
        """Follows one call; says what is wrong with it."""
        request, operation = call.request, call.operation
        if operation in ("PutItem", "UpdateItem", "DeleteItem"):
            return self._write(call, [(operation, request)], _code(call) == "ConditionalCheckFailedException")
        if operation == "TransactWriteItems":
            return self._transact(call)
        if operation == "BatchWriteItem":
            self._forget_batch(request)
        if call.error is None and request.get("ConsistentRead"):
            if operation == "GetItem":
                key = _key(request["TableName"], request["Key"])
                return self._read(call, key, call.answer.get("Item"))
            if operation == "Query":
                return self._query(call)
        return ""

    def _transact(self, call: Seen) -> str:
        token = call.request.get("ClientRequestToken", "")
        if token in self._tokens:
            return ""  # said before: it is answered without an effect
        if call.error is None and token:
            self._tokens[token] = None
        parts = [
            ({"Put": "PutItem", "Delete": "DeleteItem", "Update": "UpdateItem"}.get(kind, kind), part)
            for each in call.request["TransactItems"]
            for kind, part in each.items()
        ]
        reasons = getattr(call.error, "response", {}).get("CancellationReasons", ())
        return self._write(call, parts, any(each.get("Code") == "ConditionalCheckFailed" for each in reasons))

    def _write(self, call: Seen, parts: Sequence[tuple[str, Mapping[str, Any]]], refused: bool) -> str:
        """Parts that are done together."""
        holding = [self._holds(part, call.at_s) for _, part in parts]
        if call.error is None:
            for held, (kind, part) in zip(holding, parts, strict=True):
                if held is False:
                    there = _shown(self._items.get(_key_of(part)))
                    return f"{_about(call)} was done although its condition ({kind}) did not hold: {there} was there"
            for kind, part in parts:
                self._items[_key_of(part)] = self._after(kind, part)
            return ""
        if refused and all(held is True for held in holding):
            return f"{_about(call)} was refused although its condition held"
        if not refused and not _surely_not_done(call):
            for _, part in parts:
                self._items[_key_of(part)] = _UNKNOWN
        return ""

    def _holds(self, part: Mapping[str, Any], now_s: float) -> bool | None:
        """None: it is not known."""
        there = self._items.get(_key_of(part))
        if there is _UNKNOWN or _may_be_gone(there, now_s):
            return None
        try:
            return holds(part, there)
        except NotKnown:
            return None

    def _after(self, kind: str, part: Mapping[str, Any]) -> Item | None:
        there = self._items.get(_key_of(part))
        if kind == "PutItem":
            return dict(part["Item"])
        if kind == "UpdateItem" and there is not _UNKNOWN:
            try:
                return updated(part, there)
            except NotKnown:
                return _UNKNOWN
        return there if kind == "ConditionCheck" else None if kind == "DeleteItem" else _UNKNOWN

    def _forget_batch(self, request: Mapping[str, Any]) -> None:
        """Some of a batch may be left undone."""
        for table, writes in request["RequestItems"].items():
            for write in writes:
                ((_, part),) = write.items()
                self._items[_key(table, part.get("Item") or part["Key"])] = _UNKNOWN

    def _read(self, call: Seen, key: _Key, found: Item | None) -> str:
        there = self._items.get(key)
        if there is _UNKNOWN or (found is None and _may_be_gone(there, call.at_s)):
            return ""
        if (there is None) != (not found) or (there and found and not equal(there, found)):
            return f"{_about(call)} gave {_shown(found)} where {_shown(there)} had been written"
        return ""

    def _query(self, call: Seen) -> str:
        request, answer = call.request, call.answer
        table, items = request["TableName"], answer["Items"]
        if "ProjectionExpression" in request:
            return ""
        for item in items:
            words = self._read(call, _key(table, item), item)
            if words:
                return words
        whole = (
            not ({"FilterExpression", "Limit", "ExclusiveStartKey"} & request.keys())
            and "LastEvaluatedKey" not in answer
        )
        if not whole or request.get("KeyConditionExpression") != "pk = :pk":
            return ""
        partition = request["ExpressionAttributeValues"][":pk"]["S"]
        found = {_key(table, item) for item in items}
        for key in self._keys(table, partition):
            if key not in found:
                words = self._read(call, key, None)
                if words:
                    return words
        return ""

    def _keys(self, table: str, partition: str) -> Iterator[_Key]:
        return (key for key, item in self._items.items() if key[:2] == (table, partition) and item)


def _may_be_gone(item: Item | None, now_s: float) -> bool:
    """Its time to live has passed: the service may have deleted it."""
    return bool(item) and "ttl" in (item or {}) and float((item or {})["ttl"]["N"]) <= EPOCH_S + now_s


def _key_of(part: Mapping[str, Any]) -> _Key:
    return _key(part["TableName"], part.get("Item") or part["Key"])


def _key(table: str, item: Mapping[str, Any]) -> _Key:
    return table, item["pk"]["S"], item["sk"]["S"] if "sk" in item else ""


def _code(call: Seen) -> str:
    code: str = getattr(call.error, "response", {}).get("Error", {}).get("Code", "")
    return code


def _surely_not_done(call: Seen) -> bool:
    """The service answered, and that with a client's error."""
    status: int = getattr(call.error, "response", {}).get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
    return status < 500


def _about(call: Seen) -> str:
    tables = call.request.get("TableName") or "several items"
    return f"dynamodb.{call.operation} on {tables} by {call.who} at {call.at_s:.6f} s"


def _shown(item: Item | None) -> str:
    return "nothing" if not item else str(item)[:160]
