"""`create` makes the bucket that a manifest's large values need, once and again; the runtime's own clients use it."""

from __future__ import annotations

from typing import Any

import pytest

import emulators
from clef_runtime.context import SystemClock, SystemIds
from clef_runtime.deploy.manifest import load_manifest
from clef_runtime.deploy.names import Names
from clef_runtime.deploy.stores import Stores
from clef_sim.commands.output import app_of
from emulators.provisioned import create, needed

pytestmark = pytest.mark.emulated

APP = "scenarios.apps.conduit"


def _clients(cloud: str) -> Any:
    if cloud == "aws":
        from clef_runtime.deploy.aws_clients import AwsClients

        return AwsClients()
    from clef_runtime.deploy.google_clients import GoogleClients

    return GoogleClients(project="clef-local")


@pytest.mark.parametrize("template", ["aws-per-request", "gcp-event-driven"])
def test_bucket_of_a_manifest_is_made_and_serves_the_runtime(template: str, monkeypatch: pytest.MonkeyPatch) -> None:
    changes = {"storage.overrides.Article": "blob"}
    manifest, app = load_manifest(template, changes), app_of(APP)
    fleet = emulators.start(needed(manifest))
    try:
        for name, value in fleet.env.items():
            monkeypatch.setenv(name, value)
        assert "conduit-objects" in create(manifest, app, fleet.env)
        assert "conduit-objects" in create(manifest, app, fleet.env)
        made = Stores(manifest, Names(manifest, app.name), _clients(manifest.cloud), SystemClock(), SystemIds())
        storage = made.storage("Article")
        value = {"title": "Large", "body": "x" * 600_000}
        storage.put("article", "a", value)
        assert storage.get("article", "a") == value
        storage.delete("article", "a")
        assert storage.find("article") == []
    finally:
        fleet.stop()
