"""Expressions of syncs as closures: compiled once when syncs are indexed, called for each binding.

A compiled expression never raises for the values it meets; what does not make sense is null or false, as
`language/functions.py` defines it. Only a function that the app registered can fail.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from clef_runtime.context import Clock, Ids, timestamp
from clef_runtime.errors import BadInput
from clef_runtime.language.compiled import (
    CompiledSync,
    Expr,
    ListOf,
    Lit,
    RecordOf,
    Template,
    Var,
)
from clef_runtime.language.findings import unknown_function
from clef_runtime.language.functions import (
    ARITY,
    BUILTINS,
    FUNCTIONS,
    OPERATORS,
    UNLIMITED,
    step_into,
    text_of,
    truthy,
)
from clef_runtime.model import Record

Functions: TypeAlias = Mapping[str, Callable[..., Any]]


class Draw:
    """What one firing draws from outside: fresh ids, and one reading of the clock, so that every `now()` and
    every timestamp of a firing is the same."""

    __slots__ = ("_clock", "_ids", "_now")

    def __init__(self, clock: Clock, ids: Ids) -> None:
        self._clock, self._ids, self._now = clock, ids, ""

    def now(self) -> str:
        """ISO 8601 in UTC."""
        if not self._now:
            self._now = timestamp(self._clock)
        return self._now

    def uuid(self) -> str:
        return self._ids.new()


Evaluate: TypeAlias = Callable[[Record, Draw], Any]
"""(binding, draw) -> value"""


class Site(msgspec.Struct, frozen=True):
    """Where an expression stands: what an error about it has to name."""

    sync: CompiledSync
    functions: Functions

    def __str__(self) -> str:
        source = self.sync.source
        return f"{source.file}:{source.line}: sync {self.sync.name}" if source else f"sync {self.sync.name}"

    def error(self, message: str) -> BadInput:
        return BadInput(f"{self}: {message}")


def compile_expr(expr: Expr, site: Site) -> Evaluate:
    """The closure of an expression.

    Raises:
        BadInput: an unknown function, or a built-in one with too few or too many arguments; names function,
            sync, file and line. Definite.
    """
    if isinstance(expr, Lit):
        value = expr.value
        return lambda _row, _draw: value
    if isinstance(expr, Var):
        return _variable(expr)
    if isinstance(expr, RecordOf):
        fields = tuple((name, compile_expr(item, site)) for name, item in expr.fields)
        return lambda row, draw: {name: item(row, draw) for name, item in fields}
    if isinstance(expr, ListOf):
        items = tuple(compile_expr(item, site) for item in expr.items)
        return lambda row, draw: [item(row, draw) for item in items]
    if isinstance(expr, Template):
        parts = tuple(compile_expr(part, site) for part in expr.parts)
        if len(parts) == 1:
            return parts[0]
        return lambda row, draw: "".join([text_of(part(row, draw)) for part in parts])
    return _call(expr.name, tuple(compile_expr(arg, site) for arg in expr.args), site)


def _variable(expr: Var) -> Evaluate:
    name, path = expr.name, expr.path
    if not path:
        return lambda row, _draw: row.get(name)

    def follow(row: Record, _draw: Draw) -> Any:
        value = row.get(name)
        for step in path:
            value = step_into(value, step)
        return value

    return follow


def _call(name: str, args: Sequence[Evaluate], site: Site) -> Evaluate:
    _check_arity(name, len(args), site)
    if name in _SPECIAL:
        return _SPECIAL[name](args)
    if name in OPERATORS:
        return _operator(name, args)
    if name in FUNCTIONS:
        return _plain(FUNCTIONS[name], args)
    if name in site.functions:
        return _registered(name, site.functions[name], args, site)
    raise site.error(unknown_function(name, BUILTINS | site.functions.keys()))


def _check_arity(name: str, count: int, site: Site) -> None:
    fewest, most = ARITY.get(name, (0, UNLIMITED))
    if name in OPERATORS:
        fewest, most = (1 if name == "-" else 2), 2
    if not fewest <= count <= most:
        wanted = str(fewest) if fewest == most else f"{fewest} to {most}" if most < UNLIMITED else f">= {fewest}"
        raise site.error(f"`{name}` takes {wanted} argument(s), not {count}")


def _operator(name: str, args: Sequence[Evaluate]) -> Evaluate:
    compute = OPERATORS[name]
    if len(args) == 1:
        return lambda row, draw: compute(0, args[0](row, draw))
    return _plain(compute, args)


def _plain(function: Callable[..., Any], args: Sequence[Evaluate]) -> Evaluate:
    if len(args) == 1:
        (only,) = args
        return lambda row, draw: function(only(row, draw))
    if len(args) == 2:
        left, right = args
        return lambda row, draw: function(left(row, draw), right(row, draw))
    return lambda row, draw: function(*[arg(row, draw) for arg in args])


def _registered(name: str, function: Callable[..., Any], args: Sequence[Evaluate], site: Site) -> Evaluate:
    """An app's own function: the only one that can fail, so the failure names it."""

    def call(row: Record, draw: Draw) -> Any:
        values = [arg(row, draw) for arg in args]
        try:
            return function(*values)
        except Exception as error:
            raise site.error(
                f"function `{name}` failed on {values!r:.200}: {type(error).__name__}: {error};"
                " it must return a value for any arguments"
            ) from error

    return call


# --- what does not evaluate all its arguments, or draws ----------------------------------------------


def _choose(args: Sequence[Evaluate]) -> Evaluate:
    """`cond(flag, a, b)`: only the chosen side is evaluated; without `b`, null."""
    flag, yes, *rest = args
    no: Evaluate = rest[0] if rest else lambda _row, _draw: None
    return lambda row, draw: yes(row, draw) if truthy(flag(row, draw)) else no(row, draw)


def _and(args: Sequence[Evaluate]) -> Evaluate:
    """The first argument that is not true, else the last one: the later ones are not evaluated."""

    def value(row: Record, draw: Draw) -> Any:
        result: Any = True
        for arg in args:
            result = arg(row, draw)
            if not truthy(result):
                break
        return result

    return value


def _or(args: Sequence[Evaluate]) -> Evaluate:
    """The first argument that is true, else the last one: the later ones are not evaluated."""

    def value(row: Record, draw: Draw) -> Any:
        result: Any = False
        for arg in args:
            result = arg(row, draw)
            if truthy(result):
                break
        return result

    return value


def _not(args: Sequence[Evaluate]) -> Evaluate:
    return lambda row, draw: not truthy(args[0](row, draw))


_SPECIAL: dict[str, Callable[[Sequence[Evaluate]], Evaluate]] = {
    "uuid": lambda _: lambda _row, draw: draw.uuid(),
    "now": lambda _: lambda _row, draw: draw.now(),
    "cond": _choose,
    "if": _choose,
    "and": _and,
    "or": _or,
    "any": _or,
    "guard": lambda args: args[0],
    "not": _not,
}
