"""The same scenario and seed in the model and on Google's emulators: same decisions, same history, same verdict."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from test_emulated_aws_same import decisions, first_difference, run

from clef_runtime.errors import BadInput
from clef_sim.emulated.backends import Backend, Backends, backends_for
from clef_sim.kernel.choices import Seeded
from clef_sim.prepared import Prepared, prepare
from clef_sim.runner import run_once
from clef_sim.scenario import Poisson, find_scenarios
from clef_sim.services.firestore import Firestore
from emulators import start

pytestmark = pytest.mark.emulated

SUITE = Path(__file__).parents[2] / "scenarios" / "suite"
SHORT_S = 15.0

QUICK = ("gcp-duplicates/once-gcp-event-driven", "emulated-suspended-transactions-gcp-event-driven")
"""What runs without the slow tests."""


def shortened(prepared: Prepared) -> Prepared:
    """Long enough for each fault to strike as it does in the whole."""
    workload: Any = prepared.scenario.workload
    if isinstance(workload, Poisson):
        workload = msgspec.structs.replace(workload, duration_s=min(workload.duration_s, SHORT_S))
    return msgspec.structs.replace(prepared, scenario=msgspec.structs.replace(prepared.scenario, workload=workload))


RUNS = {
    f"{each.name}-{each.template}": shortened(each)
    for each in prepare(find_scenarios([SUITE]))
    if each.manifest.cloud == "gcp" and each.scenario.name.startswith(("gcp", "emulated"))
}


@pytest.fixture(scope="module")
def services() -> Iterator[Backends]:
    try:
        with backends_for(each.manifest for each in RUNS.values()) as backends:
            yield backends
    except BadInput as error:
        if os.environ.get("CLEF_REQUIRE_BACKENDS") == "1":
            pytest.fail(str(error))
        pytest.skip(str(error))


@pytest.mark.parametrize("name", [pytest.param(n, marks=() if n in QUICK else pytest.mark.slow) for n in RUNS])
def test_run_on_emulators_is_the_run_of_the_model(services: Backends, name: str) -> None:
    model, story, drawn = run(RUNS[name], 1, None)
    real, real_story, really_drawn = run(RUNS[name], 1, services)
    assert real.world == "emulated"
    assert (real.verdict, real.standing, real.faults) == (model.verdict, "as expected", model.faults)
    assert real.metrics.firings == model.metrics.firings > 0
    assert real.history_digest == model.history_digest, first_difference(story, real_story)
    assert decisions(really_drawn) == decisions(drawn)


def test_suspended_transactions_wait_for_each_other_and_each_sync_fires_once(services: Backends) -> None:
    result, story, _ = run(RUNS["emulated-suspended-transactions-gcp-event-driven"], 2, services)
    assert (result.verdict, result.standing) == ("valid", "as expected")
    waits = [event for event in story if event.kind == "waited"]
    aborted = [event for event in story if event.kind == "sdk" and event.data["error"] == "Aborted"]
    assert len(waits) >= len(aborted) > 0
    assert all(event.name == "firestore.Commit" and 0 < event.data["ms"] <= 2000 for event in waits)


@pytest.mark.slow
@pytest.mark.parametrize("service", ["firestore", "pubsub"])
def test_emulator_that_is_killed_in_mid_run_is_to_blame_for_it(service: str) -> None:
    prepared = RUNS["gcp-steady-gcp-event-driven"]
    with backends_for([prepared.manifest]) as others:
        fleet = start([service], environ={})
        try:
            backends = {**others, service: Backend(service, fleet[service].way, fleet[service].urls[service], {})}

            def watch(virtual_s: float) -> None:
                if virtual_s > 10:
                    fleet.stop()

            result, _ = run_once(prepared, Seeded(1), 1, watch, backends=backends)
        finally:
            fleet.stop()
    (verdict,) = result.checkers
    assert (verdict.checker, result.verdict) == ("backend", "unknown")
    assert f"{service} (" in verdict.first
    assert "stopped answering: ServiceUnavailable" in verdict.first


def test_model_that_answers_otherwise_is_told_from_the_emulators(
    services: Backends, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The comparison can fail: here the model's transactions do not meet."""
    monkeypatch.setattr(Firestore, "_blocked", lambda *_: False)
    prepared = RUNS["emulated-suspended-transactions-gcp-event-driven"]
    assert run(prepared, 1, None)[0].history_digest != run(prepared, 1, services)[0].history_digest
