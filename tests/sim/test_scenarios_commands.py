"""`clef-sim run` and `replay` from outside: equal digests, replayed decisions, input that is wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from clef_sim.cli import app
from clef_sim.kernel.decision_log import DecisionLog

ROOT = Path(__file__).parents[2]
HAZARDS = ROOT / "scenarios" / "hazards"
ONE = "2-lost-join.yaml"

SCENARIO = """\
shows: A few orders whose payments are delivered twice.
app: scenarios.apps.orders
requests: scenarios.requests.orders
topologies: [aws-event-driven]
settings: {guard.protocol: once}
workload: {kind: fixed, count: 4, every_s: 1, mix: {order: 1}}
faults:
  - {kind: duplicate, queue: payment, times: 2}
expect: {effects: invalid}
"""


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def results(*words: object, hash_seed: int) -> list[dict[str, Any]]:
    """Runs in a process of its own."""
    ended = subprocess.run(
        [sys.executable, "-c", "from clef_sim.cli import main; main()", "run", *map(str, words), "--json", "-"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONHASHSEED": str(hash_seed)},
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    found: list[dict[str, Any]] = json.loads(ended.stdout)
    return found


def kept(folder: Path, text: str = SCENARIO) -> tuple[Path, str]:
    """The decision log of a run of `text` that was not valid, and the run's digest."""
    scenario = folder / "twice.yaml"
    scenario.write_text(text, "utf-8")
    ran = run("run", scenario, "--report", folder / "report", "--json", folder / "results.json", "--jobs", 1)
    assert ran.exit_code == 0, ran.output
    (result,) = json.loads((folder / "results.json").read_text("utf-8"))
    (log,) = (folder / "report" / "runs").glob("*.decisions")
    assert str(log) in result["replay"]
    return log, result["history_digest"]


def test_run_has_the_same_digests_in_another_process_under_another_hash_seed(tmp_path: Path) -> None:
    words = (
        HAZARDS / ONE,
        HAZARDS / "4-partial-dispatch-http.yaml",
        "--report",
        tmp_path,
        "-k",
        "lease",
        "--jobs",
        1,
    )
    one, two = (results(*words, hash_seed=seed) for seed in (1, 4242))
    digests = [[(each["name"], each["manifest"], each["history_digest"]) for each in found] for found in (one, two)]
    assert digests[0] == digests[1]
    assert len(digests[0]) == 3


def test_replay_gives_the_same_history(tmp_path: Path) -> None:
    log, digest = kept(tmp_path)
    again = run("replay", log, "--json", tmp_path / "again.json")
    assert again.exit_code == 0, again.output
    assert json.loads((tmp_path / "again.json").read_text("utf-8"))["history_digest"] == digest
    assert "another history" not in again.output


def test_replay_of_a_scenario_that_draws_otherwise_by_now_stops_with_a_word(tmp_path: Path) -> None:
    log, _ = kept(tmp_path)
    (tmp_path / "twice.yaml").write_text(SCENARIO.replace("count: 4", "count: 5"), "utf-8")
    ended = run("replay", log)
    assert ended.exit_code == 1
    assert "decision" in ended.output and "Traceback" not in ended.output


def test_replay_of_an_edited_log_stops_with_a_word(tmp_path: Path) -> None:
    log, _ = kept(tmp_path)
    edited = DecisionLog.load(log)
    edited.streams[40], edited.streams[41] = (edited.streams[40] + 1) % len(edited.names), edited.streams[40]
    edited.save(log)
    ended = run("replay", log)
    assert ended.exit_code == 1
    assert "decision" in ended.output and "Traceback" not in ended.output


def test_replay_with_the_same_draws_and_another_history_says_so(tmp_path: Path) -> None:
    log, _ = kept(tmp_path)
    recorded = DecisionLog.load(log)
    recorded.about["digest"] = "0" * 32
    recorded.save(log)
    ended = run("replay", log)
    assert "same decisions, another history" in ended.output


@pytest.mark.parametrize("content", [b"", b"nonsense", None])
def test_replay_of_what_is_no_log_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "x.decisions"
    if content is not None:
        path.write_bytes(content)
    ended = run("replay", path)
    assert ended.exit_code == 2
    assert str(path) in ended.output and "Traceback" not in ended.output


# ---- input that is wrong: exit code 2, words, no traceback, nothing run


def refused(folder: Path, *words: object) -> str:
    ended = run("run", *words, "--report", folder / "report")
    assert ended.exit_code == 2, ended.output
    assert "Traceback" not in ended.output
    assert not (folder / "report").exists() or not list((folder / "report").rglob("*.decisions"))
    return ended.output


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("settings:", "setings:", "x.yaml:5:1: setings: no such key `setings`; did you mean `settings`?"),
        ("every_s: 1", "every_s: -1", "x.yaml:6:35: workload.every_s: every_s(=-1) must be a number >= 0"),
        ("guard.protocol", "guard.protocl", "no such key `protocl`; did you mean `protocol`?"),
        ("guard.protocol: once", "guard.protocol: twice", "protocol(='twice') must be one of once, lease"),
        ("aws-event-driven", "aws-event-drivn", "did you mean `aws-event-driven`?"),
        ("aws-event-driven", "gcp-persistent-engine", "gcp-persistent-engine has no queues; take the fault out"),
        ("apps.orders", "apps.ordres", "app(='scenarios.apps.ordres') does not import: ModuleNotFoundError"),
        ("requests.orders", "requests.ordres", "requests(='scenarios.requests.ordres') does not import"),
        ("{order: 1}", "{ordr: 1}", "no request 'ordr'; did you mean `order`?"),
        ("{order: 1}", "{order: 0}", "every weight is 0"),
        ("queue: payment", "queue: paymet", "faults.0.queue(='paymet') is no part of any name; there are "),
        (
            "kind: duplicate, queue: payment",
            "kind: engine_restart, at_s: 1",
            "aws-event-driven has no engine service",
        ),
        (
            "kind: duplicate, queue: payment",
            "kind: throttle, call: dynamodb.PutItem, function: paymet",
            "faults.0.function(='paymet') is no part of any name; there are orders-web, ",
        ),
        (
            "kind: duplicate, queue: payment",
            "kind: throttle, call: dynamodb.PutItm",
            "call(='dynamodb.PutItm') is no SDK call that the profile knows; did you mean `dynamodb.PutItem`?",
        ),
        ("effects: invalid", "efects: invalid", "expect: no 'efects'; did you mean `effects`?"),
        ("workload: {", "workload: [", "not YAML"),
    ],
)
def test_run_of_a_wrong_scenario_is_refused_in_words(tmp_path: Path, old: str, new: str, words: str) -> None:
    assert old in SCENARIO
    (tmp_path / "x.yaml").write_text(SCENARIO.replace(old, new, 1), "utf-8")
    assert words in refused(tmp_path, tmp_path / "x.yaml").replace("\n", " ")


def test_run_of_an_app_with_an_unknown_function_names_the_sync_file(tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "shaky.sync").write_text(
        "sync Shaky\nwhen {\n  Web/request: [] => []\n}\nwhere {\n  bind(frobnicate(1) as ?x)\n}\n"
        "then {\n  Web/respond: [ body: ?x ]\n}\n"
    )
    (tmp_path / "shaky_app.py").write_text(
        "from pathlib import Path\nfrom clef_runtime.app import App\nfrom clef_runtime.web import web_concept\n"
        "app = App('shaky', (web_concept(),), (Path(__file__).with_name('shaky.sync'),))\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    scenario = SCENARIO.replace("scenarios.apps.orders", "shaky_app")
    (tmp_path / "x.yaml").write_text(scenario, "utf-8")
    words = refused(tmp_path, tmp_path / "x.yaml")
    assert "shaky.sync:6:" in words and "frobnicate" in words


def test_run_of_an_app_that_breaks_on_import_is_refused(tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "broken_app.py").write_text("app = 1 / 0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "x.yaml").write_text(SCENARIO.replace("scenarios.apps.orders", "broken_app"), "utf-8")
    assert "does not import: ZeroDivisionError" in refused(tmp_path, tmp_path / "x.yaml")


def test_run_into_a_report_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "report").write_text("in the way")
    ended = run("run", HAZARDS / ONE, "--report", tmp_path / "report")
    assert ended.exit_code == 2
    assert "cannot be written" in ended.output and "Traceback" not in ended.output


@pytest.mark.parametrize("words", [["nowhere.yaml"], ["."], ["--json", "nowhere/x.json"], ["-k", "nothing"]])
def test_run_of_nothing_or_to_nowhere_is_refused(tmp_path: Path, monkeypatch: Any, words: list[str]) -> None:
    monkeypatch.chdir(tmp_path)
    given = words if words[0] not in ("--json", "-k") else [str(HAZARDS / ONE), *words]
    assert refused(tmp_path, *given)


def test_run_of_a_recorded_log_with_a_wrong_line_names_it(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text('{"at_s": 0, "method": "GET", "path": "/stock/a"}\n{"at_s": -1}\n')
    text = SCENARIO.replace("{kind: fixed, count: 4, every_s: 1, mix: {order: 1}}", "{kind: recorded, file: x.jsonl}")
    (tmp_path / "x.yaml").write_text(text, "utf-8")
    assert "x.jsonl:2: not a request of a recorded workload" in refused(tmp_path, tmp_path / "x.yaml")
