"""Cloud Storage: an upload with `if_generation_match`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from google.api_core import exceptions
from google.cloud.storage import Client
from requests.adapters import HTTPAdapter
from requests.exceptions import RequestException

from clef_runtime import google
from clef_runtime.deploy.google_clients import GoogleClients
from clef_runtime.errors import ClefError, Indeterminate
from clef_runtime.objects.gcs import ONCE
from clef_runtime.retry import NO_RETRY, Caller
from clef_sim.certify.probes import Moment, table_of

_CONNECTIONS = 32
"""As the AWS clients have them; `requests` keeps 10, and closes what is over them."""


class Probe:
    def __init__(self, env: Mapping[str, str]) -> None:
        project = env.get("CLEF_PROJECT") or os.environ.get("CLEF_PROJECT", "")
        self.client: Client = GoogleClients(project=project).gcs()
        self.client._http.mount("http://", HTTPAdapter(pool_maxsize=_CONNECTIONS))

    def prepare(self, name: str) -> None:
        with suppress(exceptions.Conflict):  # it is there
            self.client.create_bucket(name)

    def contender(self, name: str) -> _Contender:
        return _Contender(self.client.bucket(table_of(name)))


class _Contender:
    def __init__(self, bucket: Any) -> None:
        self._bucket = bucket
        self._call = Caller(Moment(), NO_RETRY, (exceptions.GoogleAPICallError, RequestException), _translate)

    def create(self, key: str, value: str) -> bool:
        return self.set(key, 0, value)

    def read(self, key: str) -> tuple[str | None, int]:
        """The generation comes with the content, in one answer."""
        found = self._call(self._read, {"key": key})
        return found if found else (None, 0)

    def _read(self, key: str) -> tuple[str, int] | None:
        blob = self._bucket.blob(key)
        try:
            body = blob.download_as_bytes(**ONCE)
        except exceptions.NotFound:
            return None
        return body.decode(), blob.generation

    def set(self, key: str, token: Any, value: str) -> bool:
        arguments = {"data": value, "if_generation_match": token or 0, **ONCE}
        self._call(self._bucket.blob(key).upload_from_string, arguments)
        return True


def _translate(error: Exception, arguments: Mapping[str, Any]) -> ClefError:
    if isinstance(error, RequestException):
        return Indeterminate(f"{type(error).__name__}: {error}")
    return google.translate(error, {"path": arguments.get("key", "object")})
