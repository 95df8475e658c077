"""Runs of one scenario on one topology, over all seeds, as one row."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

import msgspec

from clef_sim.checkers.verdict import Result
from clef_sim.metrics import Percentiles
from clef_sim.results import RunResult, Standing

_WORST_FIRST: tuple[Standing, ...] = ("not as expected", "undecided", "as expected")


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """Counts are sums over the runs; a latency (ms) is the median of the runs' percentiles.

    `found` names the checkers that found offences, `blame` who is to blame. `twice` and `lost` are duplicate and lost
    firings, `cold` cold starts. `step` and `chain` have a count of 0 where no run measured any.
    """

    name: str
    shows: str
    topology: str
    manifest: str
    guard: str
    delivery: str
    runs: int
    verdict: str
    found: tuple[str, ...]
    blame: str
    standing: Standing
    firings: int
    twice: int
    lost: int
    cold: int
    faulty: bool
    step: Percentiles
    chain: Percentiles

    @property
    def scenario(self) -> str:
        return self.name.partition("/")[0]

    @property
    def variant(self) -> str:
        return self.name.partition("/")[2]

    @property
    def verdict_words(self) -> str:
        """`invalid: no_lost_firing (runtime)`."""
        found = f": {', '.join(self.found)}" if self.found else ""
        return self.verdict + found + (f" ({self.blame})" if self.blame else "")


def groups_of(results: Sequence[RunResult]) -> list[list[RunResult]]:
    """The runs of each scenario, variant and manifest, in the order of the results."""
    groups: dict[tuple[str, str], list[RunResult]] = {}
    for result in results:
        groups.setdefault((result.name, result.manifest), []).append(result)
    return list(groups.values())


def rows_of(results: Sequence[RunResult]) -> list[Row]:
    """One row for each scenario, variant and manifest, in the order of the results."""
    return [_row(group) for group in groups_of(results)]


def _row(group: Sequence[RunResult]) -> Row:
    first = group[0]
    return Row(
        name=first.name,
        shows=first.shows,
        topology=first.topology,
        manifest=first.manifest,
        guard=first.guard,
        delivery=first.delivery,
        runs=len(group),
        verdict=_verdicts([each.verdict for each in group]),
        found=tuple(dict.fromkeys(v.checker for each in group for v in each.checkers if v.verdict == "invalid")),
        blame=", ".join(dict.fromkeys(each.blame for each in group if each.blame)),
        standing=next(each for each in _WORST_FIRST if any(result.standing == each for result in group)),
        firings=sum(each.metrics.firings for each in group),
        twice=sum(each.metrics.duplicate_firings or 0 for each in group),
        lost=sum(each.metrics.lost_firings or 0 for each in group),
        cold=sum(each.metrics.cold_starts for each in group),
        faulty=any(each.faults for each in group),
        step=middle([each.metrics.sync_step_ms for each in group]),
        chain=middle([each.metrics.eager_chain_ms for each in group]),
    )


def middle(measured: Sequence[Percentiles]) -> Percentiles:
    """The median of each percentile, over those that measured anything; the counts are added up."""
    some = [each for each in measured if each.count]
    if not some:
        return Percentiles()
    return Percentiles(
        median(each.p50 for each in some),
        median(each.p95 for each in some),
        median(each.p99 for each in some),
        max(each.max for each in some),
        sum(each.count for each in some),
    )


def _verdicts(verdicts: Sequence[Result]) -> str:
    """`invalid`, or how many of each: `invalid 1, valid 19`."""
    kinds = sorted(set(verdicts))
    return kinds[0] if len(kinds) == 1 else ", ".join(f"{kind} {verdicts.count(kind)}" for kind in kinds)
