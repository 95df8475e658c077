"""What was asked for must have happened: a fault that never struck shows nothing."""

from __future__ import annotations

from clef_sim.checkers.case import Case
from clef_sim.checkers.verdict import Verdict
from clef_sim.checkers.words import listed


def sometimes(case: Case) -> Verdict:
    """`not exercised` where a fault that was asked for never struck."""
    struck = {event.name for event in case.story.troubles if event.kind == "fault"}
    asked = tuple(dict.fromkeys(case.settings.faults))
    missing = [name for name in asked if name not in struck]
    if not missing:
        return Verdict("sometimes", "valid", examined=len(asked))
    words = (
        f"not exercised: {listed(missing)} was asked for and never struck."
        " Look at its target and its probability, or run more seeds"
    )
    return Verdict("sometimes", "not exercised", len(missing), words, (words,), len(asked))
