"""The answer in a few lines: for each topology, guard and delivery, whether syncs fire once and how long it takes."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from clef_sim.metrics import Percentiles
from clef_sim.reporting.rows import middle
from clef_sim.results import RunResult

_FIRINGS = ("no_duplicate_firing", "no_lost_firing")


class Glance(msgspec.Struct, frozen=True, kw_only=True):
    """Counts over the runs that are decided; undecided ones say nothing and are left out.

    `once`: runs in which each sync fired once. `effects`: offences of the effects checker. Latencies (ms) are
    the medians over the runs without faults.
    """

    topology: str
    guard: str
    delivery: str
    runs: int
    faulty: int
    once: int
    twice: int
    lost: int
    effects: int
    step: Percentiles
    chain: Percentiles


def glances_of(results: Sequence[RunResult]) -> list[Glance]:
    groups: dict[tuple[str, str, str], list[RunResult]] = {}
    for each in results:
        if each.verdict in ("valid", "invalid"):
            groups.setdefault((each.topology, each.guard, each.delivery), []).append(each)
    return [_glance(key, groups[key]) for key in sorted(groups)]


def _glance(key: tuple[str, str, str], runs: Sequence[RunResult]) -> Glance:
    still = [each.metrics for each in runs if not each.faults]
    topology, guard, delivery = key
    return Glance(
        topology=topology,
        guard=guard,
        delivery=delivery,
        runs=len(runs),
        faulty=sum(bool(each.faults) for each in runs),
        once=sum(_count(each, *_FIRINGS) == 0 for each in runs),
        twice=sum(_count(each, "no_duplicate_firing") for each in runs),
        lost=sum(_count(each, "no_lost_firing") for each in runs),
        effects=sum(_count(each, "effects") for each in runs),
        step=middle([each.sync_step_ms for each in still]),
        chain=middle([each.eager_chain_ms for each in still]),
    )


def _count(result: RunResult, *checkers: str) -> int:
    return sum(each.count for each in result.checkers if each.checker in checkers)
