"""SQLAlchemy's expressions as functions of a row. NULL is None, and what compares with it is unknown: None too."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import sqlalchemy as sa

from clef_sim.services.sdk import Unmodelled
from clef_sim.services.sql.errors import nul_in_text

Values: TypeAlias = Mapping[str, Any]
Expression: TypeAlias = Callable[[Values, Values], Any]
"""Of a row and of the one that an insert proposed (`excluded`; empty elsewhere)."""

_COMPARED: dict[str, Callable[[Any, Any], Any]] = {
    name: getattr(operator, name) for name in ("eq", "ne", "lt", "le", "gt", "ge", "add")
}
_KINDS: tuple[tuple[type[Any], tuple[type, ...]], ...] = (
    (sa.Text, (str,)),
    (sa.Boolean, (bool,)),
    (sa.Double, (float, int)),
    (sa.BigInteger, (int,)),
)
_BIGINT = 2**63


class Scope:
    """What an expression of one table's statement may name.

    Args:
        rows_of: the rows that a subquery gives, now.
    """

    def __init__(self, table: sa.Table, rows_of: Callable[[Any], list[tuple[Any, ...]]]) -> None:
        self.table, self.rows_of = table, rows_of

    def kind(self, name: str) -> tuple[type, ...]:
        """The Python types that a column takes."""
        found = self.table.c[name].type
        for type_, kinds in _KINDS:
            if isinstance(found, type_):
                return kinds
        raise Unmodelled(f"column {self.table.name}.{name}: the type {found!r} is not modelled")

    def check(self, name: str, value: Any) -> None:
        """Raises Unmodelled for a value that PostgreSQL would convert or refuse; the driver's DataError for a NUL."""
        kind = type(value)
        if value is None or (kind is bool and self.kind(name) == (bool,)):
            return
        if kind not in self.kind(name) or (kind is int and not -_BIGINT <= value < _BIGINT) or value != value:
            raise Unmodelled(f"column {self.table.name}.{name}: the value {value!r:.60} is not modelled")
        if kind is str:
            if "\0" in value:
                raise nul_in_text()
            if not value.isascii():
                value.encode()  # a lone surrogate ends here, as in the driver

    def stored(self, name: str, value: Any) -> Any:
        """A checked value as a column holds it."""
        self.check(name, value)
        return float(value) if type(value) is int and float in self.kind(name) else value


def column_name(scope: Scope, node: Any) -> str:
    """The name of one of the table's own columns."""
    if node.__visit_name__ != "column" or node.table is None or node.table.name != scope.table.name:
        raise Unmodelled(f"SQL: {node} is not modelled here; only columns of {scope.table.name}")
    return str(node.name)


def equality(scope: Scope, node: Any) -> tuple[str, Any] | None:
    """Column and value, where the expression is `column = value` and the value is not NULL."""
    if node.__visit_name__ != "binary" or node.operator is not operator.eq:
        return None
    left, right = node.left, node.right
    if left.__visit_name__ != "column" or right.__visit_name__ != "bindparam" or right.value is None:
        return None
    name = column_name(scope, left)
    scope.check(name, right.value)
    return name, right.value


def conjuncts(node: Any) -> list[Any]:
    """What all must hold, of an expression with `and`."""
    if node.__visit_name__ == "expression_clauselist" and node.operator is sa.sql.operators.and_:
        return [each for clause in node.clauses for each in conjuncts(clause)]
    return [node]


def compiled(scope: Scope, node: Any) -> Expression:
    """The expression as a function.

    Raises:
        Unmodelled: for whatever else an expression may be.
    """
    make = _MAKERS.get(node.__visit_name__)
    if make is None:
        raise Unmodelled(f"SQL: an expression of kind {node.__visit_name__} ({node}) is not modelled")
    return make(scope, node)


def _column(scope: Scope, node: Any) -> Expression:
    name = str(node.name)
    if node.table is not None and node.table.name == "excluded":
        return lambda _, excluded: excluded[name]
    name = column_name(scope, node)
    return lambda row, _: row[name]


def constant(value: Any) -> Expression:
    """The same for every row."""
    return lambda _row, _excluded: value


def _binary(scope: Scope, node: Any) -> Expression:
    name = node.operator.__name__
    if name in ("in_op", "not_in_op"):
        return _within(scope, node, name == "in_op")
    compare = _COMPARED.get(name)
    if compare is None:
        raise Unmodelled(f"SQL: the operator {name} ({node}) is not modelled")
    for column, other in ((node.left, node.right), (node.right, node.left)):
        if column.__visit_name__ == "column" and other.__visit_name__ == "bindparam":
            scope.check(str(column.name), other.value)
    left, right = compiled(scope, node.left), compiled(scope, node.right)

    def evaluate(row: Values, excluded: Values) -> Any:
        one, other = left(row, excluded), right(row, excluded)
        return None if one is None or other is None else compare(one, other)

    return evaluate


def _within(scope: Scope, node: Any, inside: bool) -> Expression:
    name, right = column_name(scope, node.left), node.right
    while right.__visit_name__ == "grouping":
        right = right.element
    if right.__visit_name__ == "bindparam":
        values = list(right.value)
        for value in values:
            scope.check(name, value)
    else:
        values = [row[0] for row in scope.rows_of(right.element if hasattr(right, "element") else right)]
    if None in values:
        raise Unmodelled(f"SQL: NULL within a list ({node}) is not modelled")
    wanted = frozenset(values)
    if not wanted:
        return constant(not inside)
    return lambda row, _: None if row[name] is None else (row[name] in wanted) is inside


def _all_or_any(scope: Scope, node: Any) -> Expression:
    clauses = [compiled(scope, each) for each in node.clauses]
    if node.operator not in (sa.sql.operators.and_, sa.sql.operators.or_):
        raise Unmodelled(f"SQL: the operator {node.operator} ({node}) is not modelled")
    decides = node.operator is sa.sql.operators.or_  # this value of one clause decides for all

    def evaluate(row: Values, excluded: Values) -> Any:
        unknown = False
        for clause in clauses:
            value = clause(row, excluded)
            if value is decides:
                return decides
            unknown = unknown or value is None
        return None if unknown else not decides

    return evaluate


def _unary(scope: Scope, node: Any) -> Expression:
    name = node.operator.__name__ if node.operator is not None else ""
    element = compiled(scope, node.element)
    if name == "is_true":
        return element
    if name not in ("is_false", "inv"):
        raise Unmodelled(f"SQL: the operator {name or node.modifier} ({node}) is not modelled")

    def evaluate(row: Values, excluded: Values) -> Any:
        value = element(row, excluded)
        return None if value is None else not value

    return evaluate


def _case(scope: Scope, node: Any) -> Expression:
    if node.value is not None:
        raise Unmodelled(f"SQL: a case with a value ({node}) is not modelled")
    whens = [(compiled(scope, when), compiled(scope, then)) for when, then in node.whens]
    otherwise = compiled(scope, node.else_) if node.else_ is not None else constant(None)

    def evaluate(row: Values, excluded: Values) -> Any:
        for when, then in whens:
            if when(row, excluded) is True:
                return then(row, excluded)
        return otherwise(row, excluded)

    return evaluate


def _tuple(scope: Scope, node: Any) -> Expression:
    parts = [compiled(scope, each) for each in node.clauses]

    def evaluate(row: Values, excluded: Values) -> Any:
        values = tuple(part(row, excluded) for part in parts)
        if None in values:
            raise Unmodelled(f"SQL: NULL in a row that is compared ({node}) is not modelled")
        return values

    return evaluate


def _function(scope: Scope, node: Any) -> Expression:
    if node.name != "strpos":
        raise Unmodelled(f"SQL: the function {node.name} is not modelled here")
    text, part = (compiled(scope, each) for each in node.clauses)

    def evaluate(row: Values, excluded: Values) -> Any:
        one, other = text(row, excluded), part(row, excluded)
        return None if one is None or other is None else one.find(other) + 1

    return evaluate


_MAKERS: dict[str, Callable[[Scope, Any], Expression]] = {
    "column": _column,
    "bindparam": lambda _, node: constant(node.value),
    "true": lambda _, __: constant(True),
    "false": lambda _, __: constant(False),
    "null": lambda _, __: constant(None),
    "grouping": lambda scope, node: compiled(scope, node.element),
    "binary": _binary,
    "expression_clauselist": _all_or_any,
    "unary": _unary,
    "case": _case,
    "tuple": _tuple,
    "function": _function,
}
