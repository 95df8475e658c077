"""Versions of rows, and deleting what was found: once, for the adapters whose backend does neither by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from hashlib import blake2b

from clef_runtime.context import Clock
from clef_runtime.errors import Conflict
from clef_runtime.model import Record
from clef_runtime.storage.base import Criteria
from clef_runtime.storage.criteria import KEY, meets

_DELETE_TRIES = 10


class Versions:
    """Gives each write a version of its own, 1 to 2^56, without asking the backend.

    This storage's count tells its own writes apart, the instant and the content those of others. Two that agree
    in all three wrote the same.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock, self._writes = clock, 0

    def new(self, text: bytes) -> int:
        self._writes += 1
        salt = b"%d.%d." % (self._writes, int(self._clock.now() * 1e6))
        return int.from_bytes(blake2b(salt + text, digest_size=7).digest()) or 1


def delete_found(
    found: Iterable[tuple[Record, int]],
    criteria: Criteria,
    delete: Callable[[str, int], None],
    read: Callable[[str], tuple[Record | None, int]],
) -> int:
    """Deletes each row that still meets the criteria when its turn comes; says how many.

    Args:
        found: rows with their `__key`, and their versions.
        delete: removes the row of a key at a version; raises Conflict where it has another by now.
        read: `Storage.get_versioned` of the relation.
    """
    return sum(_delete_one(row, version, criteria, delete, read) for row, version in found)


def _delete_one(
    row: Record,
    version: int,
    criteria: Criteria,
    delete: Callable[[str, int], None],
    read: Callable[[str], tuple[Record | None, int]],
) -> bool:
    key = row[KEY]
    for _ in range(_DELETE_TRIES):
        try:
            delete(key, version)
            return True
        except Conflict as conflict:
            value, version = read(key)
            if value is None:
                return conflict.after_doubt  # gone by our own attempt that got no answer, or by another's
            if not meets({**value, KEY: key}, criteria):
                return False
    raise Conflict(f"key {key!r} changed in each of {_DELETE_TRIES} tries to delete it; delete again")
