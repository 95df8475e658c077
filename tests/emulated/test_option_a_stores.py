"""Option A on SQL and Redis: the real runtime, HTTP between its parts in this process, each store for real."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import fakeredis
import httpx
import msgspec
import pytest
import sqlalchemy as sa

from clef_runtime import sql
from clef_runtime.context import SystemClock, SystemIds
from clef_runtime.deploy.clients import CloudClients
from clef_runtime.deploy.manifest import Manifest, load_manifest
from clef_runtime.deploy.wiring import Wiring
from clef_runtime.engine.index import SyncIndex
from clef_runtime.errors import BadInput
from clef_runtime.language import load_paths
from clef_runtime.model import invocation_from, to_wire
from clef_runtime.web import HttpRequest
from scenarios.apps.orders import app
from scenarios.requests.orders import REQUESTS

INDEX = SyncIndex(load_paths(app.syncs, app.functions), app.functions)


class InProcess(CloudClients):
    """Functions and engine answer in this process; `DATABASE_URL` leads to the database."""

    def __init__(self, manifest: Manifest, redis: Any) -> None:
        super().__init__(engine="http://engine.invalid")
        self._given_redis = redis
        wiring = Wiring(manifest, app, INDEX, self, SystemClock(), SystemIds())
        self.function, self._engine_service = wiring.concept_function(), wiring.engine_service()

    def close(self) -> None:
        self.sql().dispose()

    def redis(self) -> Any:
        return self._given_redis

    def http(self) -> httpx.Client:
        return httpx.Client(transport=httpx.MockTransport(self._answer))

    def function_url(self, function: str) -> str:
        return f"http://{function}.invalid"

    def _answer(self, request: httpx.Request) -> httpx.Response:
        body = msgspec.json.decode(request.content)
        if request.url.host == "engine.invalid":
            answer = self._engine_service.handle(HttpRequest("POST", request.url.path, body=body))
            return httpx.Response(answer.status, json=answer.body)
        completions = self.function.invoke([invocation_from(each) for each in body["invocations"]])
        return httpx.Response(200, json={"completions": [to_wire(each) for each in completions]})


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[sa.Engine]:
    url = f"sqlite:///{tmp_path / 'clef.db'}"
    if request.param == "postgres":
        url = os.environ.get("POSTGRES_URL", "")
        if not url:
            pytest.skip("no PostgreSQL: POSTGRES_URL is not set")
    monkeypatch.setenv("DATABASE_URL", url)
    engine = sql.engine(url)
    sql.create_schema(engine, f"{app.name}-")
    yield engine
    sql.tables(f"{app.name}-").state.metadata.drop_all(engine)
    engine.dispose()


REDIS = {"storage.default": "redis", "guard.kind": "redis"}


def _send(deployed: InProcess, request: Any, id_: str) -> tuple[int, Any]:
    answer = deployed.function.request(HttpRequest(request.method, request.path, body=request.body), id_)
    return answer.status, answer.body


def _recorded(database: sa.Engine) -> int:
    with database.connect() as connection:
        count: int = connection.execute(
            sa.select(sa.func.count()).select_from(sql.tables(f"{app.name}-").log)
        ).scalar_one()
    return count


@pytest.mark.parametrize("overrides", [{}, REDIS], ids=["all sql", "state and guard in redis"])
def test_order_on_sql_ships_once_and_is_known_after_a_restart(database: sa.Engine, overrides: dict[str, Any]) -> None:
    manifest = load_manifest("hybrid-postgres", overrides)
    assert manifest.delivery == ("recorded" if overrides else "transactional")
    redis = fakeredis.FakeRedis(server=fakeredis.FakeServer(), decode_responses=True)
    stock, order = REQUESTS.setup[0].template.at(0), REQUESTS.template("order").at(0)
    with closing(InProcess(manifest, redis)) as deployed:
        _send(deployed, stock, "stock")
        status, body = _send(deployed, order, "order")
    assert (status, body["status"]) == (201, "shipped")
    assert bool(redis.keys("orders-state:*")) == bool(redis.keys("orders-guard:lease#*")) == bool(overrides)
    recorded = _recorded(database)
    assert recorded > 10
    with closing(InProcess(manifest, redis)) as again:
        assert _send(again, order, "order") == (status, body)
    assert _recorded(database) == recorded
    redis.close()


@pytest.mark.parametrize(
    ("overrides", "variable"),
    [
        ({}, "DATABASE_URL"),
        ({"storage.default": "redis"}, "REDIS_URL"),
        ({"storage.default": "upstash"}, "UPSTASH_REDIS_REST_URL"),
    ],
    ids=["sql", "redis", "upstash"],
)
def test_store_without_its_address_names_the_variable(
    overrides: dict[str, Any], variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(variable, raising=False)
    manifest = load_manifest("hybrid-postgres", {"action_log.kind": "memory", "guard.kind": "none", **overrides})
    wiring = Wiring(manifest, app, INDEX, CloudClients(), SystemClock(), SystemIds())
    with pytest.raises(BadInput, match=variable):
        wiring.storage_of("urn:clef/Order")


def test_store_whose_sdk_is_not_installed_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "clef_runtime.storage.sql", None)
    wiring = Wiring(load_manifest("hybrid-postgres"), app, INDEX, CloudClients(), SystemClock(), SystemIds())
    with pytest.raises(BadInput, match=r"clef-sim\[sql\]"):
        wiring.storage_of("urn:clef/Order")
