"""The simulator's models of PostgreSQL, Redis and Upstash for the contract suite, called directly."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from contract_backends import TestClock
from contract_stores import Database, RedisService

from clef_runtime import sql
from clef_runtime.redis import redis_commands
from clef_runtime.storage.upstash import upstash_commands
from clef_sim.services import redis as models
from clef_sim.services.sql import Database as Postgres
from clef_sim.services.sql import sdk_engine

_PREFIX = "clef-test-"


@contextmanager
def postgres_model() -> Iterator[Database]:
    engine, _ = sdk_engine(Postgres())
    sql.create_schema(engine, _PREFIX)
    yield Database(engine, _PREFIX)


@contextmanager
def redis_model() -> Iterator[RedisService]:
    client = models.RedisClient(models.RedisService(TestClock().now))
    yield RedisService(client, redis_commands, "clef-test:")


@contextmanager
def upstash_model() -> Iterator[RedisService]:
    client = models.UpstashClient(models.UpstashService(TestClock().now))
    yield RedisService(client, upstash_commands, "clef-test:")


MODELS: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "postgres-model": postgres_model,
    "redis-model": redis_model,
    "upstash-model": upstash_model,
}
