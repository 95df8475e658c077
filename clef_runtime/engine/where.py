"""The *where* of a sync: from the bindings of a match to zero or more bindings, and the facts it reads.

Entries hold in the order in which they are written. `bind` sets a variable (again, where it was set before),
`filter` keeps the bindings for which its condition is true, a query gives one binding for each fact, an ask
one for an outcome that fits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, Protocol, TypeAlias

from clef_runtime.concept import Catalogue, Tools
from clef_runtime.context import Clock, Ids
from clef_runtime.engine.expressions import Draw, Evaluate, Site, compile_expr
from clef_runtime.errors import BadInput, ClefError
from clef_runtime.language.compiled import Ask, Bind, Filter, Literal, Query, Variable, WhereEntry
from clef_runtime.language.functions import json_equal, truthy
from clef_runtime.model import Outcome, Record
from clef_runtime.storage.base import Storage
from clef_runtime.storage.criteria import KEY, meets
from clef_runtime.storage.rows import check_key


class Facts(Protocol):
    """The state of concepts, as syncs may read it. Raises what the storage raises."""

    def query(self, concept: str, criteria: Record) -> list[Record]:
        """The rows of the concept's facts relation that meet `criteria`, in the order of their keys, each
        with its key in `__key`.

        Args:
            concept: a URN.
            criteria: field -> value it must equal; may hold `__key`. A null meets only a null.
        """

    def ask(self, concept: str, action: str, input: Record) -> Outcome:
        """The outcome of an action that only reads."""


class StorageFacts:
    """Facts straight from the concepts' storages.

    Args:
        storage_of: the storage of the concept with this URN.
        clock, ids: given to the reading actions that an ask runs.
    """

    def __init__(self, catalogue: Catalogue, storage_of: Callable[[str], Storage], clock: Clock, ids: Ids) -> None:
        self._catalogue, self._storage_of = catalogue, storage_of
        self._clock, self._ids = clock, ids

    def query(self, concept: str, criteria: Record) -> list[Record]:
        """Raises NotFound for a concept that the app does not have."""
        relation = self._catalogue.get(concept).facts
        storage = self._storage_of(concept)
        if KEY not in criteria:
            return storage.find(relation, criteria)
        key = criteria[KEY]
        row = storage.get(relation, key) if _can_be_key(key) else None
        if row is None:
            return []
        row = {**row, KEY: key}
        return [row] if meets(row, criteria) else []

    def ask(self, concept: str, action: str, input: Record) -> Outcome:
        """Raises BadInput for an action that is not there or not marked as reading. One that raises has
        ended in variant `error`, as everywhere."""
        found = self._catalogue.get(concept)
        if action not in found.reading:
            raise BadInput(
                f"{found.name}/{action} cannot be asked in a where: it is not among the reading actions"
                f" {sorted(found.reading)}; mark it with @{found.name.lower()}.query if it only reads"
            )
        tools = Tools(self._storage_of(concept), self._clock, self._ids)
        try:
            return found.actions[action](input, tools)
        except ClefError:
            raise
        except Exception as error:
            return Outcome("error", {"message": f"{type(error).__name__}: {error}"})


def _can_be_key(value: Any) -> bool:
    """No row is kept under what is not a key: asking for one finds nothing and is no error."""
    try:
        check_key(value)
    except BadInput:
        return False
    return True


Bindings: TypeAlias = list[Record]
RunStep: TypeAlias = Callable[[Bindings, Draw, Facts], Bindings]


class WhereStep(NamedTuple):
    """One entry of a where. `run` owns the bindings it is given and may change them."""

    entry: WhereEntry
    run: RunStep


def compile_where(entries: Iterable[WhereEntry], bound: Iterable[str], site: Site) -> tuple[WhereStep, ...]:
    """The steps of a where. Which variables are bound at each entry is known beforehand: those of the *when*
    and those of the entries before.

    Args:
        bound: the variables of the *when*.

    Raises:
        BadInput: an expression that does not compile, or was not parsed; names sync, file and line.
    """
    names = set(bound)
    steps = []
    for entry in entries:
        if isinstance(entry, Bind):
            run = _bind(entry.as_, _parsed(entry, site))
            names.add(entry.as_)
        elif isinstance(entry, Filter):
            run = _filter(_parsed(entry, site))
        elif entry.ask is not None:
            run = _ask(ask_concept(entry), entry.ask, names, site)
            names |= {field.match.name for field in entry.ask.output if isinstance(field.match, Variable)}
        else:
            run = _query(entry, names)
            names |= {binding.variable for binding in entry.bindings}
        steps.append(WhereStep(entry, run))
    return tuple(steps)


def _parsed(entry: Bind | Filter, site: Site) -> Evaluate:
    if entry.value is None:
        raise site.error(f"where expression {entry.expr!r} has not been parsed; load the sync with the language")
    return compile_expr(entry.value, site)


def ask_concept(entry: Query) -> str:
    """`urn:clef/Concept/action` -> `urn:clef/Concept`"""
    return entry.concept.removesuffix(f"/{entry.ask.action}") if entry.ask else entry.concept


def _bind(name: str, value: Evaluate) -> RunStep:
    def run(rows: Bindings, draw: Draw, _facts: Facts) -> Bindings:
        for row in rows:
            row[name] = value(row, draw)
        return rows

    return run


def _filter(condition: Evaluate) -> RunStep:
    def run(rows: Bindings, draw: Draw, _facts: Facts) -> Bindings:
        return [row for row in rows if truthy(condition(row, draw))]

    return run


class QueryParts(NamedTuple):
    """What a query filters by and what it binds, given the variables bound before it."""

    literals: dict[str, Any]
    filters: tuple[tuple[str, str], ...]
    """(field, bound variable), a field once; into the criteria"""
    binds: tuple[tuple[str, str], ...]
    """(field, variable) whose value is the field's"""
    agrees: tuple[tuple[str, str], ...]
    """(field, variable) that must be equal besides: a variable or a field that stands twice"""

    def criteria(self, row: Record) -> Record:
        """Bound variables in the order of the document, then literals."""
        wanted = {field: row[variable] for field, variable in self.filters}
        wanted.update(self.literals)
        return wanted

    def bind(self, row: Record, fact: Record) -> Record | None:
        """`row` with what `fact` binds; None where a field is absent or a variable disagrees."""
        bound = row.copy()
        for field, variable in self.binds:
            if field not in fact:
                return None
            bound[variable] = fact[field]
        for field, variable in self.agrees:
            if field not in fact or not json_equal(fact[field], bound[variable]):
                return None
        return bound


def query_parts(entry: Query, bound: Iterable[str]) -> QueryParts:
    names = set(bound)
    literals = {literal.field: literal.value for literal in entry.literals}
    filters: dict[str, str] = {}
    binds: dict[str, str] = {}
    agrees: list[tuple[str, str]] = []
    for binding in entry.bindings:
        if binding.variable not in names and binding.variable not in binds:
            binds[binding.variable] = binding.field
        elif binding.variable in names and binding.field not in filters and binding.field not in literals:
            filters[binding.field] = binding.variable
        else:
            agrees.append((binding.field, binding.variable))
    bind_pairs = tuple((field, variable) for variable, field in binds.items())
    return QueryParts(literals, tuple(filters.items()), bind_pairs, tuple(agrees))


def _query(entry: Query, bound: Iterable[str]) -> RunStep:
    concept, parts = entry.concept, query_parts(entry, bound)

    def run(rows: Bindings, _draw: Draw, facts: Facts) -> Bindings:
        found = []
        for row in rows:
            for fact in facts.query(concept, parts.criteria(row)):
                bound = parts.bind(row, fact)
                if bound is not None:
                    found.append(bound)
        return found

    return run


def _ask(concept: str, ask: Ask, bound: Iterable[str], site: Site) -> RunStep:
    inputs = tuple((name, compile_expr(expr, site)) for name, expr in ask.input)
    names = frozenset(bound)

    def run(rows: Bindings, draw: Draw, facts: Facts) -> Bindings:
        found = []
        for row in rows:
            outcome = facts.ask(concept, ask.action, {name: value(row, draw) for name, value in inputs})
            answer = outcome_bindings(ask, outcome, row, names)
            if answer is not None:
                found.append(answer)
        return found

    return run


def outcome_bindings(ask: Ask, outcome: Outcome, row: Record, bound: Iterable[str]) -> Record | None:
    """`row` with what the outcome binds; None where the outcome does not fit the ask's output side."""
    output = {**outcome.output, "variant": outcome.variant}
    names = set(bound)
    answer = row.copy()
    for field in ask.output:
        match = field.match
        if isinstance(match, Literal):
            if field.name not in output or not json_equal(output[field.name], match.value):
                return None
        elif isinstance(match, Variable):
            if field.name not in output:
                return None
            if match.name not in names:
                answer[match.name] = output[field.name]
                names.add(match.name)
            elif not json_equal(output[field.name], answer[match.name]):
                return None
    return answer
