"""`clef-sim run` from outside: stopped from the keyboard, resumed, and caught when a run is not deterministic."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STEADY = ROOT / "scenarios" / "suite" / "orders-steady.yaml"

WOBBLY = """
from clef_runtime.app import App
from clef_runtime.concept import Concept
from clef_runtime.model import ok
from clef_runtime.web import Route, web_concept
from clef_sim.requests import RequestSet, Template
from pathlib import Path

counter = Concept("Counter")
total = [0]

@counter.action
def add(input, tools):
    total[0] += 1  # outlives the run: the second one sees what the first did
    return ok(n=total[0])

app = App("wobbly", (web_concept(), counter), (Path(__file__).with_name("wobbly.sync"),),
          routes=(Route("POST", "/add", "add"),))
REQUESTS = RequestSet(setup=(), templates=(Template("add", "POST", "/add", {}),))
"""

WOBBLY_SYNC = 'sync Add when { Web/request: [ route: "add" ] => [] } then { Counter/add: [] }'

WOBBLY_SCENARIO = """
shows: An action that keeps state outside of its storage.
app: wobbly
requests: wobbly
topologies: [aws-event-driven]
workload: {kind: fixed, count: 3, every_s: 1}
"""


def command(*words: object) -> list[str]:
    return [sys.executable, "-c", "from clef_sim.cli import main; main()", *map(str, words)]


def run(*words: object, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command("run", *words), cwd=cwd, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(cwd)}
    )


def workers_of(group: int) -> list[str]:
    """Command lines of the group's processes that run workers; a process that only waits to be reaped has none."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if os.getpgid(int(folder.name)) == group:
                found.append(folder.joinpath("cmdline").read_text().replace("\0", " "))
        except OSError:
            continue  # it has ended meanwhile
    return [line for line in found if "spawn_main" in line]


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")
def test_run_stopped_from_the_keyboard_says_so_keeps_results_and_leaves_no_process(tmp_path: Path) -> None:
    with subprocess.Popen(
        command("run", STEADY, "--runs", 400, "--jobs", 2, "--report", tmp_path),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background job ignores it
    ) as process:
        lines = tmp_path / "results.jsonl"
        while not (lines.exists() and lines.stat().st_size):
            assert process.poll() is None
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert "stopped" in err
    assert workers_of(process.pid) == []
    kept = len(lines.read_text().splitlines())
    again = run(STEADY, "-k", "persistent", "--runs", 1, "--resume", "--report", tmp_path, "--json", "-")
    assert again.returncode == 0, again.stderr
    assert kept >= 1
    assert len(json.loads(again.stdout)) == 1


def test_run_resumed_does_only_what_is_left(tmp_path: Path) -> None:
    first = run(STEADY, "-k", "event-driven", "--report", tmp_path, "--json", "-")
    before = json.loads(first.stdout)
    second = run(STEADY, "-k", "event-driven", "--runs", 2, "--resume", "--report", tmp_path, "--json", "-")
    after = json.loads(second.stdout)
    assert [each["seed"] for each in after] == [1, 2]
    assert after[0] == before[0]  # to the wall seconds: it was not run again


def test_check_determinism_names_the_first_event_that_differs(tmp_path: Path) -> None:
    (tmp_path / "wobbly.py").write_text(WOBBLY)
    (tmp_path / "wobbly.sync").write_text(WOBBLY_SYNC)
    (tmp_path / "wobbly.yaml").write_text(WOBBLY_SCENARIO)
    env = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"}
    words = ("wobbly.yaml", "--check-determinism", "--jobs", 1, "--report", "out", "--json", "-")
    done = subprocess.run(command("run", *words), cwd=tmp_path, capture_output=True, text=True, env=env)
    (result,) = json.loads(done.stdout)
    verdict = result["checkers"][-1]
    assert done.returncode == 1
    assert (verdict["name"], verdict["verdict"]) == ("determinism", "invalid")
    assert "event" in verdict["first"]
    assert "returned urn:clef/Counter/add" in verdict["first"]
