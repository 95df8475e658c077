"""A bad service in the emulated world is to blame for what it does, by name; a good one is not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from clef_sim.emulated.backends import Backend, Backends
from clef_sim.runner import Job, run_job
from emulators import SERVICES, WAYS
from emulators.processes import Launch, Place, Starting, start_all

pytestmark = [pytest.mark.emulated, pytest.mark.slow]

STEADY = """
shows: Orders at a steady rate.
app: scenarios.apps.orders
requests: scenarios.requests.orders
topologies: [aws-event-driven]
workload: {kind: poisson, rate_per_s: 2, duration_s: 3}
"""

CARELESS = """
import sys
from moto.dynamodb.models.table import Table
from moto.server import main

put_item = Table.put_item

def careless(self, item, expected=None, condition=None, *more, **named):
    if {careless} and self.name.endswith("guard"):
        expected = condition = None
    return put_item(self, item, expected, condition, *more, **named)

Table.put_item = careless
main(["-H", "127.0.0.1", "-p", sys.argv[1]])
"""
"""moto's server, which leaves the conditions of a table out of account."""


def serving(careless: bool) -> Iterator[Backends]:
    missing = WAYS["moto"].missing()
    if missing and os.environ.get("CLEF_REQUIRE_BACKENDS") == "1":
        pytest.fail(f"moto: {missing}")
    if missing:
        pytest.skip(f"moto: {missing}")

    def launch(place: Place) -> Launch:
        script = CARELESS.replace("{careless}", str(careless))
        python = WAYS["moto"].launch(place).argv[0]
        return Launch(argv=(python, "-c", script, str(place.port)), stop_signal=9)

    def answers(place: Place) -> bool:
        return SERVICES["dynamodb"].answers(f"http://127.0.0.1:{place.port}")

    starting = Starting("careless", launch, answers, timeout_s=30.0)
    start_all([starting])
    url = f"http://127.0.0.1:{starting.process.place.port}"
    way = "careless" if careless else "careful"
    yield {name: Backend(name, way, url, SERVICES[name].env(url)) for name in ("dynamodb", "sqs")}
    starting.process.stop()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "steady.yaml"
    path.write_text(STEADY)
    return path


careless = pytest.fixture(lambda: (yield from serving(True)), name="careless")
careful = pytest.fixture(lambda: (yield from serving(False)), name="careful")


def test_backend_that_ignores_its_conditions_is_to_blame_by_its_way(careless: Backends, file: Path) -> None:
    found = run_job(Job(str(file), "", "aws-event-driven", 1, backends=careless))
    assert (found.verdict, found.blame) == ("invalid", "backend careless")
    assert "dynamodb.PutItem" in found.because
    assert "was done although its condition" in found.because


def test_backend_that_keeps_its_promises_is_not_blamed_for_a_bug_of_the_runtime(
    careful: Backends, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from clef_runtime.guard import dynamodb

    monkeypatch.setattr(dynamodb, "_NEW", {})
    found = run_job(Job(str(file), "", "aws-event-driven", 1, backends=careful))
    assert (found.verdict, found.blame) == ("invalid", "runtime")
