"""Where AWS emulators are: those that the environment names, or started where all are required.

An endpoint in AWS_ENDPOINT_URL.. is asked which emulator it is, and serves the tests of that one only.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import pytest

import emulators
from clef_runtime.errors import ClefError
from emulators.catalogue import SERVICES, named
from emulators.questions import call

REQUIRED = os.environ.get("CLEF_REQUIRE_BACKENDS") == "1"

SIGNS = (
    ("ministack", "/_ministack/health", 200, b"services"),
    ("localstack", "/_localstack/health", 200, b"services"),  # MiniStack has it too
    ("moto", "/moto-api/", 200, b"<"),
    ("dynamodb-local", "/", 400, b"MissingAuthenticationToken"),
)
"""What tells emulators apart: way, path, status, and what the answer holds."""


@cache
def way_at(url: str) -> str:
    """Which emulator answers there, "" where it is none of them."""
    for way, path, status, words in SIGNS:
        try:
            found, body = call(f"{url.rstrip('/')}{path}", timeout_s=5.0)
        except OSError:
            return ""
        if found == status and words in body:
            return way
    return ""


@contextmanager
def places(way: str, *services: str) -> Iterator[dict[str, str | None]]:
    """The URLs of the services that one emulator serves here, all of them where it is started; else the test ends."""
    found = {name: named(SERVICES[name], os.environ)[1] for name in services}
    there: dict[str, str | None] = {name: url for name, url in found.items() if url and way_at(url) == way}
    if there and (not REQUIRED or len(there) == len(services)):
        yield there
        return
    if not REQUIRED:
        pytest.skip(f"no {way} named: python -m emulators run {services[0]} --way {way} -- ...")
    try:
        fleet = emulators.start(services, (way,))
    except ClefError as error:
        pytest.fail(str(error))
    try:
        yield {name: fleet[name].urls[name] for name in services}
    finally:
        fleet.stop()
