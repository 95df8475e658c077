"""What limits a platform: how many at once, and how many a second."""

from __future__ import annotations


class Pool:
    """Executions at once, of the functions that share it."""

    __slots__ = ("in_flight", "in_flight_max", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.in_flight = 0
        self.in_flight_max = 0


class Rate:
    """Allows `per_s` a second, refilled continuously; no more than `burst` are saved up."""

    __slots__ = ("_burst", "_left", "_per_s", "_then")

    def __init__(self, per_s: float, burst: float) -> None:
        self._per_s = per_s
        self._burst = burst
        self._left = burst
        self._then = 0.0

    def take(self, now: float) -> bool:
        """Takes one at virtual second `now`, where one is left."""
        left = self._left + (now - self._then) * self._per_s
        self._then = now
        if left > self._burst:
            left = self._burst
        if left < 1.0:
            self._left = left
            return False
        self._left = left - 1.0
        return True
