"""Statements as they run: generators that give the transaction they have to wait for, and end with their rows."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any, TypeAlias

from clef_sim.services.sql import errors
from clef_sim.services.sql.expressions import Values
from clef_sim.services.sql.statements import Change, Delete, Insert, Plan, Select, Update, Where
from clef_sim.services.sql.tables import Slot, Table, Transaction, Version

Rows: TypeAlias = list[tuple[Any, ...]]
Steps: TypeAlias = Generator[Transaction, None, Rows]

_NOTHING: Values = {}


def select(table: Table, plan: Select, transaction: Transaction | None) -> Rows:
    """Reads wait for nobody: they see what is committed now, and the transaction's own changes."""
    rows: list[Values] = [version.values for _, version in table.matching(plan.where, transaction)]
    if plan.group:
        rows = _groups(rows, plan)
    for name, downwards in reversed(plan.order):
        rows.sort(key=lambda row, name=name: (row[name] is None, row[name]), reverse=downwards)  # type: ignore[misc]  # mypy does not infer a lambda with a default
    return [_part(row, plan.columns) for row in rows[: plan.limit]]


def _groups(rows: list[Values], plan: Select) -> list[Values]:
    groups: dict[tuple[Any, ...], list[Values]] = {}
    for row in rows:
        groups.setdefault(_part(row, plan.group), []).append(row)
    return [members[0] for members in groups.values() if plan.having is None or plan.having(members)]


def _part(row: Values, names: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple(row[name] for name in names)


def steps_of(table: Table, plan: Plan, transaction: Transaction) -> Steps:
    """A statement that changes rows. Where it has to wait, others' commits meanwhile count for the rows that it
    found at its beginning: they are looked at again; rows that are new since are not."""
    if isinstance(plan, Insert):
        return _insert(table, plan, transaction)
    if isinstance(plan, Update):
        return _update(table, plan, transaction)
    assert isinstance(plan, Delete)
    return _delete(table, plan, transaction)


def _insert(table: Table, plan: Insert, transaction: Transaction) -> Steps:
    values = plan.values
    for name in table.required:
        if values[name] is None:
            raise errors.not_null_violation(table.name, name)
    key = table.key_of(values)
    while True:
        slot = table.slot(key)  # each time anew: the one that was waited for may be gone
        # Whose uncommitted change decides whether the key is taken is waited for; who only holds the row is not.
        if slot.changed and slot.owner is not None and slot.owner is not transaction:
            yield slot.owner
            continue
        there = slot.seen_by(transaction)
        if there is None:
            slot.write(transaction, Version(dict(values), object()))
            return _returned([values], plan.returning)
        if plan.conflict == "nothing":
            return []
        if not isinstance(plan.conflict, Change):
            names, given = ", ".join(table.key_columns), ", ".join(map(str, key))
            raise errors.unique_violation(f"{table.name}_pkey", f"({names})=({given})")
        if slot.owner is not None and slot.owner is not transaction:
            yield slot.owner
            continue
        return _changed_instead(slot, there, plan.conflict, values, plan.returning, transaction)


def _changed_instead(
    slot: Slot,
    there: Version,
    change: Change,
    proposed: Mapping[str, Any],
    returning: tuple[str, ...],
    transaction: Transaction,
) -> Rows:
    """`on conflict do update`: the row is held even where the condition does not hold."""
    slot.hold(transaction)
    if change.where is not None and change.where(there.values, proposed) is not True:
        return []
    made = change.made(there.values, proposed)
    slot.write(transaction, Version(made, there.born))
    return _returned([made], returning)


def _update(table: Table, plan: Update, transaction: Transaction) -> Steps:
    made: list[Values] = []
    for slot, seen in table.matching(plan.where, transaction):
        now = yield from _held(slot, seen, plan.where, transaction)
        if now is not None:
            values = plan.change.made(now.values, _NOTHING)
            slot.write(transaction, Version(values, now.born))
            made.append(values)
    return _returned(made, plan.returning)


def _delete(table: Table, plan: Delete, transaction: Transaction) -> Steps:
    gone: list[Values] = []
    for slot, seen in table.matching(plan.where, transaction):
        now = yield from _held(slot, seen, plan.where, transaction)
        if now is not None:
            slot.write(transaction, None)
            gone.append(now.values)
    return _returned(gone, plan.returning)


def _held(
    slot: Slot, seen: Version, where: Where, transaction: Transaction
) -> Generator[Transaction, None, Version | None]:
    """Holds a row and gives its newest version; None where it is gone, or no longer what is wanted."""
    while slot.owner is not None and slot.owner is not transaction:
        yield slot.owner
    now = slot.seen_by(transaction)
    if now is not seen and (now is None or now.born is not seen.born or not where.meets(now.values)):
        return None
    slot.hold(transaction)
    return now


def _returned(rows: list[Values], names: tuple[str, ...]) -> Rows:
    return [_part(row, names) for row in rows]
