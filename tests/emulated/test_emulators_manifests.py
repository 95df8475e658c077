"""`clef-sim emulators up` with each template: everything that it needs stands, after `reset` too."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from clef_runtime.deploy.manifest import load_manifest, templates
from clef_runtime.deploy.plan import plan
from clef_sim import cli
from clef_sim.commands.output import app_of
from emulators import SERVICES, questions, state

pytestmark = pytest.mark.emulated

APP = "scenarios.apps.orders"


def run(*args: str) -> Result:
    return CliRunner().invoke(cli.app, ["emulators", *args])


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    for service in SERVICES.values():
        for name in service.named_by:
            monkeypatch.delenv(name, raising=False)
    yield tmp_path
    with state.locked(tmp_path):
        state.stop(tmp_path, state.load(tmp_path))


def standing(env: dict[str, str]) -> set[str]:
    """The tables, queues and topics that are there."""
    found: set[str] = set()
    if "AWS_ENDPOINT_URL_DYNAMODB" in env:
        found |= set(questions.aws_client("dynamodb", env["AWS_ENDPOINT_URL_DYNAMODB"]).list_tables()["TableNames"])
    if "AWS_ENDPOINT_URL_SQS" in env:
        urls = questions.aws_client("sqs", env["AWS_ENDPOINT_URL_SQS"]).list_queues().get("QueueUrls", ())
        found |= {url.rpartition("/")[2] for url in urls}
    if "PUBSUB_EMULATOR_HOST" in env:
        for kind in ("topics", "subscriptions"):
            address = f"{env['PUBSUB_EMULATOR_HOST']}/v1/projects/{env['CLEF_PROJECT']}/{kind}?pageSize=1000"
            rows: Any = json.loads(questions.call(address)[1]).get(kind, [])
            found |= {row["name"].rpartition("/")[2] for row in rows}
    if "DATABASE_URL" in env:
        import sqlalchemy as sa

        from clef_runtime import sql

        engine = sql.engine(env["DATABASE_URL"])
        found |= set(sa.inspect(engine).get_table_names())
        engine.dispose()
    return found


@pytest.mark.parametrize("template", templates())
def test_up_creates_what_the_plan_names_and_reset_does_again(template: str, folder: Path) -> None:
    result = run("up", template, "--app", APP)
    assert result.exit_code == 0, result.output
    env = json.loads(run("env", "--json").stdout)
    made = plan(load_manifest(template), app_of(APP))
    wanted = {table.name for table in made.tables if table.service in ("dynamodb", "sql")}
    for queue in (*made.queues, *made.topics):
        wanted |= {queue.name, queue.dead_letters}
    assert wanted <= standing(env)
    assert run("reset").exit_code == 0
    assert wanted <= standing(env)
    assert run("up", template, "--app", APP).exit_code == 0  # all of it is there already
    assert run("down").exit_code == 0
    assert list(folder.iterdir()) == []
