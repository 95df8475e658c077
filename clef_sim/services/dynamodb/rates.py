"""What a request costs, who is throttled, and the drawn lags.

Numbers: a write unit is 1 KB, a read unit 4 KB, eventual reads cost half, transactions double; a partition
key takes 1,000 write and 3,000 read units a second (AWS "warm throughput" and "hot partition" pages); a new
on-demand table takes 4,000 and 12,000 (background knowledge).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

import msgspec

TTL_DELAY_S_MAX = 48 * 3600.0
LAG_SHARE = 0.005
LAG_MEAN_S = 0.020
_BURST_S = 1.0  # of unused rate that a bucket keeps


class Limits(msgspec.Struct, frozen=True):
    """Units a second; None: no limit."""

    partition_wru_s: float | None = 1_000
    partition_rru_s: float | None = 3_000
    table_wru_s: float | None = 4_000
    table_rru_s: float | None = 12_000

    @classmethod
    def none(cls) -> Limits:
        return cls(None, None, None, None)


class Consumed:
    """Units that a table's requests have cost so far, failed conditions included."""

    __slots__ = ("rru", "wru")

    def __init__(self) -> None:
        self.rru = 0.0
        self.wru = 0.0


class Meter:
    """A token bucket for each key, kept as the time at which it will be full again.

    A request is let in while there is any token left, whatever it costs; the debt delays the next ones.
    """

    __slots__ = ("_full_at", "_per_unit_s", "_prune_at")

    def __init__(self, rate_s: float) -> None:
        self._per_unit_s = 1.0 / rate_s
        self._full_at: dict[object, float] = {}
        self._prune_at = 1024

    def admit(self, key: object, units: float, now: float) -> bool:
        full_at = self._full_at.get(key, 0.0)
        if full_at <= now:
            full_at = now
        elif full_at - now >= _BURST_S:
            return False
        self._full_at[key] = full_at + units * self._per_unit_s
        if len(self._full_at) > self._prune_at:
            self._prune(now)
        return True

    def owe(self, key: object, units: float, now: float) -> None:
        """Takes tokens that may not be there yet."""
        self._full_at[key] = max(now, self._full_at.get(key, 0.0)) + units * self._per_unit_s

    def _prune(self, now: float) -> None:
        self._full_at = {key: at for key, at in self._full_at.items() if at > now}
        self._prune_at = max(1024, 2 * len(self._full_at))


def write_units(size: int) -> int:
    return -(-size // 1024) or 1


def read_units(size: int) -> int:
    return -(-size // 4096) or 1


class Draws(Protocol):
    """What is drawn from: a stream of `clef_sim.kernel.choices`."""

    def uniform(self, low: float, high: float) -> float: ...

    def exponential(self, mean: float) -> float: ...


class ReplicaLag:
    """Seconds for which a write stays invisible to eventual reads: 0 for 99.5% of writes, else exponential
    with a mean of 20 ms (A. DeBrie's measurements: half of the reads at once after a write are not stale by
    more than 0.5%, none after 100 ms).

    Draws how many writes to skip until the next lagging one, so that most writes draw nothing.
    """

    def __init__(self, stream: Draws, *, share: float = LAG_SHARE, mean_s: float = LAG_MEAN_S) -> None:
        self._stream, self._share, self._mean_s = stream, share, mean_s
        self._skip = self._gap()

    def __call__(self) -> float:
        if self._skip:
            self._skip -= 1
            return 0.0
        self._skip = self._gap()
        return self._stream.exponential(self._mean_s)

    def _gap(self) -> int:
        return int(math.log(1.0 - self._stream.uniform(0.0, 1.0)) / math.log(1.0 - self._share))


class TtlDelay:
    """Seconds from an item's expiry to its removal: anything up to 48 h ("within about two days")."""

    def __init__(self, stream: Draws, *, max_s: float = TTL_DELAY_S_MAX) -> None:
        self._stream, self._max_s = stream, max_s

    def __call__(self) -> float:
        return self._stream.uniform(0.0, self._max_s)


def no_delay() -> float:
    return 0.0


Delay = Callable[[], float]
