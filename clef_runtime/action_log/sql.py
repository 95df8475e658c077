"""The action log on SQL: one row a record, with flow, kind and id as its key.

A row holds the record as JSON text, the append's time (`at`, epoch seconds by the writer's clock) and, where
records are to go by themselves, `expires`: `sql.delete_expired` removes those.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import sqlalchemy as sa

from clef_runtime import sql
from clef_runtime.action_log.base import FlowRecords
from clef_runtime.action_log.records import (
    decode_completion,
    decode_edge,
    decode_invocation,
    encode_record,
    flow_records,
)
from clef_runtime.context import Clock
from clef_runtime.errors import BadInput, Conflict
from clef_runtime.model import Completion, Invocation, SyncEdge, firing_id
from clef_runtime.retry import Retry
from clef_runtime.storage.base import Staged

_COMPLETION, _INVOCATION, _EDGE = "c", "i", "e"

_PAGE = 500
"""Records of a scan that are in memory at once."""


class _Recorded(Conflict):
    """A record with this id is in the log."""


class SqlActionLog:
    """Every operation is repeated within `retry` when its answer is lost: a record that is there already is
    compared with the one to be written. Reads are strong.

    Args:
        database: made by `sql.engine(url)`; its tables by `sql.create_schema`.
        prefix: what the tables' names start with.
        ttl_s: after so many seconds (> 0) `sql.delete_expired` may remove a record; None keeps all.
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
        self._calls, self._table = sql.Calls(database, clock, retry), sql.tables(prefix).log
        self._clock, self._ttl_s = clock, ttl_s

    def append(self, record: Completion | Invocation, along: Staged = ()) -> bool:
        """As the port has it. After a lost answer, True where the record in the log is this one to the byte.

        Raises BadInput for `along` staged on another engine.
        """
        kind = _COMPLETION if isinstance(record, Completion) else _INVOCATION
        text = encode_record(record).decode()
        new = self._insert(record.flow, kind, record.id, text)
        recorded = _Recorded(f"{kind} {record.id} is on record in flow {record.flow}")
        if any(staged.database is not self._calls.database for staged in along):
            raise BadInput(f"along(={len(along)} writes) must be staged on the log's own engine")

        def run(connection: sa.Connection) -> None:
            if not connection.execute(new).all():
                raise recorded
            for staged in along:
                staged.apply(connection)

        try:
            if along:
                self._calls.together(run, self._table)
            else:
                self._calls.rows(new, self._table, none=recorded)
        except _Recorded as conflict:
            return conflict.after_doubt and self._get(record.flow, kind, record.id) == text
        return True

    def get(self, flow: str, completion_id: str) -> Completion | None:
        text = self._get(flow, _COMPLETION, completion_id)
        return decode_completion(text) if text is not None else None

    def load_flow(self, flow: str) -> FlowRecords:
        columns = self._table.c
        texts: dict[str, list[str]] = {_COMPLETION: [], _INVOCATION: [], _EDGE: []}
        for row in self._calls.rows(sa.select(columns.kind, columns.json).where(columns.flow == flow), self._table):
            texts[row.kind].append(row.json)
        return flow_records(
            map(decode_completion, texts[_COMPLETION]),
            map(decode_invocation, texts[_INVOCATION]),
            map(decode_edge, texts[_EDGE]),
        )

    def has_sync_edge(self, sync: str, matched_ids: Iterable[str], flow: str) -> bool:
        return self._get(flow, _EDGE, firing_id(sync, matched_ids)) is not None

    def add_sync_edge(self, edge: SyncEdge) -> None:
        text = encode_record(edge).decode()
        self._calls.rows(self._insert(edge.flow, _EDGE, edge.firing, text), self._table)

    def for_match(self, sync: str, matched_ids: Iterable[str], flow: str) -> SyncEdge | None:
        text = self._get(flow, _EDGE, firing_id(sync, matched_ids))
        return decode_edge(text) if text is not None else None

    def scan(self) -> Iterator[Completion | SyncEdge]:
        columns = self._table.c
        key = sa.tuple_(columns.flow, columns.kind, columns.id)
        question = sa.select(columns.flow, columns.kind, columns.id, columns.json).order_by(*key.clauses).limit(_PAGE)
        wanted = columns.kind.in_((_COMPLETION, _EDGE))
        page = self._calls.rows(question.where(wanted), self._table)
        while page:
            for row in page:
                yield decode_completion(row.json) if row.kind == _COMPLETION else decode_edge(row.json)
            last = page[-1]
            after = key > sa.tuple_(*map(sa.literal, (last.flow, last.kind, last.id)))
            page = self._calls.rows(question.where(wanted, after), self._table)

    def gc(self, before_s: float) -> int:
        columns = self._table.c
        old = sa.select(columns.flow).group_by(columns.flow).having(sa.func.max(columns.at) < before_s)
        gone = sa.delete(self._table).where(columns.flow.in_(old)).returning(columns.kind)
        return len(self._calls.rows(gone, self._table))

    def _get(self, flow: str, kind: str, id_: str) -> str | None:
        columns = self._table.c
        where = (columns.flow == flow) & (columns.kind == kind) & (columns.id == id_)
        found = self._calls.rows(sa.select(columns.json).where(where), self._table)
        return found[0].json if found else None

    def _insert(self, flow: str, kind: str, id_: str, text: str) -> Any:
        """Gives a row where the record is new."""
        now_s = self._clock.now()
        values = {
            "flow": flow,
            "kind": kind,
            "id": id_,
            "json": text,
            "at": now_s,
            "expires": None if self._ttl_s is None else now_s + self._ttl_s,
        }
        made = sql.insert(self._calls.database, self._table).values(values)
        return made.on_conflict_do_nothing().returning(self._table.c.id)
