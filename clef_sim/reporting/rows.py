"""Runs of one scenario on one topology, over all seeds, as one row."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

import msgspec

from clef_sim.checkers.verdict import Result
from clef_sim.results import RunResult, Standing


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """Counts are sums over the runs; latencies (ms) the median of the runs' percentiles."""

    name: str
    shows: str
    topology: str
    manifest: str
    guard: str
    runs: int
    verdict: str
    standing: Standing
    firings: int
    duplicate_firings: int
    lost_firings: int
    cold_starts: int
    step_p50: float
    step_p95: float
    chain_p50: float
    chain_p95: float


def rows_of(results: Sequence[RunResult]) -> list[Row]:
    """One row for each scenario, variant and manifest, in the order of the results."""
    groups: dict[tuple[str, str], list[RunResult]] = {}
    for result in results:
        groups.setdefault((result.name, result.manifest), []).append(result)
    return [_row(group) for group in groups.values()]


def _row(group: Sequence[RunResult]) -> Row:
    first = group[0]
    standings: tuple[Standing, ...] = ("not as expected", "undecided", "as expected")
    steps = [each.metrics.sync_step_ms for each in group]
    chains = [each.metrics.eager_chain_ms for each in group]
    return Row(
        name=first.name,
        shows=first.shows,
        topology=first.topology,
        manifest=first.manifest,
        guard=first.guard,
        runs=len(group),
        verdict=_verdicts([each.verdict for each in group]),
        standing=next(each for each in standings if any(result.standing == each for result in group)),
        firings=sum(each.metrics.firings for each in group),
        duplicate_firings=sum(each.metrics.duplicate_firings or 0 for each in group),
        lost_firings=sum(each.metrics.lost_firings or 0 for each in group),
        cold_starts=sum(each.metrics.cold_starts for each in group),
        step_p50=median(each.p50 for each in steps),
        step_p95=median(each.p95 for each in steps),
        chain_p50=median(each.p50 for each in chains),
        chain_p95=median(each.p95 for each in chains),
    )


def _verdicts(verdicts: Sequence[Result]) -> str:
    """`invalid`, or how many of each: `valid 19, invalid 1`."""
    kinds = sorted(set(verdicts))
    return kinds[0] if len(kinds) == 1 else ", ".join(f"{kind} {verdicts.count(kind)}" for kind in kinds)
