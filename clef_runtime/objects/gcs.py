"""Objects in Google Cloud Storage."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from google.api_core import exceptions
from google.auth.exceptions import GoogleAuthError
from google.cloud.storage.exceptions import DataCorruption
from requests.exceptions import ConnectTimeout, RequestException
from urllib3.exceptions import NewConnectionError

from clef_runtime import google
from clef_runtime.context import Clock
from clef_runtime.errors import ClefError, Conflict, Indeterminate, TooLarge, Unreachable
from clef_runtime.objects.base import Listed
from clef_runtime.retry import Caller, Retry

ONCE: dict[str, Any] = {"retry": None, "timeout": google.CALL_TIMEOUT_S}
"""Arguments of every SDK call: no retries by the SDK, and a time-out in seconds for connecting and for each read."""

OBJECT_BYTES = 5 * 2**40
"""The service's limit for an object."""

PAGE_OBJECTS = 1000

_TOO_LARGE = 413


class GcsObjects:
    """The objects of one bucket. See `Objects`.

    Args:
        client: a `google.cloud.storage.Client`.
        retry: bounds of retries; every operation is idempotent, so that all are repeated.
    """

    def __init__(
        self,
        client: Any,
        bucket: str,
        clock: Clock,
        retry: Retry = Retry(),  # noqa: B008 - frozen
    ) -> None:
        self._client, self._bucket, self._name = client, client.bucket(bucket), bucket
        catch = (exceptions.GoogleAPICallError, GoogleAuthError, RequestException, DataCorruption)
        self._call = Caller(clock, retry, catch, _translate)

    def create(self, name: str, body: bytes) -> None:
        if len(body) > OBJECT_BYTES:
            raise TooLarge(f"object of {len(body)} bytes; bucket {self._name!r} takes {OBJECT_BYTES}")
        try:
            self._call(self._upload, {**self._at(name), "body": body})
        except Conflict as conflict:
            if not conflict.after_doubt:  # else it is this call's own: nobody else has the name
                raise

    def _upload(self, path: str, body: bytes, **_: str) -> None:
        blob = self._bucket.blob(path)
        blob.upload_from_string(body, content_type="application/json", if_generation_match=0, **ONCE)

    def get(self, name: str) -> bytes | None:
        found: bytes | None = self._call(self._download, self._at(name))
        return found

    def _download(self, path: str, **_: str) -> bytes | None:
        try:
            body: bytes = self._bucket.blob(path).download_as_bytes(**ONCE)
        except exceptions.NotFound:
            self._bucket_must_be()
            return None
        return body

    def delete(self, name: str) -> None:
        self._call(self._delete, self._at(name))

    def _delete(self, path: str, **_: str) -> None:
        try:
            self._bucket.blob(path).delete(**ONCE)
        except exceptions.NotFound:
            self._bucket_must_be()

    def _bucket_must_be(self) -> None:
        """The service's error for a missing object and for a missing bucket is the same, but for words."""
        list(self._client.list_blobs(self._name, max_results=1, **ONCE))

    def listed(self, prefix: str) -> Iterator[Listed]:
        after = ""
        while True:
            page = self._call(self._page, {**self._at(prefix), "after": after})
            yield from page
            if len(page) < PAGE_OBJECTS:
                return
            after = page[-1].name

    def _page(self, path: str, after: str, **_: str) -> list[Listed]:
        """The next objects behind the name `after`. By name, not by the SDK's iterator, which asks by itself."""
        options = {"start_offset": f"{after}\0"} if after else {}
        found = self._client.list_blobs(self._name, prefix=path, max_results=PAGE_OBJECTS, **options, **ONCE)
        return [Listed(blob.name, blob.time_created.timestamp()) for blob in found]

    def _at(self, name: str) -> dict[str, Any]:
        return {"what": f"bucket {self._name!r}, object", "path": name}


def _translate(error: Exception, arguments: Mapping[str, Any]) -> ClefError:
    words = f"{arguments['what']} {arguments['path']!r}: {type(error).__name__}: {error}"
    if isinstance(error, ConnectTimeout) or _refused(error):
        return Unreachable(f"{words}; nothing was sent")
    if isinstance(error, RequestException | DataCorruption):
        return Indeterminate(f"{words}; it may have been done")
    if isinstance(error, exceptions.GoogleAPICallError) and error.code == _TOO_LARGE:
        return TooLarge(words)
    return google.translate(error, arguments)


def _refused(error: Exception) -> bool:
    """Whether no connection could be made."""
    cause = error.args[0] if error.args else None
    return isinstance(getattr(cause, "reason", None), NewConnectionError)
