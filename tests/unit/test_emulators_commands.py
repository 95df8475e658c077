"""`clef-sim emulators` and `doctor` as a user types them, with SQLite: a service that is only a file."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from clef_sim import cli
from emulators import state
from emulators.catalogue import SERVICES
from emulators.fleet import Running
from emulators.processes import started_at


def run(*args: str) -> Result:
    return CliRunner().invoke(cli.app, list(args))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    for variable in ("DATABASE_URL", "POSTGRES_URL", "REDIS_URL"):
        monkeypatch.delenv(variable, raising=False)
    yield tmp_path
    with state.locked(tmp_path):
        state.stop(tmp_path, state.load(tmp_path))


def up_sqlite() -> Path:
    """The database file of the hybrid template's schema."""
    result = run("emulators", "up", "hybrid-postgres", "--app", "scenarios.apps.orders", "--way", "sqlite")
    assert result.exit_code == 0, result.output
    url = json.loads(run("emulators", "env", "--json").stdout)["DATABASE_URL"]
    return Path(url.removeprefix("sqlite:///"))


def tables(file: Path) -> list[str]:
    connection = sqlite3.connect(file)
    try:
        return sorted(name for (name,) in connection.execute("select name from sqlite_master where type = 'table'"))
    finally:
        connection.close()


def test_up_creates_the_schema_and_down_leaves_nothing(folder: Path) -> None:
    file = up_sqlite()
    assert tables(file) == ["orders-guard", "orders-log", "orders-state"]
    pid = state.load(folder).members[0].pid
    result = run("emulators", "down")
    assert (result.exit_code, result.stderr) == (0, "postgres: sqlite, stopped\n")
    assert not file.parent.exists()
    assert not started_at(pid)
    assert list(folder.iterdir()) == []


def test_up_prints_variables_for_a_shell() -> None:
    result = run("emulators", "up", "--service", "postgres", "--way", "sqlite")
    assert result.stdout.startswith("export DATABASE_URL=sqlite:////")
    assert run("emulators", "env").stdout == result.stdout


def test_up_twice_keeps_what_runs(folder: Path) -> None:
    up_sqlite()
    before = state.load(folder).members
    result = run("emulators", "up", "hybrid-postgres", "--app", "scenarios.apps.orders")
    assert "postgres: sqlite, ran already" in result.stderr
    assert state.load(folder).members == before


def test_up_after_a_service_was_killed_starts_it_anew(folder: Path) -> None:
    file = up_sqlite()
    dead = state.load(folder).members[0]
    os.kill(dead.pid, signal.SIGKILL)
    assert run("emulators", "status").exit_code == 1
    assert up_sqlite() != file
    assert not file.parent.exists()


def test_up_without_an_app_says_that_nothing_was_created() -> None:
    result = run("emulators", "up", "hybrid-postgres", "--way", "sqlite")
    assert "so nothing was created in them: give --app" in result.stderr


def test_reset_empties_and_creates_again() -> None:
    file = up_sqlite()
    connection = sqlite3.connect(file)
    connection.execute("create table mine (x)").close()
    connection.close()
    assert run("emulators", "reset").exit_code == 0
    assert tables(file) == ["orders-guard", "orders-log", "orders-state"]


def test_status_says_what_answers_and_what_has_ended(folder: Path) -> None:
    up_sqlite()
    rows = json.loads(run("emulators", "status", "--json").stdout)
    assert [(row["services"], row["way"], row["state"]) for row in rows] == [(["postgres"], "sqlite", "answers")]
    known = state.load(folder)
    ended = Running(way="fakeredis", urls={"redis": "redis://127.0.0.1:1/0"}, port=1, pid=os.getpid(), started="once")
    state.save(folder, state.State(members=[*known.members, ended]))
    result = run("emulators", "status")
    assert result.exit_code == 1
    assert f"redis: fakeredis at redis://127.0.0.1:1/0 (pid {os.getpid()}): ended" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["up"], "nothing to start: name a manifest, or services by --service"),
        (["up", "nope"], "is no file and no template"),
        (["up", "--service", "sqss"], "service(='sqss') must be one of"),
        (["up", "hybrid-postgres", "--app", "nowhere.app"], "nowhere"),
        (["env"], "nothing is up in this folder"),
        (["reset"], "nothing is up in this folder"),
        (["get", "redis"], "'redis' is none of moto, ministack"),
    ],
)
def test_bad_input_is_told_and_nothing_is_started(folder: Path, arguments: list[str], words: str) -> None:
    result = run("emulators", *arguments)
    assert (result.exit_code, words in result.stderr) == (2, True), result.stderr
    assert list(folder.iterdir()) == []


def test_state_file_that_is_broken_is_named(folder: Path) -> None:
    (folder / ".clef").mkdir()
    file = folder / ".clef" / "emulators.json"
    file.write_text('{"members": 3}')
    result = run("emulators", "down")
    assert result.exit_code == 2 and "emulators.json cannot be read" in result.stderr
    file.unlink()


def test_two_commands_at_once_are_refused(folder: Path) -> None:
    with state.locked(folder):
        result = run("emulators", "down")
    assert result.exit_code == 2 and "another `emulators` command runs" in result.stderr


def test_doctor_has_a_row_for_each_way_of_each_service() -> None:
    rows = json.loads(run("doctor", "--json").stdout)
    assert [(row["service"], row["way"]) for row in rows] == [
        (service.name, way.name) for service in SERVICES.values() for way in service.ways
    ]
    for row in rows:
        assert bool(row["missing"]) == bool(row["get"])
    assert len({row["service"] for row in rows if row["first"]}) == sum(row["first"] for row in rows)


def test_doctor_says_which_variable_leads_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    output = run("doctor").stdout
    assert "nothing answers at redis://127.0.0.1:1/0 (environment)\n    unset REDIS_URL" in output


@pytest.mark.parametrize(("command", "code"), [(["true"], 0), (["sh", "-c", "exit 7"], 7), (["nowhere-at-all"], 127)])
def test_run_ends_with_the_exit_code_of_the_command(command: list[str], code: int) -> None:
    ours = [sys.executable, "-m", "emulators", "run", "postgres", "--way", "sqlite", "--"]
    assert subprocess.run([*ours, *command], capture_output=True).returncode == code


def test_run_gives_the_command_the_variables() -> None:
    ours = [sys.executable, "-m", "emulators", "run", "postgres", "--way", "sqlite", "--"]
    done = subprocess.run([*ours, "sh", "-c", "echo $DATABASE_URL"], capture_output=True, text=True)
    assert done.stdout.startswith("sqlite:////")
    assert not Path(done.stdout.strip().removeprefix("sqlite:///")).parent.exists()
