"""Bugs in the adapters over SQL and Redis, which the models of PostgreSQL and Redis must show."""

from __future__ import annotations

from planting import Bug

STORAGE, LOG = "clef_runtime/storage/sql.py", "clef_runtime/action_log/sql.py"
GUARD, REDIS_GUARD = "clef_runtime/guard/sql.py", "clef_runtime/guard/redis.py"

BUGS = (
    Bug(
        name="sql-write-without-version",
        file=STORAGE,
        old="            where = self._at(write.relation, write.key) & (self._table.c.version == write.version)\n",
        new="            where = self._at(write.relation, write.key)\n",
        runs=("suite/hybrid-hot.yaml",),
        checker="effects",
        words=("both changed it", "one change is lost"),
    ),
    Bug(
        name="sql-append-overlooks-what-is-on-record",
        file=LOG,
        old="            if not connection.execute(new).all():\n                raise recorded\n",
        new="            connection.execute(new)\n",
        runs=("suite/hybrid-answers-lost.yaml",),
        checker="effects",
        words=("has no completion at the end",),
    ),
    Bug(
        name="sql-acquire-won-by-all",
        file=GUARD,
        old="        return bool(self._calls.rows(new.returning(self._table.c.id), self._table, idempotent=False))\n",
        new="        self._calls.rows(new.returning(self._table.c.id), self._table, idempotent=False)\n"
        "        return True\n",
        runs=("suite/hybrid-take-over.yaml once",),
        checker="no_duplicate_firing",
        words=("acquired",),
    ),
    Bug(
        name="redis-acquire-unconditional",
        file=REDIS_GUARD,
        old='        if self._run("SET", key, token, "NX", *expiry):\n',
        new='        if self._run("SET", key, token, *expiry):\n',
        runs=("suite/redis-take-over.yaml once",),
        checker="no_duplicate_firing",
        words=("acquired",),
    ),
)
