"""Latency within its targets, judged by enough samples."""

from __future__ import annotations

from clef_sim.checkers.case import Case
from clef_sim.checkers.verdict import Offences, Verdict
from clef_sim.metrics import Percentiles, measure

SAMPLES_MIN = 20
"""Below this a p95 is one sample's luck."""

_METRICS = ("sync_step_ms", "eager_chain_ms")
_POINTS = ("p50", "p95", "p99", "max")

LATENCY_TARGETS = tuple(f"{metric}_{point}" for metric in _METRICS for point in _POINTS)
"""What a target may be set for, in ms."""


def latency(case: Case) -> Verdict:
    """Invalid over a target; unknown with fewer than `SAMPLES_MIN` samples or for a target of another name."""
    targets = case.settings.latency_targets
    if not targets:
        return Verdict("latency", "valid")
    metrics = measure(case.events, case.syncs)
    offences = Offences()
    unknown: list[str] = []
    examined = 0
    for name, limit_ms in targets.items():
        metric, _, point = name.rpartition("_")
        if name not in LATENCY_TARGETS:
            unknown.append(f"{name} is not a metric; there are {', '.join(LATENCY_TARGETS)}")
            continue
        values: Percentiles = getattr(metrics, metric)
        examined += values.count
        if values.count < SAMPLES_MIN:
            unknown.append(f"{name}: {values.count} sample(s), at least {SAMPLES_MIN} are needed")
        elif (value_ms := getattr(values, point)) > limit_ms:
            offences.add(f"{name} is {value_ms:.1f} ms over {values.count} samples; the target is {limit_ms:g} ms")
    if unknown and not offences.count:
        return Verdict("latency", "unknown", 0, unknown[0], examined=examined)
    return offences.verdict("latency", examined)
