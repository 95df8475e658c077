"""What the tests of the emulated world on AWS share: services started once for a test file, by several ways."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from clef_runtime.errors import BadInput
from clef_sim.emulated.backends import Backend, Backends
from emulators import SERVICES, start
from emulators.catalogue import choose

WAYS = {
    "moto": ("moto",),
    "ministack": ("ministack",),
    "localstack": ("localstack", "dynamodb-local"),
}
"""The ways by which SQS and DynamoDB are got together."""


@contextmanager
def started(name: str, *services: str) -> Iterator[Backends]:
    """SQS and DynamoDB, or those of them that are named. Skips where they are not here; CI requires them."""
    wanted = services or ("sqs", "dynamodb")
    serving = {way.name for service in wanted for way in SERVICES[service].ways}
    ways = [way for way in WAYS[name] if way in serving]
    try:
        choose(wanted, ways, os.environ)
    except BadInput as error:
        if os.environ.get("CLEF_REQUIRE_BACKENDS") == "1":
            pytest.fail(str(error))
        pytest.skip(str(error))
    fleet = start(wanted, ways)
    try:
        yield {
            service: Backend(service, member.way, url, SERVICES[service].env(url))
            for member in fleet.members
            for service, url in member.urls.items()
        }
    finally:
        fleet.stop()
