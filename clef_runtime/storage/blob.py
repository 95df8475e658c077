"""Storage for large values: rows in an index, and what is too large for it in a bucket.

The index is a storage of its own (DynamoDB, Firestore, SQL). A value whose JSON is at most `above_bytes` long is a
row of the index as it is. A larger one is an object, and the row has its name (`__blob`) beside the short fields by
which `find` can ask (`blob_rows`); what they do not decide is decided by the object. A value with a field `__blob` of
its own goes to an object whatever its size.

An object's name is used once, and written before the row that has it. A row changes only from the version that was
read, so that no repeated request can bring back a name whose object is gone: a crash leaves an object without a
row, never a row without an object. Such objects, and those that staged writes replace, are `collect_garbage`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Protocol, TypeVar

import msgspec

from clef_runtime.context import Clock, Ids
from clef_runtime.errors import BadInput, ClefError, Conflict, Indeterminate, NotFound, Throttled
from clef_runtime.model import Record, concept_name
from clef_runtime.objects.base import Objects
from clef_runtime.storage.base import Criteria, Staged, Storage, Write
from clef_runtime.storage.blob_rows import BLOB, exact, object_of, offloaded, part
from clef_runtime.storage.changes import delete_found
from clef_runtime.storage.criteria import KEY, arrange, check_bounds, meets
from clef_runtime.storage.rows import decode_row, encode_row

ABOVE_BYTES = {"dynamodb": 196_608, "firestore": 491_520, "sql": 1_048_576}
"""By the index's kind, how long a row's JSON may be to stay there. DynamoDB (400 KB an item) and Firestore (1 MiB a
document) keep short fields twice: such a row takes up to twice as much. SQL has no limit; long rows are slow."""

GARBAGE_AGE_S = 3600.0
"""The least age of garbage: longer than any instance may take from writing an object to committing its row."""

_TRIES = 10
_T = TypeVar("_T")


class Index(Storage, Protocol):
    """A storage whose single writes can be conditional."""

    def write(self, write: Write) -> None:
        """Makes one write now.

        Raises:
            Conflict: the row is not at the write's version; with `after_doubt` where an earlier attempt of this very
                call may be why.
        """


class _Gone(Exception):
    """A row named an object that is not there: somebody has replaced the row since it was read, or it is lost."""


class _Made(msgspec.Struct, frozen=True):
    """A value as it is stored: the index's row, and the object with the value's JSON; no name, no object."""

    row: Record
    name: str
    text: bytes


class BlobStorage:
    """One concept's rows.

    A `put` or `delete` is a read and a write of the index, and a call for each object made or removed.

    Args:
        index: where the rows of `concept` are; nobody else's are in it.
        objects: the bucket.
        ids: gives each object a name of its own.
        prefix: what the objects' names start with.
        above_bytes: a row's JSON that is longer (> 0) goes to an object; `ABOVE_BYTES` has it by the index's kind.
    """

    def __init__(
        self,
        index: Index,
        objects: Objects,
        *,
        concept: str,
        clock: Clock,
        ids: Ids,
        above_bytes: int,
        prefix: str = "",
    ) -> None:
        if above_bytes < 1:
            raise BadInput(f"above_bytes(={above_bytes}) must be > 0")
        self._index, self._objects, self._clock, self._ids = index, objects, clock, ids
        self._prefix, self._above = f"{prefix}{part(concept_name(concept))}", above_bytes
        self.transactional = index.transactional

    # ---- writing

    def put(self, relation: str, key: str, value: Record) -> None:
        made = self._make(relation, value)
        # What the index cannot keep is refused before anything is written.
        self._index.stage([Write(relation, key, made.row)])
        self._store(made)
        doubted, replaced = False, ""
        for _ in range(_TRIES):
            old, version = self._index.get_versioned(relation, key)
            if made.name and object_of(old) == made.name:  # an attempt without an answer was done after all
                self._remove(replaced)
                return
            if made.name and doubted:  # or it was done, and another write has replaced and removed the object
                made = self._make(relation, value)
                self._store(made)
            try:
                self._index.write(Write(relation, key, made.row, version))
            except Conflict as conflict:
                doubted, replaced = doubted or conflict.after_doubt, object_of(old)
                continue
            self._remove(object_of(old))
            return
        raise _contended(relation, key, doubted)

    def delete(self, relation: str, key: str) -> None:
        doubted, removed = False, ""
        for _ in range(_TRIES):
            old, version = self._index.get_versioned(relation, key)
            if old is None:
                self._remove(removed)
                return
            try:
                self._index.write(Write(relation, key, None, version))
            except Conflict as conflict:
                doubted, removed = doubted or conflict.after_doubt, object_of(old)
                continue
            self._remove(object_of(old))
            return
        raise _contended(relation, key, doubted)

    def delete_many(self, relation: str, criteria: Criteria) -> int:
        names: dict[str, str] = {}

        def read(key: str) -> tuple[Record | None, int]:
            value, version, names[key] = self._get(relation, key)
            return value, version

        def delete(key: str, version: int) -> None:
            self._index.write(Write(relation, key, None, version))
            self._remove(names[key])

        def found() -> Iterator[tuple[Record, int]]:
            for row in self._index.find(relation, exact(criteria)):
                value, version = read(row[KEY])
                if value is not None and meets({**value, KEY: row[KEY]}, criteria):
                    yield {**value, KEY: row[KEY]}, version

        return delete_found(found(), criteria, delete, read)

    def stage(self, writes: Sequence[Write]) -> Staged:
        """The objects are written now, the rows with the commit. What these replace stays for `collect_garbage`.

        Raises:
            BadInput, TooLarge: as the index's own `stage`; nothing is written then.
        """
        pairs = [
            (write, None if write.value is None else self._make(write.relation, write.value)) for write in writes
        ]
        staged = self._index.stage(
            [Write(write.relation, write.key, made.row if made else None, write.version) for write, made in pairs]
        )
        for _, made in pairs:
            if made is not None:
                self._store(made)
        return staged

    def collect_garbage(self, relation: str, *, older_than_s: float = 86_400.0) -> int:
        """Removes the relation's objects that no row names and that are older than `older_than_s` (>= 3,600 s);
        says how many. Reads the whole index of the relation. Call it now and then.

        Whatever writes must be over within that time: an instance that stood still for longer between writing an
        object and its row would name an object that is gone.
        """
        if older_than_s < GARBAGE_AGE_S:
            raise BadInput(f"older_than_s(={older_than_s:g}) must be >= {GARBAGE_AGE_S:g}")
        before_s = self._clock.now() - older_than_s
        # The objects first: a name that is in no row afterwards comes into none, since each is used once.
        old = [each.name for each in self._objects.listed(self._names(relation)) if each.written_s < before_s]
        named = {object_of(row) for row in self._index.find(relation)} if old else set()
        garbage = [name for name in old if name not in named]
        for name in garbage:
            self._objects.delete(name)
        return len(garbage)

    # ---- reading

    def get(self, relation: str, key: str) -> Record | None:
        return self.get_versioned(relation, key)[0]

    def get_versioned(self, relation: str, key: str) -> tuple[Record | None, int]:
        return self._get(relation, key)[:2]

    def find(
        self,
        relation: str,
        criteria: Criteria | None = None,
        *,
        sort: str | None = None,
        limit: int | None = None,
        offset: int = 0,
    ) -> list[Record]:
        check_bounds(limit, offset)
        return self._settled(relation, lambda: self._find(relation, criteria or {}, sort, limit, offset))

    def _get(self, relation: str, key: str) -> tuple[Record | None, int, str]:
        """The value, its version, and the name of its object."""

        def read() -> tuple[Record | None, int, str]:
            row, version = self._index.get_versioned(relation, key)
            name = object_of(row)
            return (self._read(name) if name else row), version, name

        return self._settled(relation, read)

    def _find(
        self, relation: str, criteria: Criteria, sort: str | None, limit: int | None, offset: int
    ) -> list[Record]:
        pushed = exact(criteria)
        rest = {field: wanted for field, wanted in criteria.items() if field not in pushed}
        if not rest and sort is None:
            found = self._index.find(relation, pushed, limit=limit, offset=offset)
            limit, offset = None, 0
        else:
            found = self._index.find(relation, pushed)
        deciding = {*rest, *([sort.removeprefix("-")] if sort else [])}
        rows: list[Record] = []
        unread: dict[str, str] = {}  # by key, the objects of rows that their kept fields have decided
        for row in found:
            name = object_of(row)
            row.pop(BLOB, None)
            if not meets(row, {field: wanted for field, wanted in rest.items() if field in row or not name}):
                continue
            if name and deciding <= row.keys():
                unread[row[KEY]] = name
            elif name:
                row = {**self._read(name), KEY: row[KEY]}
                if not meets(row, rest):
                    continue
            rows.append(row)
        chosen = arrange(rows, sort, limit, offset)
        return [{**self._read(unread[row[KEY]]), KEY: row[KEY]} if row[KEY] in unread else row for row in chosen]

    def _settled(self, relation: str, read: Callable[[], _T]) -> _T:
        """What `read` gives; again from the index on, where a row was replaced between it and the object."""
        gone: set[str] = set()
        for _ in range(_TRIES):
            try:
                return read()
            except _Gone as missing:
                name = str(missing)
                if name in gone:  # the row was read again, and names it still
                    raise NotFound(
                        f"relation {relation!r}: the object {name!r} that a row names is not there"
                    ) from None
                gone.add(name)
        raise Throttled(f"relation {relation!r}: a row was replaced under each of {_TRIES} reads; read again")

    def _read(self, name: str) -> Record:
        body = self._objects.get(name)
        if body is None:
            raise _Gone(name)
        return decode_row(body)

    # ---- objects

    def _make(self, relation: str, value: Record) -> _Made:
        text = encode_row(value)
        if len(text) <= self._above and BLOB not in value:
            return _Made(value, "", b"")
        name = f"{self._names(relation)}{self._ids.new()}"
        return _Made(offloaded(value, name), name, text)

    def _store(self, made: _Made) -> None:
        if made.name:
            self._objects.create(made.name, made.text)

    def _remove(self, name: str) -> None:
        """Removes an object that no row names any more; what cannot be removed now is garbage."""
        if name:
            with suppress(ClefError):
                self._objects.delete(name)

    def _names(self, relation: str) -> str:
        """What the names of a relation's objects start with."""
        return f"{self._prefix}/{part(relation)}/"


def _contended(relation: str, key: str, doubted: bool) -> ClefError:
    words = f"{relation}/{key} was changed by others in each of {_TRIES} tries to write it"
    return Indeterminate(f"{words}; one may have been done") if doubted else Throttled(words)
