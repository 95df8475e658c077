"""Time-outs that can be cancelled and then leave nothing behind.

SimPy cannot take an event back. Time-outs come in few lengths, and those of one length strike in the order in
which they were started: so each length has a queue and at most one SimPy event, and a cancelled one goes as
soon as it reaches the front. What is kept follows what is pending, not what has been done.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clef_sim.kernel.threads import Kernel


class Timer:
    """One pending call."""

    __slots__ = ("_queue", "at", "function")

    def __init__(self, at: float, function: Callable[[], None], queue: deque[Timer]) -> None:
        self.at = at
        self.function: Callable[[], None] | None = function
        self._queue = queue

    def cancel(self) -> None:
        """It will not be called. Does nothing where it has been."""
        self.function = None
        queue = self._queue
        while queue and queue[0].function is None:
            queue.popleft()


class Timers:
    """All pending timers of a kernel, by length."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._queues: dict[float, deque[Timer]] = {}
        self._armed: set[float] = set()  # asked for membership only

    def start(self, delay_s: float, function: Callable[[], None]) -> Timer:
        queue = self._queues.get(delay_s)
        if queue is None:
            queue = self._queues[delay_s] = deque()
        timer = Timer(self._kernel.now + delay_s, function, queue)
        queue.append(timer)
        if delay_s not in self._armed:
            self._armed.add(delay_s)
            self._arm(delay_s, timer.at)
        return timer

    def _arm(self, delay_s: float, at: float) -> None:
        self._kernel.call_later(max(0.0, at - self._kernel.now), lambda: self._strike(delay_s))

    def _strike(self, delay_s: float) -> None:
        queue = self._queues[delay_s]
        now = self._kernel.now
        while queue and (queue[0].function is None or queue[0].at <= now):
            timer = queue.popleft()
            if timer.function is not None:
                function, timer.function = timer.function, None
                function()
        if queue:
            self._arm(delay_s, queue[0].at)
        else:
            self._armed.discard(delay_s)
            del self._queues[delay_s]
