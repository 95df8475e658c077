"""The action log on DynamoDB: one partition a flow (`pk`), one item a record (`sk` = kind and id).

An item holds the record as JSON text (`json`), the append's time (`at`, epoch seconds by the writer's
clock) and, where records are to go by themselves, `ttl`. The service deletes those days late; until
then they are read as before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import Any

import msgspec

from clef_runtime import aws
from clef_runtime.action_log.base import FlowRecords
from clef_runtime.action_log.records import (
    decode_completion,
    decode_edge,
    decode_invocation,
    encode_record,
    flow_records,
)
from clef_runtime.aws import ConditionFailed, Item
from clef_runtime.context import Clock
from clef_runtime.errors import BadInput
from clef_runtime.model import Completion, Invocation, SyncEdge, firing_id
from clef_runtime.retry import Retry
from clef_runtime.storage.base import Staged

_COMPLETION, _INVOCATION, _EDGE = "c#", "i#", "e#"

_NEW = {
    "ConditionExpression": "attribute_not_exists(pk)",
    "ReturnValuesOnConditionCheckFailure": "ALL_OLD",  # tells one's own earlier attempt without another read
}

_token_form = msgspec.json.Encoder()


class DynamoDBActionLog:
    """Every operation is repeated within `retry` when its answer is lost: a record that is there already is
    compared with the one to be written.

    Args:
        table: as `log_table(name)` describes it.
        consistent_reads: False makes `load_flow`, `has_sync_edge` and `for_match` half as dear, and stale for
            up to seconds: joins can then be lost. For showing just that.
        ttl_s: after so many seconds (> 0) the service may delete a record; None keeps all.
    """

    def __init__(
        self,
        client: Any,
        table: str,
        clock: Clock,
        *,
        consistent_reads: bool = True,
        ttl_s: float | None = None,
        retry: Retry = Retry(),  # noqa: B008 - frozen
    ) -> None:
        if ttl_s is not None and ttl_s <= 0:
            raise BadInput(f"ttl_s(={ttl_s}) must be > 0")
        self._client, self._caller = client, aws.caller(clock, retry)
        self._call = self._caller.__call__
        self._table, self._clock, self._ttl_s = table, clock, ttl_s
        self._consistent = consistent_reads

    def append(self, record: Completion | Invocation, along: Staged = ()) -> bool:
        """As the port has it. After a lost answer, True where the record in the log is this one to the byte.

        Raises TooLarge over 400 KB for the record, or 4 MB and 100 items for record and writes.
        """
        kind = _COMPLETION if isinstance(record, Completion) else _INVOCATION
        item = self._item(record.flow, kind + record.id, encode_record(record))
        put = {"TableName": self._table, "Item": item, **_NEW}
        try:
            if along:
                self._call(self._client.transact_write_items, _transaction([{"Put": put}, *along]))
            else:
                self._call(self._client.put_item, put)
        except ConditionFailed as conflict:
            there = conflict.items[0]
            if there is None:
                raise  # the record is new, a staged row has changed
            return conflict.after_doubt and there.get("json") == item["json"]
        return True

    def get(self, flow: str, completion_id: str) -> Completion | None:
        text = self._get(flow, _COMPLETION + completion_id, consistent=True)
        return decode_completion(text) if text is not None else None

    def load_flow(self, flow: str) -> FlowRecords:
        completions: list[Completion] = []
        invocations: list[Invocation] = []
        edges: list[SyncEdge] = []
        fired: list[str] = []
        arguments = {
            "TableName": self._table,
            "KeyConditionExpression": "pk = :pk",
            "ExpressionAttributeValues": {":pk": {"S": flow}},
            "ConsistentRead": self._consistent,
        }
        for page in aws.pages(self._call, self._client.query, arguments):
            for item in page:
                sort_key = item["sk"]["S"]
                kind = sort_key[:2]
                text = item["json"]["S"]
                if kind == _COMPLETION:
                    completions.append(decode_completion(text))
                elif kind == _INVOCATION:
                    invocations.append(decode_invocation(text))
                else:
                    edges.append(decode_edge(text))
                    fired.append(sort_key[2:])  # a Query comes in the order of the sort keys
        return flow_records(completions, invocations, edges, fired)

    def has_sync_edge(self, sync: str, matched_ids: Iterable[str], flow: str) -> bool:
        return self._get(flow, _EDGE + firing_id(sync, matched_ids), consistent=self._consistent) is not None

    def add_sync_edge(self, edge: SyncEdge) -> None:
        item = self._item(edge.flow, _EDGE + edge.firing, encode_record(edge))
        try:
            self._call(self._client.put_item, {"TableName": self._table, "Item": item, **_NEW})
        except ConditionFailed:
            return  # recorded before

    def for_match(self, sync: str, matched_ids: Iterable[str], flow: str) -> SyncEdge | None:
        text = self._get(flow, _EDGE + firing_id(sync, matched_ids), consistent=self._consistent)
        return decode_edge(text) if text is not None else None

    def scan(self) -> Iterator[Completion | SyncEdge]:
        arguments = {"TableName": self._table, "ConsistentRead": True}
        for page in aws.pages(self._call, self._client.scan, arguments):
            for item in page:
                kind = item["sk"]["S"][:2]
                if kind == _COMPLETION:
                    yield decode_completion(item["json"]["S"])
                elif kind == _EDGE:
                    yield decode_edge(item["json"]["S"])

    def gc(self, before_s: float) -> int:
        """As the port has it; reads the whole table. A large one wants `ttl_s` instead."""
        flows: dict[str, list[tuple[str, float]]] = {}
        arguments = {
            "TableName": self._table,
            "ConsistentRead": True,
            "ProjectionExpression": "pk, sk, #at",
            "ExpressionAttributeNames": {"#at": "at"},
        }
        for page in aws.pages(self._call, self._client.scan, arguments):
            for item in page:
                flows.setdefault(item["pk"]["S"], []).append((item["sk"]["S"], float(item["at"]["N"])))
        old = {flow: records for flow, records in flows.items() if max(at for _, at in records) < before_s}
        keys = [_key(flow, sort_key) for flow, records in old.items() for sort_key, _ in records]
        aws.delete_batches(self._caller, self._client, self._table, keys)
        return len(keys)

    def _get(self, flow: str, sort_key: str, *, consistent: bool) -> str | None:
        arguments = {"TableName": self._table, "Key": _key(flow, sort_key), "ConsistentRead": consistent}
        item = self._call(self._client.get_item, arguments).get("Item")
        return item["json"]["S"] if item else None

    def _item(self, flow: str, sort_key: str, text: bytes) -> Item:
        now_s = self._clock.now()
        item = {"pk": {"S": flow}, "sk": {"S": sort_key}, "json": {"S": text.decode()}, "at": {"N": repr(now_s)}}
        if self._ttl_s is not None:
            item["ttl"] = {"N": str(int(now_s + self._ttl_s))}
        return item


def log_table(name: str) -> dict[str, Any]:
    """The arguments of `create_table` for an action log; its time to live, if wanted, is on `ttl`."""
    return aws.table(name, "pk", "sk")


def _key(flow: str, sort_key: str) -> Item:
    return {"pk": {"S": flow}, "sk": {"S": sort_key}}


def _transaction(items: list[dict[str, Any]]) -> dict[str, Any]:
    # The token makes a repeated attempt of the same transaction (for ten minutes) succeed without effect.
    token = sha256(_token_form.encode(items)).hexdigest()[:32]
    return {"TransactItems": items, "ClientRequestToken": token}
