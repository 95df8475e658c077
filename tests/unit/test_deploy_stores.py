"""Which adapters a manifest's kinds come to."""

from __future__ import annotations

from typing import Any

import pytest

from clef_runtime.context import SystemClock, SystemIds
from clef_runtime.deploy.clients import Clients
from clef_runtime.deploy.manifest import load_manifest
from clef_runtime.deploy.names import Names
from clef_runtime.deploy.stores import Stores
from clef_runtime.guard.redis import RedisFiringGuard
from clef_runtime.objects.gcs import GcsObjects
from clef_runtime.objects.s3 import S3Objects
from clef_runtime.storage.blob import ABOVE_BYTES, BlobStorage
from clef_runtime.storage.dynamodb import DynamoDBStorage
from clef_runtime.storage.firestore import FirestoreStorage
from clef_runtime.storage.sql import SqlStorage
from clef_sim.services.dynamodb import DynamoDB
from clef_sim.services.firestore import Firestore
from clef_sim.services.firestore import sdk_client as firestore_client
from clef_sim.services.objects.gcs import Gcs
from clef_sim.services.objects.gcs import sdk_client as gcs_client
from clef_sim.services.objects.s3 import S3


class ModelClients(Clients):
    """The models, without a network."""

    def dynamodb(self) -> Any:
        return DynamoDB(lambda: 0.0)

    def firestore(self) -> Any:
        return firestore_client(Firestore(lambda: 0.0))

    def sql(self) -> Any:
        from clef_runtime.sql import engine

        return engine("sqlite://")

    def s3(self) -> Any:
        return S3(lambda: 0.0)

    def gcs(self) -> Any:
        return gcs_client(Gcs(lambda: 0.0))

    def upstash(self) -> Any:
        return object()


def stores(template: str, changes: dict[str, Any]) -> Stores:
    manifest = load_manifest(template, changes)
    return Stores(manifest, Names(manifest, "shop"), ModelClients(), SystemClock(), SystemIds())


@pytest.mark.parametrize(
    ("template", "changes", "index", "objects", "kind"),
    [
        ("aws-event-driven", {}, DynamoDBStorage, S3Objects, "dynamodb"),
        ("gcp-event-driven", {}, FirestoreStorage, GcsObjects, "firestore"),
        ("aws-event-driven", {"storage.index": "sql"}, SqlStorage, S3Objects, "sql"),
    ],
    ids=str,
)
def test_blob_storage_is_over_its_index_and_its_clouds_bucket(
    template: str, changes: dict[str, Any], index: type, objects: type, kind: str
) -> None:
    made = stores(template, {"storage.overrides.Media": "blob", **changes})
    storage = made.storage("Media")
    assert isinstance(storage, BlobStorage)
    assert (type(storage._index), type(storage._objects)) == (index, objects)
    assert storage._above == ABOVE_BYTES[kind]
    assert storage.transactional
    assert not isinstance(made.storage("User"), BlobStorage)


def test_guard_on_upstash_is_that_of_redis() -> None:
    assert isinstance(stores("aws-event-driven", {"guard.kind": "upstash"}).guard(), RedisFiringGuard)
