"""Cloud Storage on a real service, by the SDK's own client."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from typing import Any, TypeVar

from google.api_core import exceptions
from google.auth.credentials import AnonymousCredentials
from google.cloud.storage import Client
from requests.exceptions import RequestException

from clef_runtime.objects.gcs import ONCE
from clef_sim.emulated.backends import Backend, BackendFailed
from clef_sim.kernel.threads import Kernel
from clef_sim.services.objects.store import Object

_T = TypeVar("_T")


@lru_cache(maxsize=8)
def _client(url: str, project: str) -> Any:
    """One for each endpoint, which it keeps connections to."""
    credentials = AnonymousCredentials()  # type: ignore[no-untyped-call]  # the SDK has no types for it
    return Client(project=project, credentials=credentials, client_options={"api_endpoint": url})


class EmulatedGcs:
    """As the model `services.objects.gcs.Gcs`, on a service that runs. Buckets are empty at first in each run.

    Raises (from every method):
        BackendFailed: nobody answers; it ends the run.
    """

    def __init__(self, backend: Backend, kernel: Kernel) -> None:
        self._client = _client(backend.url, backend.env.get("CLEF_PROJECT", "sim"))
        self._backend, self._kernel = backend, kernel

    def create_bucket(self, *, bucket: str) -> None:
        with suppress(exceptions.Conflict):
            self._call(lambda: self._client.create_bucket(bucket, **ONCE))
        for blob in self._call(lambda: list(self._client.list_blobs(bucket, **ONCE))):
            self._call(lambda blob=blob: blob.delete(**ONCE))  # type: ignore[misc]  # it is any SDK call

    def insert_object(
        self, *, bucket: str, name: str, body: bytes, content_type: str, if_generation_match: int | None
    ) -> None:
        blob = self._client.bucket(bucket).blob(name)
        options = {"content_type": content_type, "if_generation_match": if_generation_match, **ONCE}
        self._call(lambda: blob.upload_from_string(body, **options))

    def get_object(self, *, bucket: str, name: str) -> bytes:
        blob = self._client.bucket(bucket).blob(name)
        body: bytes = self._call(lambda: blob.download_as_bytes(**ONCE))
        return body

    def delete_object(self, *, bucket: str, name: str) -> None:
        self._call(lambda: self._client.bucket(bucket).blob(name).delete(**ONCE))

    def list_objects(self, *, bucket: str, prefix: str, start: str, most: int) -> list[tuple[str, Object]]:
        """Without bodies."""
        options = {"prefix": prefix, "start_offset": start or None, "max_results": most, **ONCE}
        found = self._call(lambda: list(self._client.list_blobs(bucket, **options)))
        return [(blob.name, Object(b"", blob.content_type, blob.time_created.timestamp())) for blob in found]

    def _call(self, method: Callable[[], _T]) -> _T:
        try:
            return method()
        except (RequestException, exceptions.ServiceUnavailable) as error:
            words = f"stopped answering: {type(error).__name__}: {error}; see whether it still runs"
            raise self._kernel.abort(BackendFailed(self._backend, words)) from None
