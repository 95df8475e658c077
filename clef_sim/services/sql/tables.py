"""Rows, their versions, and who holds them: PostgreSQL's READ COMMITTED over one index, the primary key."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import sqlalchemy as sa

from clef_sim.services.sql.expressions import Values
from clef_sim.services.sql.statements import Where

Key: TypeAlias = tuple[Any, ...]


class Version:
    """One state of a row. `born`: the same for all versions since the row was inserted."""

    __slots__ = ("born", "values")

    def __init__(self, values: Values, born: object) -> None:
        self.values, self.born = values, born


class Slot:
    """A primary key's row: what is committed, and what its holder has made of it.

    Attributes:
        owner: the transaction that holds the row until its end; others wait to change it.
        changed: whether `pending` (None: deleted) is to take the place of `committed`; else it is only held.
    """

    __slots__ = ("changed", "committed", "key", "owner", "pending", "table")

    def __init__(self, table: Table, key: Key) -> None:
        self.table, self.key = table, key
        self.committed: Version | None = None
        self.pending: Version | None = None
        self.owner: Transaction | None = None
        self.changed = False

    def seen_by(self, transaction: Transaction | None) -> Version | None:
        """What a statement sees: its own transaction's changes, else what is committed."""
        return self.pending if self.changed and self.owner is transaction else self.committed

    def hold(self, transaction: Transaction) -> None:
        if self.owner is None:
            self.owner = transaction
            transaction.slots.append(self)

    def write(self, transaction: Transaction, version: Version | None) -> None:
        self.hold(transaction)
        self.pending, self.changed = version, True

    def release(self, committed: bool) -> None:
        if committed and self.changed:
            self.committed = self.pending
        self.pending, self.owner, self.changed = None, None, False
        if self.committed is None:
            self.table.forget(self)


class Table:
    """One table's rows, in the order of their insertion, found by what their keys begin with."""

    def __init__(self, made: sa.Table) -> None:
        self.name = str(made.name)
        self.key_columns = tuple(column.name for column in made.primary_key)
        self.required = tuple(column.name for column in made.c if not column.nullable)
        self._slots: dict[Key, Slot] = {}
        self._begin: dict[Key, dict[Key, Slot]] = {}

    def key_of(self, values: Values) -> Key:
        return tuple(values[name] for name in self.key_columns)

    def slot(self, key: Key) -> Slot:
        """The key's row; a new one, empty and held by nobody, where there is none."""
        found = self._slots.get(key)
        if found is None:
            found = self._slots[key] = Slot(self, key)
            for length in range(1, len(key)):
                self._begin.setdefault(key[:length], {})[key] = found
        return found

    def forget(self, slot: Slot) -> None:
        key = slot.key
        del self._slots[key]
        for length in range(1, len(key)):
            group = self._begin[key[:length]]
            del group[key]
            if not group:
                del self._begin[key[:length]]

    def matching(self, where: Where, transaction: Transaction | None) -> list[tuple[Slot, Version]]:
        """The rows that a statement of the transaction sees and wants, and the versions it sees of them."""
        found = []
        for slot in self._candidates(where):
            version = slot.seen_by(transaction)
            if version is not None and where.meets(version.values):
                found.append((slot, version))
        return found

    def _candidates(self, where: Where) -> Iterator[Slot]:
        """At least the rows that are wanted: by as much of the key as is given from its beginning."""
        given: list[Any] = []
        for name in self.key_columns:
            if name not in where.equal:
                break
            given.append(where.equal[name])
        key = tuple(given)
        if len(key) == len(self.key_columns):
            slot = self._slots.get(key)
            yield from () if slot is None else (slot,)
        else:
            yield from list((self._begin.get(key, {}) if key else self._slots).values())


class Transaction:
    """What one session has changed and holds. `waits_for`: whose end its statement waits for."""

    __slots__ = ("failed", "slots", "waiting", "waits_for")

    def __init__(self) -> None:
        self.slots: list[Slot] = []
        self.failed = False
        self.waits_for: Transaction | None = None
        self.waiting: list[Any] = []
        """The statements that wait for this one, in the order of their coming."""

    @property
    def in_a_circle(self) -> bool:
        """Whether it waits, over others, for itself."""
        seen, other = [self], self.waits_for
        while other is not None:
            if other is self:
                return True
            if any(other is each for each in seen):
                return False  # a circle, of others
            seen.append(other)
            other = other.waits_for
        return False
