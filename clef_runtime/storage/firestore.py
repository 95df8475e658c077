"""Storage on Firestore: `<root>/<concept>/<relation>/<key>`, a document a row.

A document holds the row as JSON text (`json`: exact for every JSON value, where Firestore's numbers are not),
a stamp that no other write has (`stamp`), so that every write changes the document and thereby its version, and
short text and booleans once more in a map of their own (`f`), by which the service can filter. Equality needs no
index but the automatic ones; in production, exempt `json` and `stamp` from them: that halves what a write costs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from google.cloud.firestore_v1.field_path import FieldPath

from clef_runtime.context import Clock
from clef_runtime.errors import TooLarge
from clef_runtime.firestore import Change, Document, Documents, Filter, segment
from clef_runtime.model import Record, concept_name
from clef_runtime.retry import Retry
from clef_runtime.storage.base import Criteria, Is, Write
from clef_runtime.storage.changes import Versions, delete_found
from clef_runtime.storage.criteria import KEY, arrange, check_bounds, meets
from clef_runtime.storage.rows import check_key, decode_row, encode_row

FILTERABLE_LENGTH = 128
"""Text up to so many characters, in fields of names that are no longer, can be filtered by; the service indexes
1,500 bytes of a value."""

STAGED_WRITES = 499
"""A commit was long limited to 500 writes, and some emulators still are; the completion is one of them."""

ALTERNATIVES = 30
"""The most that a query may ask for with `in`, over all its fields: firebase.google.com, Query limitations."""


class FirestoreStorage:
    """One concept's rows.

    Args:
        client: a `google.cloud.firestore.Client`.
        root: the collection under which an app's rows are.
        concept: whose rows; a name or a URN.
        retry: bounds of retries; every operation is idempotent, so that all are repeated.
    """

    transactional = True

    def __init__(
        self,
        client: Any,
        *,
        root: str,
        concept: str,
        clock: Clock,
        retry: Retry = Retry(),  # noqa: B008 - frozen
    ) -> None:
        self._documents = Documents(client, clock, retry)
        self._under = f"{root}/{segment(concept_name(concept))}"
        self._stamps = Versions(clock)

    def put(self, relation: str, key: str, value: Record) -> None:
        self._documents.commit([self._change(Write(relation, key, value))])

    def get(self, relation: str, key: str) -> Record | None:
        return self.get_versioned(relation, key)[0]

    def get_versioned(self, relation: str, key: str) -> tuple[Record | None, int]:
        found = self._documents.get(self._path(relation, key))
        return (decode_row(found.data["json"]), found.version) if found else (None, 0)

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
        # Documents come in the order of their keys: without a sort, the last row that is asked for ends it.
        most = offset + limit if limit is not None and sort is None else None
        found: list[Record] = []
        if most != 0:
            for row, _ in self._rows(relation, criteria or {}, most):
                found.append(row)
                if len(found) == most:
                    break
        return arrange(found, sort, limit, offset)

    def delete(self, relation: str, key: str) -> None:
        self._documents.commit([self._change(Write(relation, key, None))])

    def delete_many(self, relation: str, criteria: Criteria) -> int:
        return delete_found(
            self._rows(relation, criteria),
            criteria,
            lambda key, version: self._documents.commit([self._change(Write(relation, key, None, version))]),
            lambda key: self.get_versioned(relation, key),
        )

    def stage(self, writes: Sequence[Write]) -> list[Change]:
        """Raises TooLarge for more than `STAGED_WRITES` writes."""
        if len(writes) > STAGED_WRITES:
            raise TooLarge(
                f"an action changed {len(writes)} rows; a transaction takes {STAGED_WRITES}: change fewer in "
                f"one action, or deliver `recorded`"
            )
        return [self._change(write) for write in writes]

    def write(self, write: Write) -> None:
        """Makes one write now, on its version. Raises Conflict where the row has another."""
        self._documents.commit([self._change(write)])

    def _rows(self, relation: str, criteria: Criteria, most: int | None = None) -> Iterator[tuple[Record, int]]:
        """The rows that meet the criteria, with their versions; `most`, where the service can do with fewer."""
        wanted_key = criteria.get(KEY)
        if isinstance(wanted_key, str):
            found = self._documents.get(self._path(relation, wanted_key)) if wanted_key else None
            if found is not None and meets(_row(found), criteria):
                yield _row(found), found.version
            return
        filters, rest = _search(criteria)
        collection = self._collection(relation)
        for document in self._documents.find(collection, filters, None if rest else most):
            row = _row(document)
            if not rest or meets(row, rest):
                yield row, document.version

    def _change(self, write: Write) -> Change:
        path = self._path(write.relation, write.key)
        if write.value is None:
            return Change(path, None, write.version)
        text = encode_row(write.value)
        data = {
            "json": text.decode(),
            "stamp": self._stamps.new(text),
            "f": {field: each for field, each in write.value.items() if _filterable(field, each)},
        }
        return Change(path, data, write.version)

    def _path(self, relation: str, key: str) -> str:
        check_key(key)
        return f"{self._collection(relation)}/{segment(key)}"

    def _collection(self, relation: str) -> str:
        return f"{self._under}/{segment(relation)}"


def _row(document: Document) -> Record:
    return {**decode_row(document.data["json"]), KEY: document.name}


def _filterable(field: str, value: Any) -> bool:
    """Whether the service compares it as JSON does. Numbers are left out: Firestore's are 64 bits."""
    if not field or field == KEY or len(field) > FILTERABLE_LENGTH:
        return False
    return isinstance(value, bool) or (isinstance(value, str) and len(value) <= FILTERABLE_LENGTH)


def _search(criteria: Criteria) -> tuple[list[Filter], Record]:
    """What the service filters by, and the criteria that are left for afterwards."""
    filters: list[Filter] = []
    rest: Record = {}
    left = ALTERNATIVES
    for field, wanted in criteria.items():
        alternatives = _alternatives(wanted)
        fits = 0 < len(alternatives) <= left and all(_filterable(field, each) for each in alternatives)
        if not fits:
            rest[field] = wanted
            continue
        left //= len(alternatives)  # the service multiplies them out
        path = FieldPath("f", field).to_api_repr()
        if len(alternatives) == 1:
            filters.append((path, "==", alternatives[0]))
        else:
            filters.append((path, "in", alternatives))
    return filters, rest


def _alternatives(wanted: Any) -> list[Any]:
    """The values one of which is wanted; none where it is not about equality."""
    if not isinstance(wanted, Is):
        return [wanted]
    if wanted.op == "eq":
        return [wanted.value]
    return list(wanted.value) if wanted.op == "in" else []
