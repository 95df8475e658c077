"""The action log in this process's memory, and lost with it: for tests, and for an engine without a durable log."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator

from clef_runtime.action_log.base import FlowRecords
from clef_runtime.action_log.records import (
    decode_completion,
    decode_edge,
    decode_invocation,
    encode_record,
    flow_records,
)
from clef_runtime.context import Clock
from clef_runtime.model import Completion, Invocation, SyncEdge, firing_id
from clef_runtime.storage.base import Staged
from clef_runtime.storage.memory import commit


class _Flow:
    __slots__ = ("completions", "edges", "invocations", "newest_s")

    def __init__(self) -> None:
        self.completions: dict[str, bytes] = {}
        self.invocations: dict[str, bytes] = {}
        self.edges: dict[str, bytes] = {}
        self.newest_s = 0.0


class MemoryActionLog:
    """Records are kept as JSON, so that nobody shares an object with the log.

    Args:
        clock: dates the appends, for `gc`.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._flows: dict[str, _Flow] = {}
        self._lock = threading.RLock()

    def append(self, record: Completion | Invocation, along: Staged = ()) -> bool:
        text = encode_record(record)
        with self._lock:
            flow = self._flows.get(record.flow) or _Flow()
            records = flow.completions if isinstance(record, Completion) else flow.invocations
            if record.id in records:
                return False
            commit(along)
            records[record.id] = text
            self._keep(record.flow, flow)
            return True

    def get(self, flow: str, completion_id: str) -> Completion | None:
        found = self._flows.get(flow)
        text = found.completions.get(completion_id) if found else None
        return decode_completion(text) if text is not None else None

    def load_flow(self, flow: str) -> FlowRecords:
        with self._lock:
            found = self._flows.get(flow) or _Flow()
            return flow_records(
                map(decode_completion, found.completions.values()),
                map(decode_invocation, found.invocations.values()),
                map(decode_edge, found.edges.values()),
            )

    def has_sync_edge(self, sync: str, matched_ids: Iterable[str], flow: str) -> bool:
        found = self._flows.get(flow)
        return found is not None and firing_id(sync, matched_ids) in found.edges

    def add_sync_edge(self, edge: SyncEdge) -> None:
        with self._lock:
            flow = self._flows.get(edge.flow) or _Flow()
            flow.edges.setdefault(edge.firing, encode_record(edge))
            self._keep(edge.flow, flow)

    def for_match(self, sync: str, matched_ids: Iterable[str], flow: str) -> SyncEdge | None:
        found = self._flows.get(flow)
        text = found.edges.get(firing_id(sync, matched_ids)) if found else None
        return decode_edge(text) if text is not None else None

    def scan(self) -> Iterator[Completion | SyncEdge]:
        with self._lock:
            texts = [(tuple(flow.completions.values()), tuple(flow.edges.values())) for flow in self._flows.values()]
        for completions, edges in texts:
            yield from map(decode_completion, completions)
            yield from map(decode_edge, edges)

    def gc(self, before_s: float) -> int:
        with self._lock:
            old = [name for name, flow in self._flows.items() if flow.newest_s < before_s]
            gone = [self._flows.pop(name) for name in old]
        return sum(len(flow.completions) + len(flow.invocations) + len(flow.edges) for flow in gone)

    def _keep(self, name: str, flow: _Flow) -> None:
        flow.newest_s = max(flow.newest_s, self._clock.now())
        self._flows[name] = flow
