"""The action log on Firestore: `<name>/<flow>/<name>-records/<kind and id>`, a document a record.

A document holds the record as JSON text (`json`), the append's time (`at`, epoch seconds by the writer's clock)
and, where records are to go by themselves, `ttl`, for a TTL policy on the collection group `<name>-records`: the
service deletes within a day of it; until then they are read as before. Reads are always strong. In production,
exempt `json` and `at` from the automatic indexes: nothing asks by them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from clef_runtime.action_log.base import FlowRecords
from clef_runtime.action_log.records import (
    decode_completion,
    decode_edge,
    decode_invocation,
    encode_record,
    flow_records,
)
from clef_runtime.context import Clock
from clef_runtime.errors import BadInput, Conflict
from clef_runtime.firestore import Change, Documents, expiry, segment
from clef_runtime.model import Completion, Invocation, SyncEdge, firing_id
from clef_runtime.retry import Retry
from clef_runtime.storage.base import Staged

_COMPLETION, _INVOCATION, _EDGE = "c#", "i#", "e#"

_DELETES = 100
"""Documents deleted in one commit."""


class FirestoreActionLog:
    """Every operation is repeated within `retry` when its answer is lost: a record that is there already is
    compared with the one to be written.

    Args:
        client: a `google.cloud.firestore.Client`.
        name: of the log; no other collection of the database may have it.
        ttl_s: after so many seconds (> 0) the service may delete a record; None keeps all.
    """

    def __init__(
        self,
        client: Any,
        name: str,
        clock: Clock,
        *,
        ttl_s: float | None = None,
        retry: Retry = Retry(),  # noqa: B008 - frozen
    ) -> None:
        if ttl_s is not None and ttl_s <= 0:
            raise BadInput(f"ttl_s(={ttl_s}) must be > 0")
        self._documents = Documents(client, clock, retry)
        self._name, self._records = name, f"{name}-records"
        self._clock, self._ttl_s = clock, ttl_s

    def append(self, record: Completion | Invocation, along: Staged = ()) -> bool:
        """As the port has it. After a lost answer, True where the record in the log is this one to the byte.

        Raises TooLarge over 1 MiB for a document, or 10 MiB for record and writes.
        """
        kind = _COMPLETION if isinstance(record, Completion) else _INVOCATION
        change = self._change(record.flow, kind + record.id, encode_record(record))
        try:
            self._documents.commit([change, *along])
        except Conflict as conflict:
            # The service does not say which of the changes was refused.
            there = self._documents.get(change.path)
            if there is None:
                raise  # the record is new, a staged row has changed
            assert change.data is not None
            return conflict.after_doubt and there.data["json"] == change.data["json"]
        return True

    def get(self, flow: str, completion_id: str) -> Completion | None:
        text = self._get(flow, _COMPLETION + completion_id)
        return decode_completion(text) if text is not None else None

    def load_flow(self, flow: str) -> FlowRecords:
        completions: list[Completion] = []
        invocations: list[Invocation] = []
        edges: list[SyncEdge] = []
        for document in self._documents.find(self._collection(flow)):
            kind, text = document.name[:2], document.data["json"]
            if kind == _COMPLETION:
                completions.append(decode_completion(text))
            elif kind == _INVOCATION:
                invocations.append(decode_invocation(text))
            else:
                edges.append(decode_edge(text))
        return flow_records(completions, invocations, edges)

    def has_sync_edge(self, sync: str, matched_ids: Iterable[str], flow: str) -> bool:
        return self._get(flow, _EDGE + firing_id(sync, matched_ids)) is not None

    def add_sync_edge(self, edge: SyncEdge) -> None:
        try:
            self._documents.commit([self._change(edge.flow, _EDGE + edge.firing, encode_record(edge))])
        except Conflict:
            return  # recorded before

    def for_match(self, sync: str, matched_ids: Iterable[str], flow: str) -> SyncEdge | None:
        text = self._get(flow, _EDGE + firing_id(sync, matched_ids))
        return decode_edge(text) if text is not None else None

    def scan(self) -> Iterator[Completion | SyncEdge]:
        for document in self._documents.find_everywhere(self._records):
            kind = document.name[:2]
            if kind == _COMPLETION:
                yield decode_completion(document.data["json"])
            elif kind == _EDGE:
                yield decode_edge(document.data["json"])

    def gc(self, before_s: float) -> int:
        """As the port has it; reads the times of all records. A large log wants `ttl_s` instead."""
        flows: dict[str, list[tuple[str, float]]] = {}
        for document in self._documents.find_everywhere(self._records, ["at"]):
            flow = document.path.split("/")[-3]
            flows.setdefault(flow, []).append((document.path, document.data["at"]))
        old = [records for records in flows.values() if max(at for _, at in records) < before_s]
        gone = [Change(path, None) for records in old for path, _ in records]
        for start in range(0, len(gone), _DELETES):
            self._documents.commit(gone[start : start + _DELETES])
        return len(gone)

    def _get(self, flow: str, name: str) -> str | None:
        found = self._documents.get(f"{self._collection(flow)}/{segment(name)}")
        return found.data["json"] if found else None

    def _change(self, flow: str, name: str, text: bytes) -> Change:
        now_s = self._clock.now()
        data = {"json": text.decode(), "at": now_s}
        if self._ttl_s is not None:
            data["ttl"] = expiry(now_s, self._ttl_s)
        return Change(f"{self._collection(flow)}/{segment(name)}", data, 0)

    def _collection(self, flow: str) -> str:
        return f"{self._name}/{segment(flow)}/{self._records}"
