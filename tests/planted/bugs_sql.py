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
        checker="lost_update",
        words=("Stock",),
    ),
    Bug(
        name="sql-append-overlooks-what-is-on-record",
        file=LOG,
        old="            if not connection.execute(new).all():\n                raise recorded\n",
        new="            connection.execute(new)\n",
        runs=("suite/hybrid-answers-lost.yaml",),
        checker="effects",
        words=("ran twice",),
    ),
    Bug(
        name="sql-claim-takes-what-is-held",
        file=GUARD,
        old="            where=sa.not_(columns.fired) & (columns.until <= now_s),\n",
        new="            where=sa.not_(columns.fired),\n",
        runs=("suite/hybrid-other-topologies.yaml event-driven",),
        checker="no_duplicate_firing",
        words=("claim",),
    ),
    Bug(
        name="sql-claim-computed-anew",
        file=GUARD,
        old='                "owner": new.excluded.owner,\n',
        new='                "owner": new.excluded.owner,\n                "json": new.excluded.json,\n',
        runs=("suite/hybrid-everything.yaml",),
        checker="no_duplicate_firing",
        words=("computed anew",),
    ),
    Bug(
        name="redis-claim-won-by-all",
        file=REDIS_GUARD,
        old="  state = there[2] == owner and 'won' or 'held'\n",
        new="  state = 'won'\n",
        runs=("suite/redis-guard.yaml",),
        checker="no_duplicate_firing",
        words=("claim",),
    ),
)
