"""The port of the action log: the append-only record of a flow, and its provenance."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

import msgspec

from clef_runtime.model import Completion, Invocation, SyncEdge
from clef_runtime.storage.base import Staged


class FlowRecords(msgspec.Struct, frozen=True):
    """A flow as the log holds it; each list is in the order of the ids' first append or by id.

    `fired` are the ids of the firings that `edges` record.
    """

    completions: list[Completion]
    invocations: list[Invocation]
    edges: list[SyncEdge]
    fired: frozenset[str] = frozenset()


class ActionLog(Protocol):
    """Appends are idempotent by id and may be retried; a record once written never changes.

    All methods raise `Throttled`, `Refused` or `Indeterminate`.
    """

    def append(self, record: Completion | Invocation, along: Staged = ()) -> bool:
        """Records a completion or an invocation; True where it is new, False where its id was there (the
        record that was there stays, and `along` is not applied).

        Args:
            along: staged writes that commit in one transaction with the record, or not at all.

        Raises:
            Conflict: a staged row changed since it was read; nothing was written. Run the action again.
        """

    def get(self, flow: str, completion_id: str) -> Completion | None:
        """The recorded completion, strongly read."""

    def load_flow(self, flow: str) -> FlowRecords:
        """Everything recorded of a flow. Sees every append that was answered before the call, unless the
        log was made with `consistent_reads=False`."""

    def has_sync_edge(self, sync: str, matched_ids: Iterable[str], flow: str) -> bool:
        """Whether the match is recorded as fired."""

    def add_sync_edge(self, edge: SyncEdge) -> None:
        """Records that a match fired. Idempotent."""

    def for_match(self, sync: str, matched_ids: Iterable[str], flow: str) -> SyncEdge | None:
        """The edge of a match, or None."""

    def scan(self) -> Iterator[Completion | SyncEdge]:
        """Every completion and edge of every flow, for a persistent engine's replay at start."""

    def gc(self, before_s: float) -> int:
        """Removes flows whose newest record is older than `before_s` (epoch seconds); says how many records."""
