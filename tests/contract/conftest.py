"""Fixtures of the contract suite: what each clause may ask for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from contract_backends import (
    Backend,
    Services,
    memory_backend,
    model_services,
    moto_services,
    prefixed_tables_backend,
    single_table_backend,
    staging_backend,
)
from contract_google import firestore, firestore_backend, pubsub
from contract_stores import SERVICES as STORES
from contract_stores import Stores, redis_backend, sql_backend

SERVICES = ["moto", "model"]
DYNAMODB = [(layout, name) for layout in (single_table_backend, prefixed_tables_backend) for name in SERVICES]
FIRESTORE = (firestore_backend, "firestore")
SQL = [(sql_backend, name) for name in ("sqlite", "postgres")]
REDIS = [(redis_backend, name) for name in ("fakeredis", "redis", "upstash")]
LOGGED = [(memory_backend, None), *DYNAMODB, FIRESTORE, *SQL]
STORED = [*LOGGED, *REDIS, (staging_backend, None)]
GUARDED = [(memory_backend, None), *((single_table_backend, name) for name in SERVICES), FIRESTORE, *SQL, *REDIS]
CALLED = [(single_table_backend, name) for name in SERVICES]


def _name(entry: tuple[Any, str | None]) -> str:
    maker, services = entry
    return maker.__name__.removesuffix("_backend") + (f"-{services}" if services else "")


@pytest.fixture(scope="session")
def all_services() -> Iterator[dict[str | None, Services | None]]:
    with moto_services() as moto:
        yield {None: None, "moto": moto, "model": model_services()}


@pytest.fixture(scope="session")
def stores() -> Iterator[Stores]:
    with ExitStack() as stack:
        yield Stores(stack)


@pytest.fixture(params=STORED, ids=_name)
def stored(request: pytest.FixtureRequest, all_services: dict[str | None, Services]) -> Backend:
    """A storage; nothing else is promised."""
    return _make(request, all_services)


@pytest.fixture(params=LOGGED, ids=_name)
def logged(request: pytest.FixtureRequest, all_services: dict[str | None, Services]) -> Backend:
    """A storage that stages, and a log of the same backend."""
    return _make(request, all_services)


@pytest.fixture(params=GUARDED, ids=_name)
def guarded(request: pytest.FixtureRequest, all_services: dict[str | None, Services]) -> Backend:
    """A guard."""
    return _make(request, all_services)


@pytest.fixture(params=DYNAMODB, ids=_name)
def called(request: pytest.FixtureRequest, all_services: dict[str | None, Services]) -> Backend:
    """A storage and a log that make SDK calls, which `faults` makes fail."""
    return _make(request, all_services)


@pytest.fixture(params=CALLED, ids=_name)
def guard_called(request: pytest.FixtureRequest, all_services: dict[str | None, Services]) -> Backend:
    """A guard that makes SDK calls, which `faults` makes fail."""
    return _make(request, all_services)


@pytest.fixture(params=[*SQL, *REDIS], ids=_name)
def racing(request: pytest.FixtureRequest, all_services: dict[str | None, Services]) -> Backend:
    """A storage and a guard that threads may share."""
    return _make(request, all_services)


@pytest.fixture(params=SQL, ids=_name)
def racing_log(request: pytest.FixtureRequest, all_services: dict[str | None, Services]) -> Backend:
    """A storage that stages, and a log of the same backend, that threads may share."""
    return _make(request, all_services)


@pytest.fixture(params=SERVICES)
def services(request: pytest.FixtureRequest, all_services: dict[str | None, Services]) -> Services:
    return all_services[request.param]


@pytest.fixture(scope="session")
def firestore_client() -> Any:
    return firestore()


google_pubsub = pytest.fixture(scope="session", name="pubsub")(pubsub)


def _make(request: pytest.FixtureRequest, all_services: dict[str | None, Services]) -> Backend:
    maker, services = request.param
    if services == "firestore":
        given = request.getfixturevalue("firestore_client")
    elif services in STORES:
        given = request.getfixturevalue("stores")[services]
    else:
        given = all_services[services]
    backend: Backend = maker(given)
    return backend
