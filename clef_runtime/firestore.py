"""What the adapters on Firestore share: documents by path, written together or not at all.

A document's version is the time of its last change, in microseconds, as the service keeps it: preconditions on
it are exact, here and in production, and take no lock. The service leaves a document alone, and its version,
where a write changes nothing; whoever needs a new version with each write puts something new into it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from google.api_core.datetime_helpers import DatetimeWithNanoseconds
from google.api_core.exceptions import GoogleAPICallError
from google.cloud.firestore_v1.base_query import FieldFilter
from google.cloud.firestore_v1.transaction import Transaction
from google.protobuf.timestamp_pb2 import Timestamp

from clef_runtime.context import Clock, iso
from clef_runtime.errors import BadInput
from clef_runtime.google import ONCE, caller
from clef_runtime.model import Record
from clef_runtime.retry import Retry

ID_BYTES = 1500
"""The service's limit for the id of a document or collection."""

PAGE_DOCUMENTS = 300

Filter = tuple[str, str, Any]
"""A field's path, an operator of Firestore's, a value."""


class Document(msgspec.Struct, frozen=True):
    """A document as read; `path` is relative to the database."""

    path: str
    data: Record
    version: int

    @property
    def name(self) -> str:
        """What `segment` made the document's id of."""
        return _name(self.path.rpartition("/")[2])


class Change(msgspec.Struct, frozen=True):
    """One write: `data` replaces the document's fields, None deletes it. `version` is the one it must have (0:
    there must be none); None: no condition. A change with a version other than 0 replaces only those top-level
    fields that `data` has."""

    path: str
    data: Record | None
    version: int | None = None


class Documents:
    """A Firestore client's calls, each bounded in time and repeated within `retry`.

    All methods raise as `google.translate` says.

    Args:
        client: a `google.cloud.firestore.Client`.
    """

    def __init__(self, client: Any, clock: Clock, retry: Retry) -> None:
        self._client, self._call = client, caller(clock, retry)

    def get(self, path: str) -> Document | None:
        """The document, strongly read, or None."""
        snapshot = self._call(self._get, {"path": path})
        return _document(snapshot) if snapshot.exists else None

    def _get(self, path: str) -> Any:
        return self._client.document(path).get(**ONCE)

    def commit(self, changes: Sequence[Change]) -> None:
        """Makes all changes, or none. Idempotent but for its answer: repeated after a lost one, it may be told
        Conflict because of its own earlier attempt (`after_doubt`).

        Raises:
            Conflict: a version is not what it must be; it does not say which.
        """
        self._call(self._commit, {"changes": changes})

    def _commit(self, changes: Sequence[Change]) -> None:
        batch = self._client.batch()
        for change in changes:
            self._add(batch, change)
        batch.commit(**ONCE)

    def _add(self, batch: Any, change: Change) -> None:
        reference = self._client.document(change.path)
        if change.data is None:
            batch.delete(reference, self._option(change.version))
        elif change.version is None:
            batch.set(reference, change.data)
        elif change.version == 0:
            batch.create(reference, change.data)
        else:
            batch.update(reference, change.data, self._option(change.version))

    def _option(self, version: int | None) -> Any:
        if version is None:
            return None
        if version == 0:
            return self._client.write_option(exists=False)
        at = Timestamp(seconds=version // 1_000_000, nanos=version % 1_000_000 * 1_000)
        return self._client.write_option(last_update_time=at)

    def create_unless_read(self, path: str, data: Record) -> bool:
        """In a transaction that reads, then writes: creates the document where there is none; whether it did.
        Not repeated where it may have been done.

        Raises:
            Throttled: others are at the document, in each attempt; nothing is known of what they do.
        """
        made: bool = self._call(self._create_unless_read, {"path": path, "data": data}, idempotent=False)
        return made

    def _create_unless_read(self, path: str, data: Record) -> bool:
        reference = self._client.document(path)
        attempt = _Attempt(self._client, max_attempts=1)
        attempt.begin()
        try:
            if reference.get(transaction=attempt, **ONCE).exists:
                attempt.rollback()
                return False
            attempt.set(reference, data)
            attempt.commit()
            return True
        except GoogleAPICallError:
            attempt.rollback()
            raise

    def find(self, collection: str, filters: Sequence[Filter] = (), most: int | None = None) -> Iterator[Document]:
        """The documents of a collection that meet all filters, by id, page by page, each page strongly read."""
        query = self._client.collection(collection)
        for filter_ in filters:
            query = query.where(filter=FieldFilter(*filter_))
        return self._pages(query, "collection", collection, most)

    def find_everywhere(self, collection_id: str, fields: Sequence[str] = ()) -> Iterator[Document]:
        """The documents of all collections of that id, whatever they are under, by path; all fields, or some."""
        query = self._client.collection_group(collection_id)
        return self._pages(query.select(list(fields)) if fields else query, "collections", collection_id, None)

    def _pages(self, query: Any, what: str, path: str, most: int | None) -> Iterator[Document]:
        ordered = query.order_by("__name__")
        page = ordered
        left = most
        while left is None or left > 0:
            size = PAGE_DOCUMENTS if left is None else min(PAGE_DOCUMENTS, left)
            found = self._call(_read, {"query": page.limit(size), "what": what, "path": path})
            yield from map(_document, found)
            if len(found) < size:
                return
            left = None if left is None else left - size
            page = ordered.start_after(found[-1])


class _Attempt(Transaction):
    """One attempt of a transaction. The SDK's own decorator commits with hidden retries, so that a commit that was
    done may be told as aborted, and a rollback that fails takes the place of the commit's error."""

    def begin(self) -> None:
        request = {"database": self._client._database_string, "options": self._options_protobuf(None)}
        api = self._client._firestore_api
        self._id = api.begin_transaction(request=request, metadata=self._client._rpc_metadata, **ONCE).transaction

    def commit(self) -> None:  # type: ignore[override] # takes no options: they are ONCE
        self._send(self._client._firestore_api.commit, writes=self._write_pbs)

    def rollback(self) -> None:
        """Lets go of the document at once; what this cannot tell the service, the service finds out by itself."""
        with contextlib.suppress(GoogleAPICallError):
            self._send(self._client._firestore_api.rollback)

    def _send(self, method: Any, **fields: Any) -> None:
        request = {"database": self._client._database_string, "transaction": self._id, **fields}
        method(request=request, metadata=self._client._rpc_metadata, **ONCE)


def _read(query: Any, what: str, path: str) -> list[Any]:  # noqa: ARG001 - for the words of an error
    return list(query.get(**ONCE))


def _document(snapshot: Any) -> Document:
    at = snapshot.update_time
    if not isinstance(at, Timestamp):  # as only collection groups give it
        at = at.timestamp_pb()
    return Document(snapshot.reference.path, snapshot.to_dict(), at.seconds * 1_000_000 + at.nanos // 1_000)


def segment(name: str) -> str:
    """A document's or collection's id for any name but an empty one, in the order of the names.

    Raises:
        BadInput: a name that Firestore cannot keep: a lone surrogate, or over `ID_BYTES` once each `.` and `/`
            counts twice.
    """
    # In the order of the names: `.` and `/` are neighbours, and what they become is not the beginning of anything
    # else. The colon keeps ids from being `__reserved__`.
    id_ = ":" + name.replace(".", ".0").replace("/", ".1")
    try:
        size = len(id_.encode())
    except UnicodeEncodeError as error:
        raise BadInput(f"name(={name[:40]!r}) is not text: {error}") from error
    if size > ID_BYTES:
        raise BadInput(
            f"name(={name[:40]!r}) takes {size} bytes in a Firestore id, where `.` and `/` count twice; must be "
            f"<= {ID_BYTES}"
        )
    return id_


def _name(id_: str) -> str:
    return id_.removeprefix(":").replace(".1", "/").replace(".0", ".")


def expiry(now_s: float, ttl_s: float) -> Any:
    """The value of a field by which a TTL policy may delete a document `ttl_s` seconds from now."""
    at = iso(now_s + ttl_s)
    return DatetimeWithNanoseconds.from_rfc3339(at)  # type: ignore[no-untyped-call] # the SDK has no types for it
