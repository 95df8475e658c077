"""SQL and Redis for the contract suite: what is there to hold the adapters against, and how to make them."""

from __future__ import annotations

import itertools
import os
import sqlite3
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import fakeredis
import msgspec
import psycopg
import pytest
import redis
import sqlalchemy as sa
from contract_backends import ATOMIC, Backend, TestClock
from upstash_shim import TOKEN, Shim, serving

import emulators
from clef_runtime import sql
from clef_runtime.action_log.sql import SqlActionLog
from clef_runtime.guard.redis import RedisFiringGuard
from clef_runtime.guard.sql import SqlFiringGuard
from clef_runtime.redis import Commands, redis_commands
from clef_runtime.redis import client as redis_client
from clef_runtime.storage import upstash
from clef_runtime.storage.redis import RedisStorage
from clef_runtime.storage.sql import SqlStorage

REQUIRED = os.environ.get("CLEF_REQUIRE_BACKENDS") == "1"
"""A backend that is not here fails its tests, which are skipped otherwise."""


class CountingIds:
    """Ids for the tests of one process."""

    _numbers = itertools.count(1)

    def new(self) -> str:
        return f"id-{next(self._numbers)}"


class Database(msgspec.Struct):
    """A database with one set of tables."""

    engine: sa.Engine
    prefix: str

    def emptied(self) -> Database:
        with self.engine.begin() as connection:
            for table in sql.tables(self.prefix).state.metadata.sorted_tables:
                connection.execute(sa.delete(table))
        return self


class RedisService(msgspec.Struct):
    """A Redis by a client of one kind; `prefix` is not used by anyone else."""

    client: Any
    commands: Callable[..., Commands]
    prefix: str
    shim: Shim | None = None


@contextmanager
def _database(engine: sa.Engine) -> Iterator[Database]:
    made = Database(engine, f"clef-test-{uuid.uuid4().hex[:8]}-")
    sql.create_schema(made.engine, made.prefix)
    try:
        yield made
    finally:
        sql.tables(made.prefix).state.metadata.drop_all(made.engine)
        made.engine.dispose()


@contextmanager
def sqlite_service() -> Iterator[Database]:
    with TemporaryDirectory() as folder:
        engine = sql.engine(f"sqlite:///{Path(folder) / 'clef.db'}")
        # No test outlives the machine: waiting for the disk shows nothing.
        sa.event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous=OFF").close())
        with _database(engine) as made:
            yield made


@contextmanager
def postgres_service() -> Iterator[Database]:
    with _database(sql.engine(_address("POSTGRES_URL", "PostgreSQL"))) as made:
        yield made


@contextmanager
def fakeredis_service() -> Iterator[RedisService]:
    client = fakeredis.FakeRedis(server=fakeredis.FakeServer(), decode_responses=True)
    yield RedisService(client, redis_commands, "clef-test:")
    client.close()


@contextmanager
def fakeredis_server() -> Iterator[RedisService]:
    """Fakeredis in a process of its own."""
    if not REQUIRED:
        pytest.skip("starts a server: CLEF_REQUIRE_BACKENDS=1")
    with emulators.running("redis", ways=("fakeredis",)) as running, _redis(running.endpoint) as made:
        yield made


@contextmanager
def redis_service() -> Iterator[RedisService]:
    with _redis(_address("REDIS_URL", "Redis")) as made:
        yield made


@contextmanager
def _redis(url: str) -> Iterator[RedisService]:
    client = redis_client(url)
    prefix = f"clef-test-{uuid.uuid4().hex[:8]}:"
    try:
        yield RedisService(client, redis_commands, prefix)
    finally:
        keys = list(client.scan_iter(match=f"{prefix}*", count=1000))
        if keys:
            client.delete(*keys)
        client.close()


@contextmanager
def upstash_service() -> Iterator[RedisService]:
    # RESP 2: Upstash answers maps as lists.
    behind = fakeredis.FakeRedis(server=fakeredis.FakeServer(), decode_responses=True, protocol=2)
    shim = Shim(behind)
    with serving(shim) as url, upstash.client(url, TOKEN) as client:
        yield RedisService(client, upstash.upstash_commands, "clef-test:", shim)
    behind.close()


STORES: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "sqlite": sqlite_service,
    "postgres": postgres_service,
    "fakeredis": fakeredis_service,
    "fakeredis-server": fakeredis_server,
    "redis": redis_service,
    "upstash": upstash_service,
}

AVAILABLE = frozenset(STORES) - {
    name
    for name, here in (
        ("postgres", "POSTGRES_URL" in os.environ),
        ("redis", "REDIS_URL" in os.environ),
        ("fakeredis-server", REQUIRED),
    )
    if not here
}
"""Those that are here without asking."""


def _address(variable: str, what: str) -> str:
    address = os.environ.get(variable, "")
    if not address:
        missing = f"no {what}: {variable} is not set"
        if REQUIRED:
            pytest.fail(f"{missing}, and CLEF_REQUIRE_BACKENDS=1")
        pytest.skip(missing)
    return address


_numbers = itertools.count(1)


def sql_backend(service: Database) -> Backend:
    clock, database = TestClock(), service.emptied()
    engine, prefix = database.engine, database.prefix
    return Backend(
        clock,
        SqlStorage(engine, prefix=prefix, concept="User", clock=clock),
        SqlStorage(engine, prefix=prefix, concept="User#rows", clock=clock),
        log=SqlActionLog(engine, prefix, clock),
        guard=SqlFiringGuard(engine, prefix, clock),
        table=f"{prefix}state",
        capabilities=frozenset({ATOMIC}),
    )


def redis_backend(service: RedisService) -> Backend:
    clock = TestClock()
    commands, prefix = service.commands(service.client, clock), f"{service.prefix}{next(_numbers)}:"
    return Backend(
        clock,
        RedisStorage(commands, prefix=prefix, concept="User", clock=clock),
        RedisStorage(commands, prefix=prefix, concept="User#rows", clock=clock),
        guard=RedisFiringGuard(commands, prefix, clock, CountingIds()),
        table=prefix,
        capabilities=frozenset({ATOMIC}),
    )


class SqlFaults:
    """Makes an engine's next statements or commits fail, below SQLAlchemy, as its driver would say it."""

    def __init__(self, engine: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
        self._plans: dict[str, list[Callable[[Callable[[], Any]], Any]]] = {"do_execute": [], "do_commit": []}
        self.calls: list[str] = []
        self._postgres = engine.dialect.name == "postgresql"
        for method in self._plans:
            monkeypatch.setattr(engine.dialect, method, self._planned(method, getattr(engine.dialect, method)))

    def _planned(self, method: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            verb = arguments[1].partition(" ")[0] if method == "do_execute" else "COMMIT"
            self.calls.append(verb)
            if verb == "BEGIN" or not self._plans[method]:
                return real(*arguments, **options)
            return self._plans[method].pop(0)(lambda: real(*arguments, **options))

        return call

    def throttle(self, *, times: int = 1) -> None:
        """The next statements are undone by the database: a deadlock, a lock that another holds."""
        self._plan("do_execute", lambda call: self._raise("40P01", sqlite3.SQLITE_BUSY), times)

    def refuse(self) -> None:
        """The next statement is refused for good."""
        self._plan("do_execute", lambda call: self._raise("42501", sqlite3.SQLITE_READONLY), 1)

    def shut_down(self) -> None:
        """The next statement is told that the server shuts down; its connection is not closed yet."""
        self._plan("do_execute", lambda call: self._raise("57P01", sqlite3.SQLITE_IOERR), 1)

    def lose_request(self, method: str = "do_execute", *, times: int = 1) -> None:
        self._plan(method, lambda call: self._raise(None, sqlite3.SQLITE_IOERR), times)

    def lose_answer(self, method: str = "do_execute", *, times: int = 1) -> None:
        def plan(call: Callable[[], Any]) -> None:
            call()
            self._raise(None, sqlite3.SQLITE_IOERR)

        self._plan(method, plan, times)

    def before(self, action: Callable[[], Any]) -> None:
        """Something happens just before the next statement."""

        def plan(call: Callable[[], Any]) -> Any:
            action()
            return call()

        self._plan("do_execute", plan, 1)

    def _plan(self, method: str, plan: Callable[[Callable[[], Any]], Any], times: int) -> None:
        self._plans[method].extend([plan] * times)

    def _raise(self, sqlstate: str | None, sqlite_code: int) -> None:
        if self._postgres:
            raise psycopg.errors.lookup(sqlstate)("planned") if sqlstate else psycopg.OperationalError("planned")
        error = sqlite3.OperationalError("planned")
        error.sqlite_errorcode = sqlite_code
        raise error


class FaultyRedis:
    """A redis-py client whose next commands fail; `calls` has every command's name."""

    def __init__(self, client: Any) -> None:
        self.client, self.calls = client, list[str]()
        self._plans: list[Callable[[Callable[[], Any]], Any]] = []

    def fail(self, *errors: Exception) -> None:
        """Each error instead of a command."""
        for error in errors:
            self._plans.append(lambda call, error=error: _throw(error))

    def lose_answer(self, *, times: int = 1) -> None:
        def plan(call: Callable[[], Any]) -> None:
            call()
            _throw(redis.exceptions.TimeoutError("planned"))

        self._plans.extend([plan] * times)

    def before(self, action: Callable[[], Any]) -> None:
        def plan(call: Callable[[], Any]) -> Any:
            action()
            return call()

        self._plans.append(plan)

    def execute_command(self, *command: str) -> Any:
        self.calls.append(command[0])
        call = lambda: self.client.execute_command(*command)  # noqa: E731 - one line says it
        return self._plans.pop(0)(call) if self._plans else call()


def _throw(error: Exception) -> None:
    raise error
