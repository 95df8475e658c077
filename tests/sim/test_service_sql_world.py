"""PostgreSQL in a whole world: that the database's limit of connections is met by instances, not only set."""

from __future__ import annotations

from pathlib import Path

import pytest

from clef_sim.kernel.choices import Seeded
from clef_sim.prepared import prepare
from clef_sim.run import Run
from clef_sim.scenario import load_scenario

SUITE = Path(__file__).parents[2] / "scenarios" / "suite"


def refused(name: str) -> tuple[int, float]:
    """How many connections were refused, and the second of the last one, counted from the workload's start."""
    (prepared, *_) = prepare([load_scenario(SUITE / f"{name}.yaml")])
    run = Run(prepared, Seeded(1))
    run.run()
    start_s = next(event.at for event in run.world.history if event.kind == "phase")
    at_s = [
        event.at - start_s
        for event in run.world.history
        if event.name == "sql.Connect" and event.kind == "sdk" and event.outcome == "failed"
    ]
    return len(at_s), max(at_s, default=0.0)


@pytest.mark.slow
def test_sql_more_instances_than_connections_are_refused_until_idle_ones_are_gone() -> None:
    count, last_s = refused("hybrid-connections")
    assert count > 1000
    assert last_s > 120.0  # the bursts are over after 20 s: those who hold connections without need go later


def test_sql_steady_load_is_never_refused_a_connection() -> None:
    assert refused("hybrid-steady") == (0, 0.0)
