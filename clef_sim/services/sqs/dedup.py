"""FIFO deduplication: an id is remembered for five minutes, whatever becomes of the message."""

from __future__ import annotations

from collections import deque

from clef_sim.services.sqs.message import Message

DEDUP_S = 300.0


class Dedup:
    """Message by deduplication id."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[str, str | None]] = {}
        self._ends: deque[tuple[float, str]] = deque()

    def find(self, dedup_id: str, now: float) -> tuple[str, str | None] | None:
        """(message id, sequence number) of the message that was accepted under this id."""
        while self._ends and self._ends[0][0] <= now:
            del self._known[self._ends.popleft()[1]]
        return self._known.get(dedup_id)

    def add(self, dedup_id: str, message: Message, now: float) -> None:
        self._known[dedup_id] = (message.id, message.sequence)
        self._ends.append((now + DEDUP_S, dedup_id))
