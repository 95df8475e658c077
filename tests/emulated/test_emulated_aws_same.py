"""The same scenario and seed in the model and on real services: same decisions, same history, same verdict."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from emulated_aws import WAYS, started

from clef_sim.emulated.backends import MODEL_STREAMS, Backends, not_emulated, why_not
from clef_sim.history import Event
from clef_sim.kernel.choices import Choices, Seeded
from clef_sim.prepared import Prepared, prepare
from clef_sim.results import RunResult
from clef_sim.runner import run_once
from clef_sim.scenario import Bursts, Fixed, Poisson, Ramp, find_scenarios
from clef_sim.services.dynamodb.client import DynamoDB

pytestmark = pytest.mark.emulated

SCENARIOS = Path(__file__).parents[2] / "scenarios"
SHORT_S, SHORT_COUNT = 2.0, 4

QUICK = ("orders-steady-aws-event-driven", "orders-slow-delivery-aws-event-driven")
"""What runs without the slow tests."""

SECOND_OPINION = (
    "orders-steady-aws-event-driven",
    "orders-fifo-aws-event-driven",
    "orders-slow-delivery-aws-event-driven",
    "orders-old-messages-aws-event-driven",
    "conduit-duplicates-aws-event-driven",
)
"""What runs by every way; all the others run on moto alone."""

THROTTLED = ("conduit-long-articles-aws-per-request",)
"""Where the model throttles a hot partition, which no emulator does: only the verdict is the same."""


def shortened(prepared: Prepared) -> Prepared:
    """The first requests of a workload: a real service takes milliseconds for a call."""
    workload: Any = prepared.scenario.workload
    if isinstance(workload, Fixed | Bursts):
        workload = msgspec.structs.replace(workload, count=min(workload.count, SHORT_COUNT))
    elif isinstance(workload, Poisson | Ramp):
        workload = msgspec.structs.replace(workload, duration_s=min(workload.duration_s, SHORT_S))
    return msgspec.structs.replace(prepared, scenario=msgspec.structs.replace(prepared.scenario, workload=workload))


RUNS = {
    f"{each.name}-{each.template}": shortened(each)
    for each in prepare(find_scenarios([SCENARIOS / "suite"]))
    if each.manifest.cloud == "aws" and each.scenario.name.startswith(("orders", "conduit"))
}


def each_run() -> list[Any]:
    found = [
        pytest.param("moto", name, marks=() if name in QUICK else pytest.mark.slow)
        for name, run in RUNS.items()
        if not (why_not(run, {"sqs": "moto"}) or not_emulated(run.manifest))
    ]
    return found + [
        pytest.param(ways, name, marks=pytest.mark.slow) for ways in WAYS if ways != "moto" for name in SECOND_OPINION
    ]


@pytest.fixture(scope="module")
def services(request: pytest.FixtureRequest) -> Iterator[Backends]:
    with started(request.param) as backends:
        yield backends


def decisions(choices: Choices) -> list[tuple[str, float]]:
    log = choices.log  # type: ignore[attr-defined]  # a Seeded has one
    drawn = zip(log.streams, log.values, strict=True)
    return [(log.names[stream], value) for stream, value in drawn if log.names[stream] not in MODEL_STREAMS]


def run(prepared: Prepared, seed: int, backends: Backends | None) -> tuple[RunResult, list[Event], Choices]:
    choices = Seeded(seed)
    result, history = run_once(prepared, choices, seed, backends=backends)
    return result, history, choices


def first_difference(one: list[Event], other: list[Event]) -> str:
    for number, (left, right) in enumerate(zip(one, other, strict=False)):
        if repr(left) != repr(right):
            return f"event {number}: {left} in the model, {right} on the services"
    return f"{len(one)} events in the model, {len(other)} on the services"


@pytest.mark.parametrize(("services", "name"), each_run(), indirect=["services"])
def test_run_on_services_is_the_run_of_the_model(services: Backends, name: str) -> None:
    model, story, drawn = run(RUNS[name], 1, None)
    real, real_story, really_drawn = run(RUNS[name], 1, services)
    assert real.world == "emulated"
    assert (real.verdict, real.standing, real.faults) == (model.verdict, model.standing, model.faults)
    assert real.metrics.firings == model.metrics.firings > 0
    throttled = any(each.kind == "sdk" and each.data["error"] == "ThrottlingException" for each in story)
    assert throttled == (name in THROTTLED)
    if throttled:
        return
    assert real.history_digest == model.history_digest, first_difference(story, real_story)
    assert decisions(really_drawn) == decisions(drawn)


@pytest.mark.parametrize("services", ["moto"], indirect=True)
def test_same_seed_twice_on_services_has_one_history_and_another_seed_another(services: Backends) -> None:
    prepared = RUNS["orders-steady-aws-event-driven"]
    one, again, other = (run(prepared, seed, services)[0].history_digest for seed in (2, 2, 3))
    assert one == again != other


@pytest.mark.parametrize("services", ["moto"], indirect=True)
def test_model_that_answers_otherwise_is_told_from_the_services(
    services: Backends, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The comparison can fail: here the model finds nothing in a partition."""
    monkeypatch.setattr(DynamoDB, "query", lambda *_, **__: {"Items": []})
    prepared = RUNS["orders-steady-aws-per-request"]
    assert run(prepared, 1, None)[0].history_digest != run(prepared, 1, services)[0].history_digest
