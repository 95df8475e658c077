"""Services for the tests of this folder, each started once when the first test asks for it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from clef_runtime.errors import BadInput
from emulators import Running, running
from emulators.catalogue import SERVICES, choose


def _service(name: str) -> Iterator[Running]:
    try:
        choose([name], (), os.environ)
    except BadInput as error:
        if os.environ.get("CLEF_REQUIRE_BACKENDS") == "1":
            pytest.fail(str(error))
        pytest.skip(str(error))
    with running(name) as service:
        yield service


def _fixture(name: str) -> None:
    @pytest.fixture(scope="session", name=f"{name}_service")
    def fixture() -> Iterator[Running]:
        yield from _service(name)

    globals()[f"{name}_service"] = fixture


for _name in SERVICES:
    _fixture(_name)
"""`dynamodb_service`, `redis_service` and so on: a `Running`, with `endpoint` and `env`."""
