"""The port through which a concept keeps its state: rows of JSON values by relation and key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol, TypeAlias

import msgspec

from clef_runtime.model import Record

Op: TypeAlias = Literal["eq", "ne", "gt", "ge", "lt", "le", "in", "contains"]


class Is(msgspec.Struct, frozen=True):
    """A criterion other than equality: `{"price": Is("lt", 10)}`. Values that don't compare don't match."""

    op: Op
    value: Any


Criteria: TypeAlias = Mapping[str, Any]
"""Field -> value it must equal, or `Is`. All must hold; a missing field never matches. `__key` is the key."""


class Write(msgspec.Struct, frozen=True):
    """One buffered change of a row. `value` None deletes.

    `version` is what the row's version was when the writer read it (0: absent); None: not read, no condition.
    """

    relation: str
    key: str
    value: Record | None
    version: int | None = None


Staged: TypeAlias = Sequence[Any]
"""Writes in the backend's own form, for an action log of the same backend to commit with a completion."""


class Storage(Protocol):
    """Rows of JSON values. Single-row operations are atomic; a read sees every earlier write by anyone.

    All methods raise `Throttled`, `Refused` (surely not done) or `Indeterminate` (may have been done);
    all are idempotent and may be retried.
    """

    transactional: bool
    """Whether `stage` is supported: an action's writes and its completion can commit together."""

    def put(self, relation: str, key: str, value: Record) -> None:
        """Stores `value` under `key`, replacing what is there."""

    def get(self, relation: str, key: str) -> Record | None:
        """The row's value, or None."""

    def get_versioned(self, relation: str, key: str) -> tuple[Record | None, int]:
        """The value and its version, which every write of the row changes; (None, 0) where there is none."""

    def find(
        self,
        relation: str,
        criteria: Criteria | None = None,
        *,
        sort: str | None = None,
        limit: int | None = None,
        offset: int = 0,
    ) -> list[Record]:
        """The rows that meet `criteria`, each with its key in the field `__key`.

        Args:
            sort: a field; `-field` sorts downwards. Rows without it come last; ties go by key, as do all
                rows where no sort is asked for.
            limit: at most so many (>= 0), after skipping `offset` (>= 0).
        """

    def delete(self, relation: str, key: str) -> None:
        """Removes the row; nothing happens where there is none."""

    def delete_many(self, relation: str, criteria: Criteria) -> int:
        """Removes the rows that meet `criteria`; says how many. Not atomic as a whole."""

    def stage(self, writes: Sequence[Write]) -> Staged:
        """The writes in the backend's own form, each conditional on its `version`. Writes nothing."""
