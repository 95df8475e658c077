"""Google Cloud Storage: the service's requests in memory, and its SDK's objects over them.

`Gcs` is the service, five methods of its JSON API; `sdk_client` gives what the adapter calls of
`google.cloud.storage`: buckets, blobs, listings. Errors are `google.api_core.exceptions`. Reads and listings are
strong. Left out, and refused by name: conditions other than on generation 0, metadata, versions, copies, ranges, and
whatever else the SDK's objects can do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from google.api_core import datetime_helpers, exceptions

from clef_sim.services.google import refusal
from clef_sim.services.objects.store import NAME_BYTES, Bucket, Object
from clef_sim.services.sdk import Unmodelled, refuse_unmodelled

_OPTIONS = frozenset({"retry", "timeout"})


class Gcs:
    """An in-memory project.

    Args:
        clock_now: epoch seconds.
    """

    def __init__(self, clock_now: Callable[[], float]) -> None:
        self._now = clock_now
        self._buckets: dict[str, Bucket] = {}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise Unmodelled(f"Gcs.{name} is not modelled")

    def bucket(self, name: str) -> Bucket:
        """For the simulator. Raises KeyError."""
        return self._buckets[name]

    def create_bucket(self, *, bucket: str) -> None:
        if bucket in self._buckets:
            raise refusal(exceptions.Conflict, f"A Cloud Storage bucket named '{bucket}' already exists.")
        self._buckets[bucket] = Bucket()

    def insert_object(
        self, *, bucket: str, name: str, body: bytes, content_type: str, if_generation_match: int | None
    ) -> None:
        """Stores the object whole, replacing what is there; with generation 0 only where there is none."""
        if if_generation_match not in (None, 0):
            raise Unmodelled(f"InsertObject: if_generation_match={if_generation_match} is not modelled; it can be 0")
        found = self._bucket(bucket)
        if not name or len(name.encode()) > NAME_BYTES:
            words = f"The specified object name is not valid: {len(name.encode())} bytes"
            raise refusal(exceptions.BadRequest, words)
        if if_generation_match == 0 and found.get(name) is not None:
            words = "At least one of the pre-conditions you specified did not hold."
            raise refusal(exceptions.PreconditionFailed, words)
        found.put(name, Object(body, content_type, self._now()))

    def get_object(self, *, bucket: str, name: str) -> bytes:
        found = self._bucket(bucket).get(name)
        if found is None:
            raise refusal(exceptions.NotFound, f"No such object: {bucket}/{name}")
        return found.body

    def delete_object(self, *, bucket: str, name: str) -> None:
        """Raises NotFound where there is none."""
        if not self._bucket(bucket).delete(name):
            raise refusal(exceptions.NotFound, f"No such object: {bucket}/{name}")

    def list_objects(self, *, bucket: str, prefix: str, start: str, most: int) -> list[tuple[str, Object]]:
        """In the order of the names' bytes, from `start` on."""
        found = self._bucket(bucket)
        listed = [(name, found.get(name)) for name in found.names(prefix, start, most)]
        return [(name, each) for name, each in listed if each is not None]

    def _bucket(self, name: str) -> Bucket:
        found = self._buckets.get(name)
        if found is None:
            raise refusal(exceptions.NotFound, "The specified bucket does not exist.")
        return found


class _Named:
    """Refuses what is not modelled, by its name."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise Unmodelled(f"{type(self).__name__}.{name} is not modelled")


class Blob(_Named):
    """As `google.cloud.storage.Blob`; `time_created` where it was listed."""

    def __init__(self, api: Any, bucket: str, name: str, time_created: Any = None) -> None:
        self._api, self._bucket, self.name, self.time_created = api, bucket, name, time_created

    def upload_from_string(
        self,
        data: bytes,
        content_type: str = "text/plain",
        *,
        if_generation_match: int | None = None,
        **options: Any,
    ) -> None:
        _check("Blob.upload_from_string", options)
        self._api.insert_object(
            bucket=self._bucket,
            name=self.name,
            body=data,
            content_type=content_type,
            if_generation_match=if_generation_match,
        )

    def download_as_bytes(self, **options: Any) -> bytes:
        _check("Blob.download_as_bytes", options)
        body: bytes = self._api.get_object(bucket=self._bucket, name=self.name)
        return body

    def delete(self, **options: Any) -> None:
        _check("Blob.delete", options)
        self._api.delete_object(bucket=self._bucket, name=self.name)


class BucketHandle(_Named):
    """As `google.cloud.storage.Bucket`, which asks nothing by itself."""

    def __init__(self, api: Any, name: str) -> None:
        self._api, self.name = api, name

    def blob(self, name: str) -> Blob:
        return Blob(self._api, self.name, name)


class Client(_Named):
    """As `google.cloud.storage.Client`."""

    def __init__(self, api: Any) -> None:
        self._api = api

    def bucket(self, name: str) -> BucketHandle:
        return BucketHandle(self._api, name)

    def create_bucket(self, name: str, **options: Any) -> BucketHandle:
        _check("Client.create_bucket", options)
        self._api.create_bucket(bucket=name)
        return BucketHandle(self._api, name)

    def list_blobs(
        self, bucket: str, max_results: int, prefix: str = "", start_offset: str = "", **options: Any
    ) -> Iterator[Blob]:
        """In one request; the SDK pages where there are more than 1,000."""
        _check("Client.list_blobs", options)
        found = self._api.list_objects(bucket=bucket, prefix=prefix, start=start_offset, most=max_results)
        for name, each in found:
            yield Blob(self._api, bucket, name, _time(each.written_s))


def sdk_client(api: Any) -> Client:
    """The SDK's client whose calls `api` answers: a model, or a network's client of one."""
    return Client(api)


def _check(what: str, options: dict[str, Any]) -> None:
    if not options.keys() <= _OPTIONS:
        refuse_unmodelled(what, options.keys() - _OPTIONS, _OPTIONS)


def _time(epoch_s: float) -> Any:
    return datetime_helpers.from_microseconds(int(epoch_s * 1e6))  # type: ignore[no-untyped-call]  # the SDK has no types for it
