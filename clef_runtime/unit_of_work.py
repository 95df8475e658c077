"""An action's changes, held back until its completion commits with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from clef_runtime.errors import BadInput
from clef_runtime.model import Record
from clef_runtime.storage.base import Criteria, Staged, Storage, Write
from clef_runtime.storage.criteria import KEY, arrange, meets
from clef_runtime.storage.rows import check_key, decode_row, encode_row

_CHANGED = -1
"""A version that no row has: the commit is refused."""


_Place: TypeAlias = tuple[str, str]
"""Relation and key."""


class Staging:
    """A storage that reads through to another and keeps writes back; it sees its own.

    Every write of a row that was read (`get`, or `find`) carries the version read, so that the commit fails
    where the row has changed. A row that was only read is not checked at the commit.
    """

    transactional = False

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._versions: dict[_Place, int] = {}
        self._found: dict[_Place, bytes] = {}  # what find gave out: it comes without versions
        self._buffer: dict[_Place, bytes | None] = {}
        self._count = 0
        self._own_versions: dict[_Place, int] = {}

    def writes(self) -> list[Write]:
        """The changes, one for each row, each on the version that was read."""
        return [
            Write(*place, None if text is None else decode_row(text), self._versions.get(place))
            for place, text in self._buffer.items()
        ]

    def put(self, relation: str, key: str, value: Record) -> None:
        self._write((relation, key), encode_row(value))

    def get(self, relation: str, key: str) -> Record | None:
        return self.get_versioned(relation, key)[0]

    def get_versioned(self, relation: str, key: str) -> tuple[Record | None, int]:
        """As the port has it; a row of this unit of work has a negative version."""
        place = (relation, key)
        if place in self._buffer:
            text = self._buffer[place]
            return (None, 0) if text is None else (decode_row(text), self._own_versions[place])
        value, version = self._storage.get_versioned(relation, key)
        self._read(place, value, version)
        return value, version

    def find(
        self,
        relation: str,
        criteria: Criteria | None = None,
        *,
        sort: str | None = None,
        limit: int | None = None,
        offset: int = 0,
    ) -> list[Record]:
        buffered = {key: text for (of, key), text in self._buffer.items() if of == relation}
        if not buffered:
            rows = self._storage.find(relation, criteria, sort=sort, limit=limit, offset=offset)
            self._remember(relation, rows)
            return rows
        stored = [row for row in self._storage.find(relation, criteria) if row[KEY] not in buffered]
        own = [{**decode_row(text), KEY: key} for key, text in buffered.items() if text is not None]
        rows = arrange([*stored, *(row for row in own if meets(row, criteria))], sort, limit, offset)
        self._remember(relation, [row for row in rows if row[KEY] not in buffered])
        return rows

    def delete(self, relation: str, key: str) -> None:
        self._write((relation, key), None)

    def delete_many(self, relation: str, criteria: Criteria) -> int:
        rows = self.find(relation, criteria)
        for row in rows:
            self.delete(relation, row[KEY])
        return len(rows)

    def stage(self, writes: Sequence[Write]) -> Staged:
        raise BadInput(f"{len(writes)} writes: a unit of work cannot stage; its own changes are writes()")

    def _write(self, place: _Place, text: bytes | None) -> None:
        check_key(place[1])
        if place in self._found and place not in self._versions:
            self._read(place, *self._storage.get_versioned(*place))
        self._count += 1
        self._own_versions[place] = -self._count
        self._buffer[place] = text

    def _read(self, place: _Place, value: Record | None, version: int) -> None:
        """Keeps the first version read: what was decided on it must not pass for decided on a later one. A row
        that was found before must still be as it was then."""
        found = self._found.pop(place, None)
        if found is not None and (value is None or encode_row(value) != found):
            version = _CHANGED
        self._versions.setdefault(place, version)

    def _remember(self, relation: str, rows: Sequence[Record]) -> None:
        for row in rows:
            self._found.setdefault((relation, row[KEY]), encode_row(row))
