"""Which visible message is delivered next."""

from __future__ import annotations

import heapq
from typing import Protocol

from clef_sim.services.sqs.message import READY, Message


class Ready(Protocol):
    """The visible messages of a queue. Deleted ones stay until they come up, and are skipped."""

    def add(self, message: Message, rank: int) -> None:
        """Makes a message receivable; the lowest rank comes first."""

    def start(self) -> None:
        """Begins one receive: a FIFO group opened in it gives several messages."""

    def pop(self) -> Message | None:
        """The next receivable message, which is then in flight; None where there is none."""

    def settled(self, message: Message) -> bool:
        """The message is in flight no more; True where others became receivable by that."""

    def clear(self) -> None: ...


class StandardReady:
    """Oldest first, but for a drawn displacement: best-effort order."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Message]] = []

    def add(self, message: Message, rank: int) -> None:
        heapq.heappush(self._heap, (rank, message.number, message))

    def start(self) -> None:
        pass

    def pop(self) -> Message | None:
        heap = self._heap
        while heap:
            message = heapq.heappop(heap)[2]
            if message.state == READY:
                return message
        return None

    def settled(self, _message: Message) -> bool:
        return False

    def clear(self) -> None:
        self._heap.clear()


class _Group:
    __slots__ = ("in_flight", "ready")

    def __init__(self) -> None:
        self.ready: list[tuple[int, Message]] = []
        self.in_flight = 0

    def head(self) -> Message | None:
        ready = self.ready
        while ready and ready[0][1].state != READY:
            heapq.heappop(ready)
        return ready[0][1] if ready else None


class FifoReady:
    """Strictly in order within a group; a group with a message in flight gives none to other receives.

    One receive takes as many as it can from the group of the oldest message, then goes on to the next.
    """

    def __init__(self) -> None:
        self._groups: dict[str, _Group] = {}
        self._open: list[tuple[int, str]] = []  # (number of the head, group) of groups that may be open
        self._current: _Group | None = None

    def add(self, message: Message, rank: int) -> None:  # noqa: ARG002  order is strict here
        name = str(message.group)
        group = self._groups.get(name)
        if group is None:
            group = self._groups[name] = _Group()
        heapq.heappush(group.ready, (message.number, message))
        if group.ready[0][1] is message:
            heapq.heappush(self._open, (message.number, name))

    def start(self) -> None:
        self._current = None

    def pop(self) -> Message | None:
        group = self._current
        message = group.head() if group is not None else None
        while message is None:
            if not self._open:
                return None
            _, name = heapq.heappop(self._open)
            group = self._groups.get(name)
            if group is None or group.in_flight:
                continue
            message = group.head()
            if message is None:
                del self._groups[name]
        assert group is not None
        heapq.heappop(group.ready)
        group.in_flight += 1
        self._current = group
        return message

    def settled(self, message: Message) -> bool:
        name = str(message.group)
        group = self._groups[name]
        group.in_flight -= 1
        if group.in_flight:
            return False
        head = group.head()
        if head is None:
            del self._groups[name]
            return False
        heapq.heappush(self._open, (head.number, name))
        return True

    def clear(self) -> None:
        """Forgets the visible messages; groups with messages in flight stay blocked."""
        self._open.clear()
        self._groups = {name: group for name, group in self._groups.items() if group.in_flight}
        for group in self._groups.values():
            group.ready.clear()
