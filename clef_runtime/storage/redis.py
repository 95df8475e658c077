"""Storage on Redis: one hash a relation, one field of it a row: its version, a space, its JSON.

Every operation is one command (`delete_many`: one for each row), so that each is atomic without a transaction; all
of a relation's rows are on one shard. There is no action log beside it to commit with.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from clef_runtime.context import Clock
from clef_runtime.errors import BadInput, Conflict
from clef_runtime.model import Record, concept_name
from clef_runtime.redis import Commands
from clef_runtime.storage.base import Criteria, Write
from clef_runtime.storage.changes import Versions, delete_found
from clef_runtime.storage.criteria import KEY, arrange, check_bounds, meets
from clef_runtime.storage.rows import check_key, decode_row, encode_row

_PAGE = 100
"""Rows of one answer, about: a service may limit its size (Upstash: 10 MB)."""

_DELETE_AT_VERSION = """
local row = redis.call('HGET', KEYS[1], ARGV[1])
if row and string.sub(row, 1, #ARGV[2]) == ARGV[2] then return redis.call('HDEL', KEYS[1], ARGV[1]) end
return 0
"""


class RedisStorage:
    """One concept's rows.

    Args:
        commands: `redis_commands(client, clock)`, or `upstash_commands(client, clock)`.
        prefix: what the relations' keys start with.
        concept: whose rows; a name or a URN.
    """

    transactional = False

    def __init__(self, commands: Commands, *, prefix: str, concept: str, clock: Clock) -> None:
        self._run, self._versions = commands, Versions(clock)
        self._prefix, self._concept = prefix, concept_name(concept)

    def put(self, relation: str, key: str, value: Record) -> None:
        check_key(key)
        text = encode_row(value)
        self._run("HSET", self._place(relation), key, f"{self._versions.new(text)} {text.decode()}")

    def get(self, relation: str, key: str) -> Record | None:
        return self.get_versioned(relation, key)[0]

    def get_versioned(self, relation: str, key: str) -> tuple[Record | None, int]:
        check_key(key)
        text = self._run("HGET", self._place(relation), key)
        return _read(text) if text is not None else (None, 0)

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
        return arrange((row for row, _ in self._rows(relation, criteria or {})), sort, limit, offset)

    def delete(self, relation: str, key: str) -> None:
        check_key(key)
        self._run("HDEL", self._place(relation), key)

    def delete_many(self, relation: str, criteria: Criteria) -> int:
        def delete(key: str, version: int) -> None:
            changed = Conflict(f"{relation}/{key} is not at version {version}")
            self._run("EVAL", _DELETE_AT_VERSION, 1, self._place(relation), key, f"{version} ", zero=changed)

        found = list(self._rows(relation, criteria))  # all, before the first is deleted
        return delete_found(found, criteria, delete, lambda key: self.get_versioned(relation, key))

    def stage(self, writes: Sequence[Write]) -> list[Any]:
        raise BadInput(f"{len(writes)} writes: Redis has no action log to commit with; deliver `recorded`")

    def _rows(self, relation: str, criteria: Criteria) -> Iterator[tuple[Record, int]]:
        """The rows that meet the criteria, with their versions."""
        wanted_key = criteria.get(KEY)
        for key, text in self._texts(relation, wanted_key if isinstance(wanted_key, str) else None):
            row, version = _read(text)
            row[KEY] = key
            if meets(row, criteria):
                yield row, version

    def _texts(self, relation: str, wanted_key: str | None) -> Iterator[tuple[str, str]]:
        """The relation's fields, or the one that is wanted."""
        place = self._place(relation)
        if wanted_key is not None:
            text = self._run("HGET", place, wanted_key)
            if text is not None:
                yield wanted_key, text
            return
        texts: dict[str, str] = {}  # a scan may give a field twice, the later one newer
        cursor = "0"
        while True:
            cursor, page = self._run("HSCAN", place, cursor, "COUNT", _PAGE)
            texts.update(page if isinstance(page, dict) else zip(page[::2], page[1::2], strict=True))
            if str(cursor) == "0":
                break
        yield from texts.items()

    def _place(self, relation: str) -> str:
        # The length keeps a concept `a#b` with relation `c` apart from `a` with `b#c`.
        return f"{self._prefix}{len(self._concept)}#{self._concept}#{relation}"


def _read(text: str) -> tuple[Record, int]:
    version, _, row = text.partition(" ")
    return decode_row(row), int(version)
