"""Fixtures of the contract suite: what each clause may ask for, on which backends.

A backend is a maker of adapters and the name of the service under them (None: none). `pytest tests/contract
--matrix` counts what each was held to.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from contract_aws import AWS
from contract_backends import (
    ATOMIC,
    Backend,
    Services,
    Started,
    memory_backend,
    prefixed_tables_backend,
    single_table_backend,
    staging_backend,
)
from contract_blobs import (
    BLOBS,
    blob_backend,
    blob_firestore_backend,
    blob_memory_backend,
    blob_sql_backend,
    offloading_backend,
)
from contract_google import GOOGLE, firestore_backend
from contract_matrix import Matrix, backend_name
from contract_models_sql import MODELS
from contract_stores import STORES, redis_backend, sql_backend

SERVICES = {**AWS, **STORES, **MODELS, **GOOGLE, **BLOBS}

SQS = ("moto", "model", "moto-server", "ministack", "localstack")
DYNAMODB = ("moto", "model", "moto-server", "ministack", "dynamodb-local")

SINGLE_TABLE = [(single_table_backend, name) for name in DYNAMODB]
PREFIXED_TABLES = [(prefixed_tables_backend, name) for name in DYNAMODB]
FIRESTORE = [(firestore_backend, name) for name in ("firestore", "firestore-model")]
SQL = [(sql_backend, name) for name in ("sqlite", "postgres")]
REDIS = [(redis_backend, name) for name in ("fakeredis", "fakeredis-server", "redis", "upstash")]
BLOB = [
    *((blob_backend, name) for name in ("moto", "model", "moto-server", "ministack")),
    *((offloading_backend, name) for name in ("moto", "model", "ministack")),
    *((blob_memory_backend, name) for name in ("moto", "model", "localstack", "gcs", "gcs-model")),
    *((blob_firestore_backend, name) for name in ("firestore-gcs", "firestore-gcs-model")),
    (blob_sql_backend, "sqlite-s3-model"),
]

SQL_MODEL = [(sql_backend, "postgres-model")]
REDIS_MODELS = [(redis_backend, name) for name in ("redis-model", "upstash-model")]

LOGGED = [(memory_backend, None), *SINGLE_TABLE, *PREFIXED_TABLES, *FIRESTORE, *SQL, *SQL_MODEL, *BLOB]
STORED = [*LOGGED, *REDIS, *REDIS_MODELS, (staging_backend, None)]
GUARDED = [(memory_backend, None), *SINGLE_TABLE, *FIRESTORE, *SQL, *SQL_MODEL, *REDIS, *REDIS_MODELS]


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("contract matrix")
    group.addoption("--matrix", action="store_true", help="count what each backend was held to, port by port")
    group.addoption("--matrix-json", metavar="FILE", help="the same as JSON")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("matrix", None) or config.getoption("matrix_json", None):
        config.pluginmanager.register(Matrix(config, SERVICES))


@pytest.fixture(scope="session")
def stores() -> Iterator[Started]:
    """The services by name."""
    started = Started(SERVICES)
    yield started
    started.close()


@pytest.fixture(params=STORED, ids=backend_name)
def stored(request: pytest.FixtureRequest, stores: Started) -> Backend:
    """A storage; nothing else is promised."""
    return _made(request, stores)


@pytest.fixture(params=LOGGED, ids=backend_name)
def logged(request: pytest.FixtureRequest, stores: Started) -> Backend:
    """A storage that stages, and a log of the same backend."""
    return _made(request, stores)


@pytest.fixture(params=GUARDED, ids=backend_name)
def guarded(request: pytest.FixtureRequest, stores: Started) -> Backend:
    """A guard."""
    return _made(request, stores)


@pytest.fixture(params=[*SINGLE_TABLE, *PREFIXED_TABLES], ids=backend_name)
def called(request: pytest.FixtureRequest, stores: Started) -> Backend:
    """A storage and a log that make SDK calls, which `faults` makes fail."""
    return _made(request, stores)


@pytest.fixture(params=SINGLE_TABLE, ids=backend_name)
def guard_called(request: pytest.FixtureRequest, stores: Started) -> Backend:
    """A guard that makes SDK calls, which `faults` makes fail."""
    return _made(request, stores)


@pytest.fixture(params=[*SINGLE_TABLE, *SQL, *REDIS], ids=backend_name)
def racing(request: pytest.FixtureRequest, stores: Started) -> Backend:
    """A storage and a guard that threads may share."""
    backend = _made(request, stores)
    if ATOMIC not in backend.capabilities:
        pytest.skip(f"no capability {ATOMIC!r}")
    return backend


@pytest.fixture(params=SQL, ids=backend_name)
def racing_log(request: pytest.FixtureRequest, stores: Started) -> Backend:
    """A storage that stages, and a log of the same backend, that threads may share."""
    return _made(request, stores)


@pytest.fixture(params=SQS)
def services(request: pytest.FixtureRequest, stores: Started) -> Services:
    """Queues."""
    found: Services = stores[request.param]
    return found


@pytest.fixture(params=["firestore", "firestore-model"], scope="session")
def firestore_client(request: pytest.FixtureRequest, stores: Started) -> Any:
    return stores[request.param]


@pytest.fixture(params=["pubsub", "pubsub-model"], scope="session")
def pubsub(request: pytest.FixtureRequest, stores: Started) -> Any:
    return stores[request.param]


def _made(request: pytest.FixtureRequest, stores: Started) -> Backend:
    maker, service = request.param
    backend: Backend = maker(stores[service] if service else None)
    return backend
