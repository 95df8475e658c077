"""Whom an invalid verdict is laid on: planted where it is known."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from clef_sim.certify.blame import broken
from clef_sim.certify.evidence import Evidence
from clef_sim.certify.promises import JUDGED
from clef_sim.kernel.choices import Seeded
from clef_sim.prepared import Prepared, prepare
from clef_sim.reporting import junit
from clef_sim.results import RunResult
from clef_sim.run import Run
from clef_sim.runner import Job, run_job
from clef_sim.scenario import load_scenario
from clef_sim.services.dynamodb.writes import Write

SCENARIOS = Path(__file__).parents[2] / "scenarios"

STEADY = """
shows: Orders at a steady rate.
app: scenarios.apps.orders
requests: scenarios.requests.orders
topologies: [{topology}]
workload: {{kind: poisson, rate_per_s: 2, duration_s: 5}}
"""


@pytest.fixture
def steady(tmp_path: Path) -> Path:
    file = tmp_path / "steady.yaml"
    file.write_text(STEADY.format(topology="aws-event-driven"))
    return file


def result_of(file: Path, topology: str = "aws-event-driven", variant: str = "") -> RunResult:
    return run_job(Job(str(file), variant, topology, 1))


def test_valid_run_has_nobody_to_blame(steady: Path) -> None:
    found = result_of(steady)
    assert (found.verdict, found.blame, found.because) == ("valid", "", "")


def test_model_that_ignores_its_conditions_is_to_blame(steady: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Write, "check", lambda self: None)
    found = result_of(steady)
    assert (found.verdict, found.blame) == ("invalid", "model")
    assert "was done although its condition" in found.because
    assert f"model: {found.because}" in junit([found])


def test_model_that_loses_what_it_took_is_to_blame(steady: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = Write.commit

    def forgetful(self: Write, now: float) -> None:
        item = self.new[0] if self.new else {}
        if not ("ver" in item and self.old is not None):  # a row of storage that is there already
            commit(self, now)

    monkeypatch.setattr(Write, "commit", forgetful)
    found = result_of(steady)
    assert (found.verdict, found.blame) == ("invalid", "model")
    assert "had been written" in found.because


def test_hazard_of_the_protocol_is_laid_on_the_runtime() -> None:
    file = SCENARIOS / "hazards" / "1-crash-after-acquire.yaml"
    ready = [each for each in prepare([load_scenario(file)]) if each.expected.get("no_lost_firing") == "invalid"]
    found = run_job(Job(str(file), ready[0].variant.name, ready[0].topology, 1))
    assert (found.verdict, found.blame) == ("invalid", "runtime")
    assert found.because.endswith("kept what was promised")


def prepared(name: str) -> list[Prepared]:
    return prepare([load_scenario(SCENARIOS / name)])


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["suite/orders-take-over.yaml", "hazards/7-zombie.yaml", "hazards/3-stale-read.yaml"]
)
def test_services_that_keep_their_promises_are_never_blamed_and_evidence_changes_no_run(name: str) -> None:
    for each in prepared(name):
        plain = Run(each, Seeded(1))
        plain.run()
        watched = Run(each, Seeded(1))
        evidence = watched.world.network.evidence = Evidence(JUDGED)
        watched.run()
        assert evidence.calls
        assert watched.world.history.digest == plain.world.history.digest
        assert broken(each, evidence.calls, list(watched.world.history)) is None


def test_result_with_blame_is_read_back(steady: Path) -> None:
    given = msgspec.structs.replace(result_of(steady), blame="backend moto", because="why")
    assert msgspec.json.decode(msgspec.json.encode(given), type=RunResult) == given
