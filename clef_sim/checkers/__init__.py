"""Checkers: from the history of a run to verdicts. They see the history and the compiled syncs, never the world.

One invariant family a file. What should have happened comes from a reference that is not the runtime.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from clef_runtime.language.compiled import CompiledSync
from clef_sim.checkers.case import AppInfo, Case, Checker, Settings
from clef_sim.checkers.causality import causality
from clef_sim.checkers.effects import effects
from clef_sim.checkers.firings import no_duplicate_firing
from clef_sim.checkers.latency import latency
from clef_sim.checkers.lost import no_lost_firing
from clef_sim.checkers.settle import settle
from clef_sim.checkers.sometimes import sometimes
from clef_sim.checkers.verdict import Result, Verdict, worst
from clef_sim.history import Event

__all__ = [
    "CHECKERS",
    "AppInfo",
    "Case",
    "Checker",
    "Result",
    "Settings",
    "Verdict",
    "run_checkers",
    "worst",
]

CHECKERS: Mapping[str, Checker] = {
    "no_duplicate_firing": no_duplicate_firing,
    "no_lost_firing": no_lost_firing,
    "effects": effects,
    "causality": causality,
    "settle": settle,
    "latency": latency,
    "sometimes": sometimes,
}


def run_checkers(
    history: Iterable[Event],
    syncs: Iterable[CompiledSync],
    app: AppInfo | None = None,
    settings: Settings | None = None,
    checkers: Mapping[str, Checker] = CHECKERS,
) -> list[Verdict]:
    """One verdict for each checker, in order. A checker that breaks is unknown, never valid."""
    case = Case(history, syncs, app or AppInfo(), settings or Settings())
    return [_judge(name, checker, case) for name, checker in checkers.items()]


def _judge(name: str, checker: Checker, case: Case) -> Verdict:
    try:
        return checker(case)
    except Exception as error:
        return Verdict(name, "unknown", first=f"the checker broke: {type(error).__name__}: {error}")
