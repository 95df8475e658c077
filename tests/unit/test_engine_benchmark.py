from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from benchmarks import engine
from clef_runtime.context import SystemClock, SystemIds
from clef_runtime.engine.flow import FlowState
from clef_runtime.engine.index import SyncIndex
from clef_runtime.engine.prepare import prepare

ROOT = Path(__file__).parents[2]


def benchmark(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "benchmarks", *words], cwd=ROOT, capture_output=True, text=True)


def test_benchmark_flow_is_what_its_syncs_make_of_a_request() -> None:
    index = SyncIndex(sync for number in range(engine.CONCEPTS) for sync in engine.syncs_of(number))
    assert len(index.programs) == 100
    (flow,) = engine._flows(7, 1)
    state, caused = FlowState(index), []
    for completion in flow:
        state.add(completion)
        for match in state.matches(completion):
            caused += prepare(match, engine.Users(), SystemClock(), SystemIds()).invocations
    assert [(each.concept, each.action) for each in caused] == [(each.concept, each.action) for each in flow[1:]]


def test_benchmark_without_a_known_name_says_which_there_are() -> None:
    ran = benchmark("egnine")
    assert (ran.returncode, ran.stderr) == (2, "benchmark(='egnine') must be one of emulated, engine, simulator\n")


def test_benchmark_reports_rates_and_flatness_of_both_shapes_as_json() -> None:
    # In a process of its own: it collects garbage before each run, and a test session holds a lot.
    ran = benchmark("engine", "--sizes", "70", "--json")
    result = json.loads(ran.stdout)
    assert result["syncs"] == 100
    for shape in ("short_flows", "long_flow"):
        (row,) = result["shapes"][shape]["sizes"]
        assert row["completions"] == 70
        assert row["invocations"] == 60
        assert row["completions_per_s"] > 0
