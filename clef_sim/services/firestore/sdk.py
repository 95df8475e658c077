"""The SDK's own client over the model: its batches, references, queries and snapshots run as they are."""

from __future__ import annotations

from typing import Any

from google.auth.credentials import AnonymousCredentials
from google.cloud import firestore

PROJECT = "sim"


def sdk_client(api: Any, project: str = PROJECT) -> Any:
    """A `google.cloud.firestore.Client` whose calls `api` answers: a model, or a network's client of one."""
    client = firestore.Client(project=project, credentials=AnonymousCredentials())  # type: ignore[no-untyped-call]  # the SDK has no types for it
    client._firestore_api_internal = api
    return client
