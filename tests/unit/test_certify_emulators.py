"""What certificates need of `emulators`: a way that is only taken by name, and threads that are switched often."""

from __future__ import annotations

import os
import subprocess
import sys

import msgspec
import pytest

from clef_runtime.errors import BadInput
from emulators import catalogue, fleet, installs
from emulators.catalogue import SERVICES, WAYS, choose


def test_way_that_is_only_taken_by_name_is_never_chosen_else(monkeypatch: pytest.MonkeyPatch) -> None:
    npm = msgspec.structs.replace(WAYS["firestore-npm"], missing=lambda: None)
    service = msgspec.structs.replace(SERVICES["firestore"], ways=(npm,))
    monkeypatch.setattr(catalogue, "SERVICES", {"firestore": service})
    monkeypatch.setitem(catalogue.WAYS, "firestore-npm", npm)
    with pytest.raises(BadInput, match="nothing here serves firestore"):
        choose(["firestore"], (), {})
    assert choose(["firestore"], ["firestore-npm"], {}) == {"firestore": "firestore-npm"}


def test_python_that_is_to_switch_often_does() -> None:
    shown = subprocess.run(
        [sys.executable, "-c", "import sys; print(sys.getswitchinterval())"],
        env={**os.environ, "PYTHONPATH": str(fleet._SWITCHING), "CLEF_SWITCH_INTERVAL_S": "1e-05"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert float(shown.stdout) == pytest.approx(1e-5)


def test_python_ways_say_so_and_every_way_but_a_containers_has_a_version() -> None:
    assert [name for name, way in WAYS.items() if way.python] == ["ministack", "moto", "localstack", "fakeredis"]
    assert "firestore-npm" in installs.RECIPES
    pinned = [name for name in WAYS if name in installs.RECIPES]
    assert all(WAYS[name].version() for name in pinned)
