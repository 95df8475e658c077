"""How the log keeps a record as text, and in which order it gives a flow: once, for every adapter."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import attrgetter

import msgspec

from clef_runtime.action_log.base import FlowRecords
from clef_runtime.model import Completion, Invocation, SyncEdge

# The struct's own form, unknown fields under `extra`: unlike the wire form, it is decoded in one step.
encode_record = msgspec.json.Encoder().encode
decode_completion = msgspec.json.Decoder(Completion).decode
decode_invocation = msgspec.json.Decoder(Invocation).decode
decode_edge = msgspec.json.Decoder(SyncEdge).decode


_by_time = attrgetter("timestamp", "id")


def flow_records(
    completions: Iterable[Completion],
    invocations: Iterable[Invocation],
    edges: Iterable[SyncEdge],
    fired: Sequence[str] | None = None,
) -> FlowRecords:
    """A flow in the order that all adapters share: by timestamp, then id; edges by firing.

    Args:
        fired: the edges' firings, where the backend knows them and gives edges in their order.
    """
    edges = list(edges)
    if fired is None:
        by_firing = {edge.firing: edge for edge in edges}
        fired = sorted(by_firing)
        edges = [by_firing[firing] for firing in fired]
    return FlowRecords(sorted(completions, key=_by_time), sorted(invocations, key=_by_time), edges, frozenset(fired))
