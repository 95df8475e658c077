"""Latency by topology, over the runs without faults, beside what the design document claims."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Literal, TypeAlias

import msgspec

from clef_sim.metrics import Percentiles
from clef_sim.reporting.rows import Row
from clef_sim.reporting.words import many

Metric: TypeAlias = Literal["step", "chain"]

NAMES: dict[Metric, str] = {"step": "sync_step_ms", "chain": "eager_chain_ms"}


class Claim(msgspec.Struct, frozen=True):
    """What the design document says of a topology's latency, in ms. It names no percentile."""

    metric: Metric
    low: float
    high: float

    @property
    def words(self) -> str:
        return f"{self.low:.0f} to {self.high:.0f} ms" if self.low else f"under {self.high:.0f} ms"

    def judge(self, value: float) -> str:
        if value > self.high:
            return "slower than the claim"
        return "within the claim" if value >= self.low else "faster than the claim"


CLAIMS: dict[str, Claim] = {
    "A": Claim("chain", 0, 50),
    "B": Claim("chain", 0, 150),
    "C": Claim("step", 100, 500),
}
"""Clef's serverless design document: eager chain on A and B, one sync step on C."""


class Bar(msgspec.Struct, frozen=True):
    """One scenario's latency on one topology; each percentile is the median over the seeds."""

    topology: str
    name: str
    manifest: str
    metric: Metric
    ms: Percentiles


def bars_of(rows: Sequence[Row]) -> list[Bar]:
    """Those of the rows that ran without faults and measured anything, by topology."""
    measured: tuple[Metric, ...] = ("step", "chain")
    bars = [
        Bar(row.topology, row.name, row.manifest, metric, row.step if metric == "step" else row.chain)
        for row in rows
        for metric in measured
        if not row.faulty and (row.step if metric == "step" else row.chain).count
    ]
    return sorted(bars, key=lambda bar: bar.topology)


def reading(rows: Sequence[Row]) -> str:
    """What the picture says, in one sentence."""
    bars = bars_of(rows)
    if not bars:
        return "No run without faults measured a latency."
    parts = []
    for topology in sorted({bar.topology for bar in bars}):
        claim = CLAIMS.get(topology)
        metric: Metric = claim.metric if claim else "chain"
        own = [bar.ms for bar in bars if bar.topology == topology and bar.metric == metric]
        if own:
            p50, p95 = median(each.p50 for each in own), median(each.p95 for each in own)
            what = "an eager chain" if metric == "chain" else "a sync step"
            said = f", {claim.judge(p50)} of {claim.words}" if claim else ""
            parts.append(f"on {topology} {what} takes {p50:,.0f} ms at p50{said}, and {p95:,.0f} ms at p95")
    still = [row for row in rows if not row.faulty]
    cold, scenarios = sum(row.cold for row in still), len({row.name for row in still})
    runs = sum(row.runs for row in still)
    return (
        f"Without faults ({many(scenarios, 'scenario')}, {many(runs, 'run')}, {many(cold, 'cold start')}): "
        f"{'; '.join(parts)}."
    )
