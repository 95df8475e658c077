"""Every scenario of the repository ends as it says it ends, on one seed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from clef_sim.kernel.choices import Seeded
from clef_sim.prepared import Prepared, prepare
from clef_sim.results import RunResult
from clef_sim.runner import run_once
from clef_sim.scenario import find_scenarios

SCENARIOS = Path(__file__).parents[2] / "scenarios"
PREPARED = prepare(find_scenarios([SCENARIOS / "hazards", SCENARIOS / "suite"]))

REQUIRED = ("1-", "2-", "3-", "4-", "5-", "6-", "8-", "10-")
"""Hazards that must be shown with both guards."""

QUICK = ("orders-steady", "orders-fifo", "fanout-recorded")
"""What runs of the suite also without the slow tests."""

PAGE_LINES = 45


def label(prepared: Prepared) -> str:
    return f"{prepared.name}-{prepared.template}"


def each_run() -> list[Any]:
    return [
        pytest.param(
            each,
            id=label(each),
            marks=() if "hazards" in each.scenario.file or each.scenario.name in QUICK else pytest.mark.slow,
        )
        for each in PREPARED
    ]


def told(result: RunResult) -> str:
    words = [f"{each.checker}: {each.verdict}: {each.first}" for each in result.checkers if each.verdict != "valid"]
    return "\n".join([f"{result.name} on {result.manifest}: {result.verdict}, {result.standing}", *words])


@pytest.mark.parametrize("prepared", each_run())
def test_scenario_ends_as_expected(prepared: Prepared) -> None:
    result, _ = run_once(prepared, Seeded(1), 1)
    assert result.standing == "as expected", told(result)


def test_scenarios_show_each_hazard_with_both_guards() -> None:
    for hazard in REQUIRED:
        mine = [each for each in PREPARED if each.scenario.name.startswith(hazard)]
        once = [each for each in mine if each.variant.name == "once"]
        lease = [each for each in mine if each.variant.name == "lease"]
        assert any("invalid" in each.expected.values() for each in once), f"{hazard}: once is to lose or double"
        assert {each.manifest.guard.protocol for each in once} == {"once"}
        assert {each.manifest.guard.protocol for each in lease} == {"lease"}
        assert all(each.expected == {"*": "valid"} for each in lease), f"{hazard}: the lease is to hold"


def test_scenarios_cover_every_topology_app_workload_and_fault() -> None:
    assert {each.manifest.topology for each in PREPARED} == {"A", "B", "C"}
    assert {each.app.name for each in PREPARED} >= {"conduit", "orders", "fanout"}
    workloads = {each.scenario.workload.__struct_config__.tag for each in PREPARED}
    assert workloads >= {"fixed", "poisson", "bursts", "ramp", "recorded"}
    faults = {fault.__struct_config__.tag for each in PREPARED for fault in each.scenario.faults}
    assert faults >= {"crash", "freeze", "throttle", "conflict", "applied_then_timeout", "delay", "stale_read"}
    assert faults >= {"duplicate", "reorder", "late_delivery", "clock_skew", "engine_restart"}


def test_scenarios_are_one_page_each_and_say_what_they_show() -> None:
    for path in dict.fromkeys(Path(each.scenario.file) for each in PREPARED):
        lines = path.read_text("utf-8").splitlines()
        assert lines[0].startswith("shows:"), path
        assert len(lines) <= PAGE_LINES, path


def test_scenario_with_another_seed_has_another_history_and_the_same_verdict() -> None:
    mine = [each for each in PREPARED if each.name in ("2-lost-join/once", "8-redelivered-invocation/lease")]
    assert len(mine) == 2
    for prepared in mine:
        one, two = (run_once(prepared, Seeded(seed), seed)[0] for seed in (1, 2))
        assert one.history_digest != two.history_digest
        assert (one.verdict, one.standing) == (two.verdict, two.standing)
