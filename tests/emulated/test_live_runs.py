"""The live world on emulators: real processes and threads, judged by the same checkers."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

from clef_runtime.errors import BadInput
from clef_sim.cli import app
from clef_sim.emulated.backends import Backend, backends_for
from clef_sim.live.history import read_events
from clef_sim.live.judged import HISTORY, live_job
from clef_sim.live.task import Crew
from clef_sim.results import RunResult
from clef_sim.runner import jobs_of, prepared_for
from emulators import Fleet, start
from emulators.catalogue import SERVICES, choose

ROOT = Path(__file__).parents[2]
LIVE = ROOT / "scenarios" / "live"

pytestmark = [pytest.mark.emulated, pytest.mark.slow]


def _need(*services: str) -> None:
    try:
        choose(services, (), os.environ)
    except BadInput as error:
        if os.environ.get("CLEF_REQUIRE_BACKENDS") == "1":
            pytest.fail(str(error))
        pytest.skip(str(error))


def _run(keep: Path, file: str, variant: str, topology: str, ways: Sequence[str] = ()) -> RunResult:
    prepared = prepared_for(str(LIVE / file), variant, topology)
    with backends_for([prepared.manifest], ways) as backends:
        (job,) = jobs_of([prepared], [1], keep=str(keep), backends=backends)
        return live_job(job, Crew())


def _said(result: RunResult) -> dict[str, str]:
    return {each.checker: f"{each.verdict}: {each.first}" for each in result.checkers if each.verdict != "valid"}


def test_live_contention_on_aws_fires_each_once_and_keeps_what_happened(tmp_path: Path) -> None:
    _need("dynamodb", "sqs")
    result = _run(tmp_path, "dedup-contention.yaml", "once", "aws-event-driven")
    assert (result.standing, _said(result)) == ("as expected", {})
    (kept,) = tmp_path.glob(f"*{HISTORY}")
    events = list(read_events(kept))
    firing = {event.who.partition(":")[0] for event in events if event.kind == "acquire"}
    assert firing == {"fanout-evaluator-1", "fanout-evaluator-2"}
    won = [(event.name, event.data["matched"]) for event in events if event.kind == "acquire" and event.data["won"]]
    assert len(won) == len(set(won)) > 30
    assert {row.operation for row in result.measured} >= {"dynamodb.PutItem", "sqs.SendMessage"}
    assert "--world live" in result.replay


def test_live_evaluator_that_dies_with_the_guard_loses_its_firing_by_once(tmp_path: Path) -> None:
    _need("dynamodb", "sqs")
    result = _run(tmp_path, "dedup-crash.yaml", "once", "aws-event-driven")
    assert result.standing == "as expected", _said(result)
    assert result.faults == {"crash at dynamodb.PutItem on guard": 2}
    assert "the instance was killed" in _said(result)["no_lost_firing"]


def test_live_duplicates_on_google_fire_once(tmp_path: Path) -> None:
    _need("firestore", "pubsub")
    result = _run(tmp_path, "gcp-dedup-duplicates.yaml", "", "gcp-event-driven")
    assert (result.standing, _said(result)) == ("as expected", {})
    assert result.faults["duplicate on completions"] > 10


def test_live_calls_that_end_with_their_process_fire_once_over_http(tmp_path: Path) -> None:
    _need("dynamodb")
    result = _run(tmp_path, "dedup-http.yaml", "", "aws-per-request")
    assert (result.standing, _said(result)) == ("as expected", {})
    assert result.faults == {"crash after http.POST": 2}


def test_live_run_with_a_guard_without_its_condition_is_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _need("dynamodb", "sqs")
    planting = ROOT / "tests" / "planted"
    (tmp_path / "sitecustomize.py").write_text(
        f"import sys; sys.path[:0] = [{str(ROOT)!r}, {str(planting)!r}]\n"
        "from bugs import BUGS; from planting import plant\n"
        "plant(next(bug for bug in BUGS if bug.name == 'claim-unconditional'))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    result = _run(tmp_path, "dedup-duplicates.yaml", "lease", "aws-event-driven")
    assert result.standing == "not as expected"
    assert "claim was won" in _said(result)["no_duplicate_firing"]


def test_live_run_whose_services_die_is_unknown_blames_them_and_leaves_nothing(tmp_path: Path) -> None:
    _need("dynamodb", "sqs")
    prepared = prepared_for(str(LIVE / "dedup-contention.yaml"), "lease", "aws-event-driven")
    mine = f"clef-live-{os.getpid()}-*"
    folder = Path(tempfile.gettempdir())
    ended = threading.Event()

    def kill(fleet: Fleet) -> None:
        while not ended.wait(0.05):
            if any('"workload"' in each.read_text() for each in folder.glob(f"{mine}/script.jsonl")):
                fleet.stop()
                return

    fleet = start(("dynamodb", "sqs"))
    killer = threading.Thread(target=kill, args=(fleet,))
    try:
        backends = {
            name: Backend(name, member.way, url, SERVICES[name].env(url))
            for member in fleet.members
            for name, url in member.urls.items()
        }
        (job,) = jobs_of([prepared], [1], keep=str(tmp_path), backends=backends)
        killer.start()
        result = live_job(job, Crew())
    finally:
        ended.set()
        killer.join()
        fleet.stop()
    assert (result.verdict, result.standing) == ("unknown", "undecided")
    assert "stopped answering in the middle of the run" in _said(result)["backend"]
    assert result.virtual_s < 30
    assert list(folder.glob(mine)) == []


def test_live_run_refuses_moto_and_says_why(tmp_path: Path) -> None:
    path = str(LIVE / "dedup-contention.yaml")
    ended = CliRunner().invoke(app, ["run", path, "--world", "live", "--way", "moto", "--report", str(tmp_path)])
    assert ended.exit_code == 2
    assert "dynamodb on moto is unfit for" in ended.output
    assert list(tmp_path.glob("*")) == []
