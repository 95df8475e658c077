"""A service that goes away in the middle of a run, a run that is stopped, and what a user sees of either."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from emulated_aws import WAYS
from test_emulated_aws_same import RUNS

from clef_runtime.context import SystemClock
from clef_sim.emulated.backends import Backend, Backends
from clef_sim.kernel.choices import Seeded
from clef_sim.runner import run_once
from emulators import SERVICES, start
from emulators.catalogue import ENVIRONMENT

pytestmark = pytest.mark.emulated

ROOT = Path(__file__).parents[2]
RUN = RUNS["orders-steady-aws-event-driven"]


def test_service_killed_in_mid_run_ends_it_soon_undecided_and_is_blamed() -> None:
    fleet = start(("sqs", "dynamodb"), WAYS["moto"])
    try:
        [member] = fleet.members
        backends: Backends = {name: Backend(name, "moto", url, {}) for name, url in member.urls.items()}
        killed: list[float] = []

        def kill(virtual_s: float) -> None:
            if virtual_s >= 5.0 and not killed:
                killed.append(SystemClock().monotonic())
                fleet.stop()

        result, history = run_once(RUN, Seeded(1), 1, kill, backends=backends)
        assert SystemClock().monotonic() - killed[0] < 20.0
    finally:
        fleet.stop()
    assert history
    assert (result.verdict, result.standing) == ("unknown", "undecided")
    [blame] = result.checkers
    assert blame.checker == "backend"
    assert f"(moto) at {member.endpoint} stopped answering" in blame.first


def command(*words: object) -> list[str]:
    return [sys.executable, "-c", "from clef_sim.cli import main; main()", "run", *map(str, words)]


def running_in(group: int) -> list[str]:
    """Command lines of a session's processes."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if os.getsid(int(folder.name)) == group:
                found.append((folder / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue  # it has ended meanwhile
    return [line for line in found if line]


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")
def test_run_stopped_from_the_keyboard_leaves_no_service_behind(tmp_path: Path) -> None:
    scenario = "scenarios/suite/orders-steady.yaml"
    words = command(scenario, "-k", "event-driven", "--world", "emulated", "--way", "moto", "--report", tmp_path)
    with subprocess.Popen(
        [*words, "--runs", "50"],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background job ignores it
    ) as process:
        lines = tmp_path / "results.jsonl"
        while process.poll() is None and not lines.exists():  # it is made once the services run
            continue
        os.killpg(process.pid, signal.SIGINT)
        said = process.communicate(timeout=60)[1]
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert running_in(process.pid) == []


def test_endpoint_that_the_environment_names_is_used_and_left_running(tmp_path: Path) -> None:
    fleet = start(("sqs", "dynamodb"), WAYS["moto"])
    try:
        file = tmp_path / "results.json"
        words = ("scenarios/suite/fanout-broken-action.yaml", "-k", "event")
        done = subprocess.run(
            command(*words, "--world", "emulated", "--json", file, "--report", tmp_path),
            cwd=ROOT,
            env={**os.environ, **fleet.env},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        [result] = json.loads(file.read_text())
        assert result["backends"] == {"dynamodb": ENVIRONMENT, "sqs": ENVIRONMENT}
        assert "world: emulated (dynamodb by environment, sqs by environment)" in done.stdout
        assert all(SERVICES[name].answers(fleet[name].endpoint) for name in ("sqs", "dynamodb"))
    finally:
        fleet.stop()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--way", "moto"), "--way moto is for worlds of real services"),
        (("--world", "emulated", "--jobs", "2"), "--jobs(=2) must be 1 in the emulated world"),
        (("--world", "other"), "--world(='other') must be one of model, emulated"),
        (("--world", "emulated", "--way", "redis-server"), "way 'redis-server' serves redis"),
    ],
)
def test_options_that_do_not_fit_are_refused_in_words(words: tuple[str, ...], said: str, tmp_path: Path) -> None:
    done = subprocess.run(
        command("scenarios/suite/orders-steady.yaml", *words, "--report", tmp_path),
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr
