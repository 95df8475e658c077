"""Compiled syncs: what a `.sync` file means, ready for matching. JSON of this is the exchange form.

Keys that Clef's own compiler writes keep its names and shapes (`inputFields`, `as`, `__key`). What
that form has no room for (parsed expressions, literals in queries, loops) stands in further keys,
which other readers ignore.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec

# --- expressions -------------------------------------------------------------------------------


class Lit(msgspec.Struct, frozen=True, tag_field="node", tag="lit"):
    value: Any


class Var(msgspec.Struct, frozen=True, tag_field="node", tag="var", omit_defaults=True):
    """`?name.field.field`"""

    name: str
    path: tuple[str, ...] = ()


class Call(msgspec.Struct, frozen=True, tag_field="node", tag="call"):
    """A function or an operator; operators go by their sign (`==`, `and`, `not`, `+`)."""

    name: str
    args: tuple[Expr, ...]


class RecordOf(msgspec.Struct, frozen=True, tag_field="node", tag="record"):
    fields: tuple[tuple[str, Expr], ...]


class ListOf(msgspec.Struct, frozen=True, tag_field="node", tag="list"):
    items: tuple[Expr, ...]


class Template(msgspec.Struct, frozen=True, tag_field="node", tag="template"):
    """A string with `{{name}}` in it; a template that is only one variable yields its value as it is."""

    parts: tuple[Expr, ...]


Expr: TypeAlias = Lit | Var | Call | RecordOf | ListOf | Template

# --- when --------------------------------------------------------------------------------------


class Literal(msgspec.Struct, frozen=True, tag_field="type", tag="literal"):
    value: Any


class Variable(msgspec.Struct, frozen=True, tag_field="type", tag="variable"):
    name: str


class Wildcard(msgspec.Struct, frozen=True, tag_field="type", tag="wildcard"):
    pass


Match: TypeAlias = Literal | Variable | Wildcard


class FieldPattern(msgspec.Struct, frozen=True):
    name: str
    match: Match


class Pattern(msgspec.Struct, frozen=True, rename="camel"):
    """One line of *when*. `concept` is a URN or `?var`, `action` a name or `?var`.

    A named variant is an output field `variant` with a literal.
    """

    concept: str
    action: str
    input_fields: tuple[FieldPattern, ...] = ()
    output_fields: tuple[FieldPattern, ...] = ()


# --- where -------------------------------------------------------------------------------------


class Bind(msgspec.Struct, frozen=True, tag_field="type", tag="bind", omit_defaults=True):
    """`bind(expr as ?v)`; `value` is `expr`, parsed, and `text` is it as written, where that differs."""

    expr: str
    as_: str = msgspec.field(name="as")
    value: Expr | None = None
    text: str = ""


class QueryBinding(msgspec.Struct, frozen=True):
    """A field of a fact and the variable it filters by or binds. `__key` is the fact's key."""

    variable: str
    field: str


class QueryLiteral(msgspec.Struct, frozen=True):
    field: str
    value: Any


class Ask(msgspec.Struct, frozen=True):
    """`Concept/action: [ in ] => [ out ]`: facts through an action that only reads."""

    action: str
    input: tuple[tuple[str, Expr], ...]
    output: tuple[FieldPattern, ...]


class Query(msgspec.Struct, frozen=True, tag_field="type", tag="query", omit_defaults=True):
    """`Concept: { ?key field: ?v; field: "literal" }`, or an `ask` through a reading action.

    `concept` is the concept's URN (`urn:clef/Concept/action` for an ask, as Clef writes it).
    """

    concept: str
    bindings: tuple[QueryBinding, ...]
    literals: tuple[QueryLiteral, ...] = ()
    ask: Ask | None = None


class Filter(msgspec.Struct, frozen=True, tag_field="type", tag="filter", omit_defaults=True):
    """`filter(expr)`, `guard(cond)` and `any(a; b)`; `value` and `text` as in `Bind`."""

    expr: str
    value: Expr | None = None
    text: str = ""


WhereEntry: TypeAlias = Bind | Query | Filter

# --- then --------------------------------------------------------------------------------------


class ThenField(msgspec.Struct, frozen=True, omit_defaults=True):
    """A field of an invocation. `value` is what the exchange form can say; `expr`, where it stands, is exact."""

    name: str
    value: Literal | Variable
    expr: Expr | None = None


class Loop(msgspec.Struct, frozen=True):
    """`for each ?variable in items { ... }`"""

    variable: str
    items: Expr


class ThenAction(msgspec.Struct, frozen=True, omit_defaults=True):
    """One action to invoke, once for each binding and each turn of its loops (outermost first)."""

    concept: str
    action: str
    fields: tuple[ThenField, ...]
    loops: tuple[Loop, ...] = ()


class Source(msgspec.Struct, frozen=True):
    file: str
    line: int


class CompiledSync(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """`purpose` is as Clef writes it, a row of tokens where it is prose; `purpose_text` is it as written, then."""

    name: str
    annotations: tuple[str, ...]
    when: tuple[Pattern, ...]
    where: tuple[WhereEntry, ...]
    then: tuple[ThenAction, ...]
    purpose: str | None = None
    purpose_text: str = msgspec.field(name="purposeText", default="")
    invariants: tuple[str, ...] = ()
    source: Source | None = None

    @property
    def eventual(self) -> bool:
        return "eventual" in self.annotations
