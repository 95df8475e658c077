"""Fixtures of the contract suite: what each clause may ask for."""

from __future__ import annotations

from collections.abc import Iterator
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

SERVICES = ["moto", "model"]
DYNAMODB = [(layout, name) for layout in (single_table_backend, prefixed_tables_backend) for name in SERVICES]
FIRESTORE = (firestore_backend, "firestore")
LOGGED = [(memory_backend, None), *DYNAMODB, FIRESTORE]
STORED = [*LOGGED, (staging_backend, None)]
GUARDED = [(memory_backend, None), *((single_table_backend, name) for name in SERVICES), FIRESTORE]
CALLED = [(single_table_backend, name) for name in SERVICES]


def _name(entry: tuple[Any, str | None]) -> str:
    maker, services = entry
    return maker.__name__.removesuffix("_backend") + (f"-{services}" if services else "")


@pytest.fixture(scope="session")
def all_services() -> Iterator[dict[str | None, Services | None]]:
    with moto_services() as moto:
        yield {None: None, "moto": moto, "model": model_services()}


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


@pytest.fixture(params=SERVICES)
def services(request: pytest.FixtureRequest, all_services: dict[str | None, Services]) -> Services:
    return all_services[request.param]


@pytest.fixture(scope="session")
def firestore_client() -> Any:
    return firestore()


google_pubsub = pytest.fixture(scope="session", name="pubsub")(pubsub)


def _make(request: pytest.FixtureRequest, all_services: dict[str | None, Services]) -> Backend:
    maker, services = request.param
    given = request.getfixturevalue("firestore_client") if services == "firestore" else all_services[services]
    backend: Backend = maker(given)
    return backend
