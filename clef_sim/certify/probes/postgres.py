"""SQL, PostgreSQL or SQLite: `ON CONFLICT DO NOTHING`, an update that compares, a transaction."""

from __future__ import annotations

import os
from collections.abc import Mapping

import sqlalchemy as sa

from clef_runtime import sql
from clef_runtime.action_log.sql import SqlActionLog
from clef_runtime.errors import Conflict
from clef_runtime.guard.sql import SqlFiringGuard
from clef_runtime.retry import NO_RETRY
from clef_sim.certify.probes import Moment, table_of


class Probe:
    def __init__(self, env: Mapping[str, str]) -> None:
        self.database = sql.engine(env.get("DATABASE_URL") or os.environ["DATABASE_URL"])

    def prepare(self, name: str) -> None:
        sql.create_schema(self.database, f"{name}-")
        _table(name).create(self.database, checkfirst=True)

    def contender(self, name: str) -> _Contender:
        return _Contender(self.database, table_of(name))


class _Contender:
    def __init__(self, database: sa.Engine, prefix: str) -> None:
        self.clock = Moment()
        self._database, self._table = database, _table(prefix)
        self._calls = sql.Calls(database, self.clock, NO_RETRY)
        self.guard = SqlFiringGuard(database, f"{prefix}-", self.clock)
        self.log = SqlActionLog(database, f"{prefix}-", self.clock)

    def create(self, key: str, value: str) -> bool:
        return bool(self._calls.rows(self._new(key, value), self._table))

    def read(self, key: str) -> tuple[str | None, str | None]:
        columns = self._table.c
        found = self._calls.rows(sa.select(columns.v).where(columns.k == key), self._table)
        value = found[0].v if found else None
        return value, value

    def set(self, key: str, token: str | None, value: str) -> bool:
        if token is None:
            return self.create(key, value)
        columns = self._table.c
        held = (columns.k == key) & (columns.v == token)
        update = sa.update(self._table).where(held).values(v=value).returning(columns.k)
        return bool(self._calls.rows(update, self._table))

    def add(self, key: str, number: int) -> int:
        columns = self._table.c
        new = sql.insert(self._database, self._table).values(k=key, v="", n=number)
        more = new.on_conflict_do_update(index_elements=[columns.k], set_={"n": columns.n + number})
        return int(self._calls.rows(more.returning(columns.n), self._table)[0].n)

    def sum(self, key: str) -> int:
        columns = self._table.c
        found = self._calls.rows(sa.select(columns.n).where(columns.k == key), self._table)
        return int(found[0].n) if found else 0

    def transact(self, key: str, value: str) -> bool:
        """The contender's own row first, undone where the other is there already."""

        def run(connection: sa.Connection) -> None:
            connection.execute(self._new(f"{key}#{value}", value))
            if not connection.execute(self._new(key, value)).all():
                raise Conflict(f"{key} is there")

        self._calls.together(run, self._table)
        return True

    def transacted(self, key: str) -> tuple[str | None, list[str]]:
        columns = self._table.c
        mine = (columns.k == key) | columns.k.startswith(f"{key}#")
        rows = {row.k: row.v for row in self._calls.rows(sa.select(columns.k, columns.v).where(mine), self._table)}
        return rows.pop(key, None), sorted(rows.values())

    def _new(self, key: str, value: str) -> sa.Executable:
        new = sql.insert(self._database, self._table).values(k=key, v=value, n=0)
        made: sa.Executable = new.on_conflict_do_nothing().returning(self._table.c.k)
        return made


def _table(name: str) -> sa.Table:
    columns = (sa.Column("k", sa.Text, primary_key=True), sa.Column("v", sa.Text), sa.Column("n", sa.BigInteger))
    return sa.Table(f"{name}-raced", sa.MetaData(), *columns)
