"""Who waits for a queue: long polls and the platform's pollers. Nothing polls."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from clef_sim.services.sqs.message import Received
from clef_sim.services.sqs.queue import Queue

_SOON_S = 1e-6  # a timer never fires before the instant it is for, in spite of rounding


class Waiter(Protocol):
    """What waiting takes: `clef_sim.kernel`'s Kernel has it."""

    def event(self) -> Any: ...

    def wait(self, event: Any) -> Any: ...

    def call_later(self, delay_s: float, function: Callable[[], None]) -> Any: ...


class _Poll:
    __slots__ = ("event", "most", "visibility_s")

    def __init__(self, event: Any, most: int, visibility_s: float) -> None:
        self.event, self.most, self.visibility_s = event, most, visibility_s


class Arrivals:
    """Tells those who wait for one queue. Long polls are answered at the instant a message becomes visible,
    in the order in which they began; a poll whose thread dies meanwhile leaves its messages in flight."""

    def __init__(self, kernel: Waiter | None, now: Callable[[], float]) -> None:
        self.queue: Queue
        self.listeners: list[Callable[[], None]] = []
        self._kernel, self._now = kernel, now
        self._polls: list[_Poll] = []
        self._timer_at: float | None = None

    def notify(self) -> None:
        """Messages have become receivable."""
        while self._polls:
            poll = self._polls.pop(0)  # before `take`, which may bring arrivals itself
            received = self.queue.take(poll.most, poll.visibility_s, self._now())
            if not received:
                self._polls.insert(0, poll)
                break
            poll.event.succeed(received)
        for listener in self.listeners:
            listener()

    def wait(self, most: int, visibility_s: float, timeout_s: float) -> list[Received]:
        """Suspends the virtual thread until there is a message or the time is over. Without a kernel
        nobody else could act meanwhile: the answer is empty at once."""
        if self._kernel is None:
            return []
        poll = _Poll(self._kernel.event(), most, visibility_s)
        self._polls.append(poll)
        self.arm()
        self._kernel.call_later(timeout_s, partial(self._give_up, poll))
        try:
            received: list[Received] = self._kernel.wait(poll.event)
        finally:
            if poll in self._polls:
                self._polls.remove(poll)
        return received

    def _give_up(self, poll: _Poll) -> None:
        if poll in self._polls:
            self._polls.remove(poll)
            poll.event.succeed([])

    def arm(self) -> None:
        """Sees to it that somebody looks when the next delayed or in-flight message becomes visible."""
        if self._kernel is None or not (self.listeners or self._polls):
            return
        due = self.queue.next_due()
        if due is not None and (self._timer_at is None or due < self._timer_at):
            self._timer_at = due
            self._kernel.call_later(max(_SOON_S, due - self._now()), partial(self._fire, due))

    def _fire(self, due: float) -> None:
        if self._timer_at == due:
            self._timer_at = None
            self.queue.release(self._now())
            self.arm()
