"""Storage in this process's memory: for tests, and for concepts that live with a persistent engine."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import msgspec

from clef_runtime.errors import BadInput, Conflict
from clef_runtime.model import Record
from clef_runtime.storage.base import Criteria, Write
from clef_runtime.storage.criteria import KEY, arrange, meets
from clef_runtime.storage.rows import check_key, decode_row, encode_row


class _Row(msgspec.Struct, frozen=True):
    text: bytes
    record: Record  # with its key; read by criteria, never handed out
    version: int


class StagedWrites(msgspec.Struct, frozen=True):
    """Writes of one storage that wait for the log's commit."""

    storage: MemoryStorage
    writes: tuple[Write, ...]


class MemoryStorage:
    """One concept's rows. Values are kept as JSON, so that nobody shares an object with the store."""

    transactional = True

    def __init__(self) -> None:
        self._relations: dict[str, dict[str, _Row]] = {}
        self._version = 0  # never given twice, so that a row that went and came back is a changed row
        self._lock = threading.RLock()

    def put(self, relation: str, key: str, value: Record) -> None:
        check_key(key)
        text = encode_row(value)
        with self._lock:
            self._put(relation, key, text)

    def _put(self, relation: str, key: str, text: bytes) -> None:
        self._version += 1
        record = {**decode_row(text), KEY: key}
        self._relations.setdefault(relation, {})[key] = _Row(text, record, self._version)

    def get(self, relation: str, key: str) -> Record | None:
        return self.get_versioned(relation, key)[0]

    def get_versioned(self, relation: str, key: str) -> tuple[Record | None, int]:
        check_key(key)
        row = self._relations.get(relation, {}).get(key)
        return (decode_row(row.text), row.version) if row else (None, 0)

    def find(
        self,
        relation: str,
        criteria: Criteria | None = None,
        *,
        sort: str | None = None,
        limit: int | None = None,
        offset: int = 0,
    ) -> list[Record]:
        with self._lock:
            rows = self._relations.get(relation, {})
            found = [row.record for row in rows.values() if meets(row.record, criteria)]
            chosen = arrange(found, sort, limit, offset)
            return [{**decode_row(rows[each[KEY]].text), KEY: each[KEY]} for each in chosen]

    def delete(self, relation: str, key: str) -> None:
        check_key(key)
        with self._lock:
            self._relations.get(relation, {}).pop(key, None)

    def delete_many(self, relation: str, criteria: Criteria) -> int:
        with self._lock:
            rows = self._relations.get(relation, {})
            gone = [key for key, row in rows.items() if meets(row.record, criteria)]
            for key in gone:
                del rows[key]
            return len(gone)

    def stage(self, writes: Sequence[Write]) -> list[StagedWrites]:
        for write in writes:
            check_key(write.key)
            if write.value is not None:
                encode_row(write.value)  # refused here, not at the commit
        return [StagedWrites(self, tuple(writes))] if writes else []

    def write(self, write: Write) -> None:
        """Makes one write now, on its version. Raises Conflict where the row has another."""
        self.stage([write])
        self.commit([write])

    def commit(self, writes: Sequence[Write]) -> None:
        """Applies staged writes together.

        Raises:
            Conflict: a row changed since it was read; nothing was written.
        """
        with self._lock:
            for write in writes:
                row = self._relations.get(write.relation, {}).get(write.key)
                version = row.version if row else 0
                if write.version is not None and write.version != version:
                    raise Conflict(
                        f"{write.relation}/{write.key} is at version {version}, was read at {write.version}: "
                        f"run the action again"
                    )
            for write in writes:
                if write.value is None:
                    self._relations.get(write.relation, {}).pop(write.key, None)
                else:
                    self._put(write.relation, write.key, encode_row(write.value))


def commit(along: Sequence[StagedWrites]) -> None:
    """Applies what a `MemoryStorage` staged. Raises as `MemoryStorage.commit`."""
    if len(along) > 1:
        raise BadInput(f"along(={len(along)} stagings) must come from one storage's stage()")
    for staged in along:
        staged.storage.commit(staged.writes)
