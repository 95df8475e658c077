"""Documents by their full names, and what a commit does to them."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from google.api_core import exceptions
from google.cloud.firestore_v1.field_path import FieldPath
from google.cloud.firestore_v1.types.document import Document
from google.cloud.firestore_v1.types.write import WriteResult
from google.protobuf.timestamp_pb2 import Timestamp

from clef_sim.services.google import refusal
from clef_sim.services.sdk import Unmodelled

DOCUMENT_BYTES = 2**20
VALUE_BYTES = 1_048_487
"""The service's limits for a document and for one value of it."""

_Document = Document.pb()
_Result = WriteResult.pb()


class Times:
    """Times of commits in microseconds: the clock's, and never the same twice."""

    def __init__(self, clock_now: Callable[[], float]) -> None:
        self._now = clock_now
        self.last = int(clock_now() * 1e6)

    def next(self) -> int:
        self.last = max(self.last + 1, int(self._now() * 1e6))
        return self.last

    @staticmethod
    def pb(micros: int) -> Any:
        return Timestamp(seconds=micros // 1_000_000, nanos=micros % 1_000_000 * 1_000)


class Documents:
    """All documents of a database. A stored message is never changed: a write puts another in its place."""

    def __init__(self) -> None:
        self._collections: dict[str, _Collection] = {}

    def get(self, name: str) -> Any | None:
        collection, _, id_ = name.rpartition("/")
        found = self._collections.get(collection)
        return None if found is None else found.documents.get(id_)

    def under(self, collection: str, after: str) -> Iterator[Any]:
        """A collection's documents by id, from behind `after` on (a full name; empty: all)."""
        found = self._collections.get(collection)
        if found is not None:
            yield from found.ordered(after.rpartition("/")[2])

    def everywhere(self, collection_id: str, after: str) -> Iterator[Any]:
        """The documents of all collections of an id, by path."""
        names = sorted(
            f"{collection}/{id_}".split("/")
            for collection, found in self._collections.items()
            if collection.rpartition("/")[2] == collection_id
            for id_ in found.documents
        )
        start = after.split("/")
        for parts in names:
            if not after or parts > start:
                yield self.get("/".join(parts))

    def apply(self, writes: Sequence[Any], times: Times) -> tuple[Any, list[Any]]:
        """Makes all writes, in turn, or none; a later one sees the earlier.

        Returns:
            The commit's time, and each write's result.
        """
        changed: dict[str, Any] = {}
        was: dict[str, Any] = {}
        micros = times.next()
        at = times.pb(micros)
        for write in writes:
            name = _name(write)
            check_name(name)
            now = changed[name] if name in changed else was.setdefault(name, self.get(name))
            _check_precondition(write, name, now)
            changed[name] = None if write.delete else _written(write, now, at)
        for name, document in changed.items():
            if document is not was[name]:
                self._put(name, document)
        return at, [_result(changed[_name(write)]) for write in writes]

    def _put(self, name: str, document: Any | None) -> None:
        collection, _, id_ = name.rpartition("/")
        found = self._collections.get(collection)
        if found is None:
            found = self._collections[collection] = _Collection()
        found.put(id_, document)


class _Collection:
    def __init__(self) -> None:
        self.documents: dict[str, Any] = {}
        self._ids: list[str] = []

    def put(self, id_: str, document: Any | None) -> None:
        there = id_ in self.documents
        if document is None:
            if there:
                del self.documents[id_]
                del self._ids[bisect_left(self._ids, id_)]
            return
        if not there:
            insort(self._ids, id_)
        self.documents[id_] = document

    def ordered(self, after: str) -> Iterator[Any]:
        ids = self._ids
        start = bisect_left(ids, after)
        if after and start < len(ids) and ids[start] == after:
            start += 1
        for id_ in ids[start:]:
            yield self.documents[id_]


def check_name(name: str) -> None:
    """Raises InvalidArgument for an id that is reserved: `__..__`."""
    if "__" in name:
        for part in name.split("/"):
            if len(part) > 3 and part.startswith("__") and part.endswith("__"):
                raise refusal(exceptions.InvalidArgument, f'Resource id "{part}" is invalid because it is reserved.')


def _name(write: Any) -> str:
    kind = write.WhichOneof("operation")
    if kind not in ("update", "delete") or write.update_transforms:
        raise Unmodelled(f"Commit: a write of kind {kind or 'none'}, or with transforms, is not modelled")
    name: str = write.delete or write.update.name
    return name


def _check_precondition(write: Any, name: str, now: Any | None) -> None:
    """The first that does not hold is the commit's error."""
    if not write.HasField("current_document"):
        return
    wanted = write.current_document
    kind = wanted.WhichOneof("condition_type")
    if kind == "update_time":
        stored, required = (_micros(now.update_time) if now is not None else 0), _micros(wanted.update_time)
        if 0 < stored < required:
            words = f"Invalid base version, it is greater than the stored version: {name}"
            raise refusal(exceptions.InvalidArgument, words)
        if stored != required:
            raise refusal(
                exceptions.FailedPrecondition,
                f"the stored version ({stored}) does not match the required base version ({required})",
            )
    elif kind == "exists" and wanted.exists and now is None:
        raise refusal(exceptions.NotFound, f"no entity to update: {name}")
    elif kind == "exists" and not wanted.exists and now is not None:
        raise refusal(exceptions.AlreadyExists, f"entity already exists: {name}")


def _written(write: Any, now: Any | None, at: Any) -> Any:
    """The document after a write; `now` itself where that changes nothing: its version stays."""
    document = _Document(name=write.update.name)
    if write.HasField("update_mask"):
        if now is not None:
            document.fields.MergeFrom(now.fields)
        _set_masked(document, write)
    else:
        for field in write.update.fields:
            document.fields[field].CopyFrom(write.update.fields[field])
    if now is not None and _same_fields(document, now):
        return now
    _check_size(document)
    document.create_time.CopyFrom(at if now is None else now.create_time)
    document.update_time.CopyFrom(at)
    return document


def _set_masked(document: Any, write: Any) -> None:
    for path in write.update_mask.field_paths:
        names = FieldPath.from_api_repr(path).parts
        if len(names) > 1:
            raise Unmodelled(f"Commit: an update of the nested field {path!r} is not modelled")
        (name,) = names
        if name in write.update.fields:
            document.fields[name].CopyFrom(write.update.fields[name])
        elif name in document.fields:
            del document.fields[name]


def _same_fields(one: Any, other: Any) -> bool:
    return len(one.fields) == len(other.fields) and all(
        name in other.fields and one.fields[name] == other.fields[name] for name in one.fields
    )


def _check_size(document: Any) -> None:
    for name in sorted(document.fields):
        if len(document.fields[name].string_value.encode()) > VALUE_BYTES:
            raise refusal(
                exceptions.InvalidArgument, f'The value of property "{name}" is longer than {VALUE_BYTES} bytes.'
            )
    if document.ByteSize() > DOCUMENT_BYTES:
        raise refusal(exceptions.InvalidArgument, f"maximum entity size is {DOCUMENT_BYTES} bytes")


def _micros(at: Any) -> int:
    return int(at.seconds) * 1_000_000 + int(at.nanos) // 1_000


def _result(document: Any | None) -> Any:
    return _Result() if document is None else _Result(update_time=document.update_time)
