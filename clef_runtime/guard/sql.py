"""The firing guard on SQL: one row a firing, changed by single statements.

`try_acquire` and `claim` keep separate rows. A claim's row has `json` (the prepared firing), `owner`, `fencing`,
`until` (when the lease ends, epoch seconds by the holder's clock) and `fired`; each row, where it is to go by
itself, `expires`: `sql.delete_expired` removes those. The lease is another matter.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
import sqlalchemy as sa

from clef_runtime import sql
from clef_runtime.context import Clock
from clef_runtime.errors import BadInput, Conflict, Indeterminate
from clef_runtime.guard.base import Claim, ClaimState
from clef_runtime.guard.memory import check_lease, fenced_off
from clef_runtime.model import Firing, firing_id
from clef_runtime.retry import Retry

_ONCE, _LEASE = "once#", "lease#"

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Firing).decode


class SqlFiringGuard:
    """`claim` and `mark_fired` are repeated within `retry` when their answer is lost; `try_acquire`, whose row
    does not say who holds it, only where it was surely not done.

    Args:
        database: made by `sql.engine(url)`; its tables by `sql.create_schema`.
        prefix: what the tables' names start with.
        ttl_s: after so many seconds (> 0) `sql.delete_expired` may remove a row, and the same match may then fire
            again: longer than any message may live, dead-letter redrive included. None keeps all.
    """

    def __init__(
        self,
        database: sa.Engine,
        prefix: str,
        clock: Clock,
        *,
        ttl_s: float | None = None,
        retry: Retry = Retry(),  # noqa: B008 - frozen
    ) -> None:
        if ttl_s is not None and ttl_s <= 0:
            raise BadInput(f"ttl_s(={ttl_s}) must be > 0")
        self._calls, self._table = sql.Calls(database, clock, retry), sql.tables(prefix).guard
        self._clock, self._ttl_s = clock, ttl_s

    def try_acquire(self, completion_ids: Iterable[str], sync: str) -> bool:
        new = self._insert(_ONCE + firing_id(sync, completion_ids), fired=False).on_conflict_do_nothing()
        return bool(self._calls.rows(new.returning(self._table.c.id), self._table, idempotent=False))

    def claim(self, firing: Firing, *, owner: str, lease_s: float) -> Claim:
        check_lease(lease_s)
        columns = self._table.c
        now_s = self._clock.now()
        id_ = _LEASE + firing.id
        new = self._insert(
            id_, json=_encode(firing).decode(), owner=owner, fencing=1, until=now_s + lease_s, fired=False
        )
        # A first claim is inserted, an expired one taken over with what is stored in it, its owner's own renewed.
        take = new.on_conflict_do_update(
            index_elements=[columns.id],
            set_={
                "owner": new.excluded.owner,
                "until": new.excluded.until,
                "fencing": columns.fencing + sa.case((columns.owner == owner, 0), else_=1),
            },
            where=sa.not_(columns.fired) & (columns.until <= now_s),
        )
        fields = (columns.json, columns.owner, columns.fencing, columns.until, columns.fired)
        taken = self._calls.rows(take.returning(*fields), self._table)
        if taken:
            return _claim("won", taken[0])
        there = self._calls.rows(sa.select(*fields).where(columns.id == id_), self._table)
        if not there:  # removed between the two statements: nothing is known of it
            raise Indeterminate(f"firing {firing.id}: the claim is gone; claim again")
        if there[0].fired:
            return _claim("fired", there[0])
        return _claim("won" if there[0].owner == owner else "held", there[0])

    def mark_fired(self, claim: Claim) -> None:
        columns = self._table.c
        held = (
            (columns.id == _LEASE + claim.firing.id)
            & (columns.owner == claim.owner)
            & (columns.fencing == claim.fencing)
        )
        mark = sa.update(self._table).where(held).values(fired=True).returning(columns.id)
        try:
            self._calls.rows(mark, self._table, none=Conflict("not the holder"))
        except Conflict as conflict:
            raise fenced_off(claim) from conflict

    def _insert(self, id_: str, **values: Any) -> Any:
        expires = None if self._ttl_s is None else self._clock.now() + self._ttl_s
        return sql.insert(self._calls.database, self._table).values(id=id_, expires=expires, **values)


def _claim(state: ClaimState, row: Any) -> Claim:
    return Claim(state, _decode(row.json), row.owner, row.fencing, row.until)
