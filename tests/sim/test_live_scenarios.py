"""The live world's scenarios in the model: the same files, the same expectations."""

from __future__ import annotations

from pathlib import Path

import pytest

from clef_sim.live.faults import why_not
from clef_sim.prepared import Prepared, prepare
from clef_sim.runner import jobs_of, run_job
from clef_sim.scenario import find_scenarios

PREPARED = prepare(find_scenarios([Path(__file__).parents[2] / "scenarios" / "live"]))


def test_live_scenarios_have_a_place_in_the_live_world() -> None:
    assert [why_not(each.scenario.faults) for each in PREPARED if why_not(each.scenario.faults)] == []


@pytest.mark.slow
@pytest.mark.parametrize("prepared", PREPARED, ids=lambda each: f"{each.name} {each.template}")
def test_live_scenario_is_as_expected_in_the_model(prepared: Prepared) -> None:
    (job,) = jobs_of([prepared], [1])
    result = run_job(job)
    assert result.standing == "as expected", [each for each in result.checkers if each.verdict != "valid"]
