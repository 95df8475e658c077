"""A rate limit that refills continuously and saves up no more than its burst."""

from __future__ import annotations


class Rate:
    """Allows `per_s` a second, and at once no more than `burst`."""

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
