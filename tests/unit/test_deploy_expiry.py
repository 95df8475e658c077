"""What log and guard may forget goes, where no service does it by itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from clef_runtime import sql
from clef_runtime.context import SystemClock, SystemIds
from clef_runtime.deploy.clients import Clients
from clef_runtime.deploy.manifest import load_manifest
from clef_runtime.deploy.wiring import Wiring
from clef_runtime.engine.index import SyncIndex
from clef_runtime.model import Completion
from emulators.provision import create_schema
from scenarios.apps.orders import app

KEEP_S = 600.0


class Later(SystemClock):
    ahead_s = 0.0

    def now(self) -> float:
        return super().now() + self.ahead_s


class OneDatabase(Clients):
    def __init__(self, url: str) -> None:
        self.url = url

    def sql(self) -> Any:
        return sql.engine(self.url)

    def http(self) -> Any:
        return None


@pytest.mark.filterwarnings("default::ResourceWarning")  # the engine's pool is nobody's to close
def test_wiring_deletes_expired_records_where_the_log_is_sql(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'clef.db'}"
    manifest = load_manifest("hybrid-postgres", {"action_log.ttl_s": KEEP_S})
    create_schema(manifest, app, url)
    clock = Later()
    wiring = Wiring(manifest, app, SyncIndex([]), OneDatabase(url), clock, SystemIds())
    log = wiring.log()
    assert log is not None
    log.append(
        Completion(
            id="c1",
            concept="urn:clef/User",
            action="register",
            input={},
            variant="ok",
            output={},
            flow="f1",
            timestamp="2026-01-01T00:00:00.000Z",
        )
    )
    assert wiring.delete_expired() == 0
    clock.ahead_s = KEEP_S + 1
    assert wiring.delete_expired() == 1
    assert wiring.delete_expired() == 0


def test_wiring_has_nothing_to_delete_where_the_service_does_it() -> None:
    manifest = load_manifest("aws-persistent-engine")
    assert Wiring(manifest, app, SyncIndex([]), Clients(), SystemClock(), SystemIds()).delete_expired() == 0
