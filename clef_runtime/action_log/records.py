"""How the log keeps a record as text, and in which order it gives a flow: once, for every adapter."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from clef_runtime.action_log.base import FlowRecords
from clef_runtime.model import Completion, Invocation, SyncEdge

# The struct's own form, unknown fields under `extra`: unlike the wire form, it is decoded in one step.
encode_record = msgspec.json.Encoder().encode
decode_completion = msgspec.json.Decoder(Completion).decode
decode_invocation = msgspec.json.Decoder(Invocation).decode
decode_edge = msgspec.json.Decoder(SyncEdge).decode


def by_time(record: Completion | Invocation) -> tuple[str, str]:
    return (record.timestamp, record.id)


def flow_records(
    completions: Iterable[Completion], invocations: Iterable[Invocation], edges: Iterable[SyncEdge]
) -> FlowRecords:
    """A flow in the order that all adapters share: by timestamp, then id; edges by firing."""
    return FlowRecords(
        sorted(completions, key=by_time),
        sorted(invocations, key=by_time),
        sorted(edges, key=lambda edge: edge.firing),
    )
