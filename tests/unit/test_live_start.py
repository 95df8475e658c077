"""A live run whose processes cannot start: it ends at once, says why, and leaves nothing."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import msgspec
import pytest

from clef_runtime.context import SystemClock
from clef_runtime.errors import BadInput
from clef_sim.live.run import HostFailed, _started
from clef_sim.live.task import Crew, Task, slots_of
from clef_sim.prepared import Prepared
from clef_sim.runner import prepared_for

ROOT = Path(__file__).parents[2]
FILE = str(ROOT / "scenarios" / "live" / "dedup-contention.yaml")
HTTP = str(ROOT / "scenarios" / "live" / "dedup-http.yaml")


def given() -> tuple[Prepared, Task]:
    task = Task(
        file=FILE,
        variant="lease",
        topology="aws-event-driven",
        seed=1,
        zero_s=SystemClock().monotonic(),
        crew=Crew(processes=1, threads=1),
        project="p",
        cwd=str(ROOT),
    )
    return prepared_for(task.file, task.variant, task.topology), task


def left() -> list[Path]:
    return list(Path(tempfile.gettempdir()).glob(f"clef-live-{os.getpid()}-*"))


@pytest.mark.slow
def test_live_run_of_a_variant_that_went_away_is_bad_input_in_the_hosts_words() -> None:
    prepared, task = given()
    with pytest.raises(BadInput, match="has no variant 'gone'"):
        _started(msgspec.structs.replace(task, variant="gone"), prepared, {})
    assert left() == []


@pytest.mark.slow
def test_live_process_that_finds_no_queue_ends_the_run_in_its_words() -> None:
    prepared, task = given()
    nowhere = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_DEFAULT_REGION": "us-east-1"}
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    with pytest.raises(HostFailed, match="Could not connect to the endpoint URL"):
        _started(task, prepared, {**nowhere, **keys})
    assert left() == []


def test_live_run_has_the_processes_of_its_topology() -> None:
    prepared, _ = given()
    slots = slots_of(prepared, 2)
    assert [slot.row for slot in slots] == list(range(12))
    assert {slot.function for slot in slots if slot.http} == {"fanout-web"}
    assert all(slot.queue for slot in slots)
    persistent = slots_of(prepared_for(HTTP, "", "aws-persistent-engine"), 3)
    assert [slot.function for slot in persistent].count("fanout-engine") == 1
    assert all(slot.http and not slot.queue for slot in persistent)
