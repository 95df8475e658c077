"""Which tests run, and what they run against.

Tests marked `emulated` start services; they run with `-m emulated`, or where CLEF_REQUIRE_BACKENDS=1. The latter also
starts the services that the contract is held against, where the environment does not name them already.
"""

from __future__ import annotations

import os

import pytest

import emulators
from emulators.catalogue import SERVICES, named

REQUIRED = os.environ.get("CLEF_REQUIRE_BACKENDS") == "1"
BACKENDS = ("redis", "postgres", "firestore", "pubsub", "gcs")

_fleets: list[emulators.Fleet] = []


def pytest_configure(config: pytest.Config) -> None:
    # A worker of pytest-xdist has the environment of the process that started it.
    if not REQUIRED or hasattr(config, "workerinput") or config.option.collectonly:
        return
    lacking = [name for name in BACKENDS if not named(SERVICES[name], os.environ)[0]]
    if lacking:
        fleet = emulators.start(lacking)
        _fleets.append(fleet)
        os.environ.update(fleet.env)


def pytest_unconfigure() -> None:
    while _fleets:
        _fleets.pop().stop()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if REQUIRED or "emulated" in (config.option.markexpr or ""):
        return
    skip = pytest.mark.skip(reason="starts services: -m emulated, or CLEF_REQUIRE_BACKENDS=1")
    for item in items:
        if item.get_closest_marker("emulated"):
            item.add_marker(skip)
