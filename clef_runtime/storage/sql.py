"""Storage on SQL: PostgreSQL, or SQLite inside the process. One table holds the rows of all concepts.

A row is JSON text and its version. `find` reads a relation's rows in the order of their keys; equality with text, a
boolean or null is narrowed down by the database, everything else compared after reading.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from clef_runtime import sql
from clef_runtime.context import Clock
from clef_runtime.errors import Conflict
from clef_runtime.model import Record, concept_name
from clef_runtime.retry import Retry
from clef_runtime.storage.base import Criteria, Is, Write
from clef_runtime.storage.changes import Versions, delete_found
from clef_runtime.storage.criteria import KEY, arrange, check_bounds, meets
from clef_runtime.storage.rows import check_key, decode_row, encode_row

_encode = msgspec.json.Encoder().encode


class StagedWrite(msgspec.Struct, frozen=True):
    """A write that waits for the log's transaction. `was`: each of the statements must give a row, else the row
    `at` is no longer at that version."""

    database: sa.Engine
    at: str
    was: int | None
    statements: tuple[sa.Executable, ...]

    def apply(self, connection: sa.Connection) -> None:
        for statement in self.statements:
            if not connection.execute(statement).all() and self.was is not None:
                raise Conflict(f"{self.at} is no longer at version {self.was}, as it was read: run the action again")


class SqlStorage:
    """One concept's rows.

    Args:
        database: made by `sql.engine(url)`; its tables by `sql.create_schema`.
        prefix: what the tables' names start with.
        concept: whose rows; a name or a URN.
        retry: bounds of retries; every operation is idempotent, so that all are repeated.
    """

    transactional = True

    def __init__(
        self,
        database: sa.Engine,
        *,
        prefix: str,
        concept: str,
        clock: Clock,
        retry: Retry = Retry(),  # noqa: B008 - frozen
    ) -> None:
        self._calls = sql.Calls(database, clock, retry)
        self._table = sql.tables(prefix).state
        self._concept = concept_name(concept)
        self._versions = Versions(clock)

    def put(self, relation: str, key: str, value: Record) -> None:
        self._calls.rows(self._upsert(relation, key, value), self._table)

    def get(self, relation: str, key: str) -> Record | None:
        return self.get_versioned(relation, key)[0]

    def get_versioned(self, relation: str, key: str) -> tuple[Record | None, int]:
        columns = self._table.c
        found = self._calls.rows(sa.select(columns.json, columns.version).where(self._at(relation, key)), self._table)
        return (decode_row(found[0].json), found[0].version) if found else (None, 0)

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
        # Without criteria and sort, reading may end at the last row that is asked for.
        most = offset + limit if limit is not None and sort is None and not criteria else None
        return arrange((row for row, _ in self._rows(relation, criteria or {}, most)), sort, limit, offset)

    def delete(self, relation: str, key: str) -> None:
        self._calls.rows(self._delete(relation, key), self._table)

    def delete_many(self, relation: str, criteria: Criteria) -> int:
        def delete(key: str, version: int) -> None:
            changed = Conflict(f"{relation}/{key} is not at version {version}")
            self._calls.rows(self._delete(relation, key, version), self._table, none=changed)

        found = self._rows(relation, criteria)
        return delete_found(found, criteria, delete, lambda key: self.get_versioned(relation, key))

    def stage(self, writes: Sequence[Write]) -> list[StagedWrite]:
        # In one order for all: two transactions over the same rows wait for each other, never in a circle.
        ordered = sorted(writes, key=lambda write: (write.relation, write.key))
        return [
            StagedWrite(
                self._calls.database, f"{write.relation}/{write.key}", write.version, tuple(self._statements(write))
            )
            for write in ordered
        ]

    def write(self, write: Write) -> None:
        """Makes one write now, on its version. Raises Conflict where the row has another."""
        (staged,) = self.stage([write])
        self._calls.together(staged.apply, self._table)

    def _statements(self, write: Write) -> Iterator[sa.Executable]:
        """What does the write. With a version, each statement gives a row only where the row was at it."""
        if write.value is None and write.version != 0:
            yield self._delete(write.relation, write.key, write.version)
        elif write.version is None:
            assert write.value is not None
            yield self._upsert(write.relation, write.key, write.value)
        elif write.version == 0:
            yield (
                self._insert(write.relation, write.key, write.value or {})
                .on_conflict_do_nothing()
                .returning(self._table.c.key)
            )
            if write.value is None:  # absent, and to stay so: the insert has made sure that nobody creates it
                yield self._delete(write.relation, write.key)
        else:
            assert write.value is not None
            text = encode_row(write.value)
            changes = {"json": text.decode(), "version": self._versions.new(text)}
            where = self._at(write.relation, write.key) & (self._table.c.version == write.version)
            yield sa.update(self._table).where(where).values(changes).returning(self._table.c.key)

    def _insert(self, relation: str, key: str, value: Record) -> Any:
        check_key(key)
        sql.no_nul("key", key)
        text = encode_row(value)
        return sql.insert(self._calls.database, self._table).values(
            concept=self._concept,
            relation=relation,
            key=key,
            json=text.decode(),
            version=self._versions.new(text),
        )

    def _upsert(self, relation: str, key: str, value: Record) -> Any:
        made = self._insert(relation, key, value)
        changes = {"json": made.excluded.json, "version": made.excluded.version}
        upsert = made.on_conflict_do_update(index_elements=self._table.primary_key, set_=changes)
        return upsert.returning(self._table.c.key)

    def _delete(self, relation: str, key: str, version: int | None = None) -> sa.Executable:
        where = self._at(relation, key)
        if version is not None:
            where &= self._table.c.version == version
        return sa.delete(self._table).where(where).returning(self._table.c.key)

    def _at(self, relation: str, key: str) -> sa.ColumnElement[bool]:
        check_key(key)
        sql.no_nul("key", key)
        return self._within(relation) & (self._table.c.key == key)

    def _within(self, relation: str) -> sa.ColumnElement[bool]:
        sql.no_nul("relation", relation)
        return (self._table.c.concept == self._concept) & (self._table.c.relation == relation)

    def _rows(self, relation: str, criteria: Criteria, most: int | None = None) -> Iterator[tuple[Record, int]]:
        """The rows that meet the criteria, with their versions, in the order of their keys."""
        columns = self._table.c
        wanted = sa.and_(self._within(relation), *self._narrowed(criteria))
        question = sa.select(columns.key, columns.json, columns.version).where(wanted).order_by(columns.key)
        for found in self._calls.rows(question.limit(most), self._table):
            row = decode_row(found.json)
            row[KEY] = found.key
            if meets(row, criteria):
                yield row, found.version

    def _narrowed(self, criteria: Criteria) -> Iterator[sa.ColumnElement[bool]]:
        """What rows that meet the criteria surely meet, as far as the database can tell. Text, booleans and null
        have one form each in JSON: where a field equals one, that form is in the text, beside the field's name.
        Numbers have several (1, 1.0)."""
        find = sa.func.strpos if self._calls.database.dialect.name == "postgresql" else sa.func.instr
        for field, wanted in criteria.items():
            if isinstance(wanted, Is):
                if wanted.op != "eq":
                    continue
                wanted = wanted.value
            if field == KEY:
                yield self._table.c.key == wanted if _is_key(wanted) else sa.false()
            elif wanted is None or isinstance(wanted, str | bool):
                yield find(self._table.c.json, _member(field, wanted)) > 0


def _member(field: str, value: Any) -> str:
    """A field with its value as every row's text has it."""
    return encode_row({field: value})[1:-1].decode()


def _is_key(wanted: Any) -> bool:
    return isinstance(wanted, str) and "\0" not in wanted
