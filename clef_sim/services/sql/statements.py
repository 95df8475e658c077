"""SQLAlchemy Core's statements as what the model runs. The one place that knows how SQLAlchemy keeps their parts.

What a statement has and is not looked at here is refused by name: a part left out would be answered wrongly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

import msgspec
import sqlalchemy as sa

from clef_sim.services.sdk import Unmodelled
from clef_sim.services.sql.expressions import (
    Expression,
    Scope,
    Values,
    column_name,
    compiled,
    conjuncts,
    constant,
    equality,
)

_NOTHING: Mapping[str, Any] = {}


class Where(msgspec.Struct, frozen=True):
    """`equal`: columns and what they must be. `rest`: what else must hold."""

    equal: Mapping[str, Any] = {}
    rest: tuple[Expression, ...] = ()

    def meets(self, row: Values) -> bool:
        for name, value in self.equal.items():
            if row[name] != value:
                return False
        return all(each(row, _NOTHING) is True for each in self.rest)


class Select(msgspec.Struct, frozen=True):
    """`order`: column and whether downwards. `group`: one row for all that are equal in these columns, where `having`
    keeps them."""

    table: str
    where: Where
    columns: tuple[str, ...]
    order: tuple[tuple[str, bool], ...] = ()
    limit: int | None = None
    group: tuple[str, ...] = ()
    having: Callable[[list[Values]], bool] | None = None


class Change(msgspec.Struct, frozen=True):
    """New values of a row that is there; `where`, of it and the proposed one, must hold."""

    values: Mapping[str, Expression]
    where: Expression | None = None

    def made(self, row: Values, excluded: Values) -> dict[str, Any]:
        return {**row, **{name: value(row, excluded) for name, value in self.values.items()}}


class Insert(msgspec.Struct, frozen=True):
    """One row. `conflict`: what to do where its key is there: refuse, nothing, or a change."""

    table: str
    values: Mapping[str, Any]
    conflict: Change | str
    returning: tuple[str, ...]


class Update(msgspec.Struct, frozen=True):
    table: str
    where: Where
    change: Change
    returning: tuple[str, ...]


class Delete(msgspec.Struct, frozen=True):
    table: str
    where: Where
    returning: tuple[str, ...]


Plan: TypeAlias = Select | Insert | Update | Delete
Ask: TypeAlias = Callable[[Select], list[tuple[Any, ...]]]


def table_of(statement: Any) -> str:
    """The name of the statement's table."""
    return str(_table(statement).name)


def planned(statement: Any, ask: Ask) -> Plan:
    """What a statement asks for; `ask` runs a subquery now.

    Raises:
        Unmodelled: it is not of the kind that the adapters make.
        psycopg's DataError: a text with NUL.
    """
    kind = statement.__visit_name__
    if kind not in _READERS:
        raise Unmodelled(f"SQL: a statement of kind {kind} ({statement}) is not modelled")
    _refuse(statement, _UNREAD[kind])
    scope = Scope(_table(statement), lambda inner: ask(_subquery(inner, ask)))
    return _READERS[kind](scope, statement)


def _subquery(statement: Any, ask: Ask) -> Select:
    plan = planned(statement, ask)
    if not isinstance(plan, Select):
        raise Unmodelled(f"SQL: {statement} as a subquery is not modelled")
    return plan


def _table(statement: Any) -> sa.Table:
    tables = statement.get_final_froms() if statement.__visit_name__ == "select" else [statement.table]
    if len(tables) != 1 or not isinstance(tables[0], sa.Table):
        raise Unmodelled(f"SQL: {statement}: only statements on one table are modelled")
    return tables[0]


_UNREAD: dict[str, tuple[str, ...]] = {
    "select": ("_distinct", "_distinct_on", "_for_update_arg", "_offset_clause", "_fetch_clause", "_prefixes"),
    "insert": ("_multi_values", "_select_names", "_prefixes", "_independent_ctes"),
    "update": ("_ordered_values", "_multi_values", "_prefixes", "_independent_ctes"),
    "delete": ("_prefixes", "_independent_ctes"),
}
"""Parts of statements that are not read: they must be empty."""


def _refuse(statement: Any, parts: Iterable[str]) -> None:
    for part in parts:
        value = getattr(statement, part, None)
        if value is not None and value is not False and value != ():
            raise Unmodelled(f"SQL: {part.strip('_')} of {statement} is not modelled")


# ---- the four


def _select(scope: Scope, statement: Any) -> Select:
    group = tuple(column_name(scope, each) for each in statement._group_by_clauses)
    return Select(
        scope.table.name,
        _where(scope, statement._where_criteria),
        _names(scope, statement._raw_columns),
        tuple(_ordered(scope, each) for each in statement._order_by_clauses),
        _limit(statement),
        group,
        _having(scope, statement._having_criteria),
    )


def _limit(statement: Any) -> int | None:
    clause = statement._limit_clause
    if clause is None:
        return None
    value: int | None = clause.value
    return value


def _ordered(scope: Scope, node: Any) -> tuple[str, bool]:
    if node.__visit_name__ == "unary" and node.modifier is sa.sql.operators.desc_op:
        return column_name(scope, node.element), True
    return column_name(scope, node), False


def _having(scope: Scope, criteria: Iterable[Any]) -> Callable[[list[Values]], bool] | None:
    """`max(column) < value`, and with the other comparisons."""
    tests = []
    for node in criteria:
        function = getattr(node, "left", None)
        if getattr(function, "name", None) != "max" or node.right.__visit_name__ != "bindparam":
            raise Unmodelled(f"SQL: having {node} is not modelled; only max(column) compared with a value")
        (argument,) = function.clauses  # type: ignore[union-attr]  # a function has them
        tests.append((column_name(scope, argument), node.operator, node.right.value))
    if not tests:
        return None

    def keeps(rows: list[Values]) -> bool:
        for name, compare, value in tests:
            known = [row[name] for row in rows if row[name] is not None]
            if not known or not compare(max(known), value):
                return False
        return True

    return keeps


def _insert(scope: Scope, statement: Any) -> Insert:
    values = dict.fromkeys(scope.table.c.keys())
    for key, node in (statement._values or {}).items():
        name = _target(scope, key)
        if node.__visit_name__ != "bindparam":
            raise Unmodelled(f"SQL: the value {node} of an insert is not modelled; only given ones")
        values[name] = scope.stored(name, node.value)
    return Insert(scope.table.name, values, _conflict(scope, statement), _returned(scope, statement))


def _conflict(scope: Scope, statement: Any) -> Change | str:
    clause = statement._post_values_clause
    if clause is None:
        return "refuse"
    _refuse(clause, ("constraint_target", "inferred_target_whereclause"))
    target = {getattr(each, "name", each) for each in clause.inferred_target_elements or ()}
    key = {column.name for column in scope.table.primary_key}
    if target and target != key:
        raise Unmodelled(f"SQL: on conflict of {sorted(map(str, target))} is not modelled; only the primary key")
    if clause.__visit_name__ == "on_conflict_do_nothing":
        return "nothing"
    return _change(scope, dict(clause.update_values_to_set), clause.update_whereclause)


def _update(scope: Scope, statement: Any) -> Update:
    return Update(
        scope.table.name,
        _where(scope, statement._where_criteria),
        _change(scope, statement._values or {}, None),
        _returned(scope, statement),
    )


def _delete(scope: Scope, statement: Any) -> Delete:
    return Delete(scope.table.name, _where(scope, statement._where_criteria), _returned(scope, statement))


_READERS: dict[str, Callable[[Scope, Any], Plan]] = {
    "select": _select,
    "insert": _insert,
    "update": _update,
    "delete": _delete,
}

# ---- their parts


def _where(scope: Scope, criteria: Iterable[Any]) -> Where:
    equal: dict[str, Any] = {}
    rest: list[Expression] = []
    for each in (each for one in criteria for each in conjuncts(one)):
        found = equality(scope, each)
        if found is not None and found[0] not in equal:
            equal[found[0]] = found[1]
        else:
            rest.append(compiled(scope, each))
    return Where(equal, tuple(rest))


def _change(scope: Scope, values: Mapping[Any, Any], where: Any) -> Change:
    made: dict[str, Expression] = {}
    for key, node in values.items():
        name = _target(scope, key)
        if scope.table.c[name].primary_key:
            raise Unmodelled(f"SQL: a change of the key {scope.table.name}.{name} is not modelled")
        if node.__visit_name__ == "bindparam":
            made[name] = constant(scope.stored(name, node.value))
        else:
            made[name] = compiled(scope, node)
    return Change(made, None if where is None else compiled(scope, where))


def _target(scope: Scope, key: Any) -> str:
    name = str(getattr(key, "name", key))
    if name not in scope.table.c:
        raise Unmodelled(f"SQL: {scope.table.name} has no column {name}")
    return name


def _returned(scope: Scope, statement: Any) -> tuple[str, ...]:
    return _names(scope, statement._returning or ())


def _names(scope: Scope, nodes: Iterable[Any]) -> tuple[str, ...]:
    names: list[str] = []
    for node in nodes:
        names += [column.name for column in node.c] if isinstance(node, sa.Table) else [column_name(scope, node)]
    return tuple(names)
