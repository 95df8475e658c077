"""Numbers that say where they come from, and the distributions that latencies are drawn from.

A distribution is sampled through a table of its quantiles, so that one draw is one index and equal on every
machine: the table holds nanoseconds, far coarser than the last bit in which `exp` differs. The table ends at
the quantiles 1/8192 and 1 - 1/8192; the fits say nothing beyond those.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from random import Random
from statistics import NormalDist
from typing import Literal, TypeAlias

import msgspec

Confidence: TypeAlias = Literal["H", "M", "L", "BG"]
"""H: raw data or the vendor's page; M: one measurement of a third party, or old; L: weak; BG: assumed."""

TABLE_SIZE = 4096


class Number(msgspec.Struct, frozen=True):
    """One value. `source` is a key of `docs/sources.md`; what is derived or assumed says so."""

    value: float
    source: str
    confidence: Confidence


class LogNormal(msgspec.Struct, frozen=True):
    """shift_ms + exp(mu + sigma·N(0,1)) in ms: its median is shift_ms + exp(mu)."""

    mu: float
    sigma: float
    source: str
    confidence: Confidence
    shift_ms: float = 0.0

    def quantile(self, q: float) -> float:
        return self.shift_ms + math.exp(self.mu + self.sigma * NormalDist().inv_cdf(q))

    def table(self, size: int = TABLE_SIZE) -> tuple[float, ...]:
        return _table(self.quantile, size)


class Uniform(msgspec.Struct, frozen=True):
    """Between low_ms and high_ms."""

    low_ms: float
    high_ms: float
    source: str
    confidence: Confidence

    def quantile(self, q: float) -> float:
        return self.low_ms + (self.high_ms - self.low_ms) * q

    def table(self, size: int = TABLE_SIZE) -> tuple[float, ...]:
        return _table(self.quantile, size)


class Mixture(msgspec.Struct, frozen=True):
    """`common`, and with probability `share` (0..1) `rare`."""

    common: LogNormal
    rare: LogNormal | Uniform
    share: float

    @property
    def source(self) -> str:
        return self.common.source

    @property
    def confidence(self) -> Confidence:
        return self.common.confidence

    def table(self, size: int = TABLE_SIZE) -> tuple[float, ...]:
        rare = round(size * self.share)
        return self.common.table(size - rare) + self.rare.table(rare)


Distribution: TypeAlias = LogNormal | Uniform | Mixture


def _table(quantile: Callable[[float], float], size: int) -> tuple[float, ...]:
    return tuple(round(quantile((i + 0.5) / size), 6) for i in range(size))


@lru_cache(maxsize=256)  # a table takes milliseconds to make, and every world wants the same ones
def sampler(distribution: Distribution) -> Callable[[Random], float]:
    """Draws milliseconds from `distribution`."""
    table = distribution.table()
    size = len(table)

    def sample(random: Random) -> float:
        return table[int(random.random() * size)]

    return sample
