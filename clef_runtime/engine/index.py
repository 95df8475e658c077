"""Syncs ready for matching: compiled once, found by the concept and action of a completion."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, TypeAlias

import msgspec

from clef_runtime.engine.expressions import Site
from clef_runtime.engine.matching import Assigned, CompiledPattern, Insert, Joins, Step, Values
from clef_runtime.engine.prepare import CompiledAction
from clef_runtime.engine.where import compile_where
from clef_runtime.errors import BadInput
from clef_runtime.language import compiled
from clef_runtime.language.compiled import CompiledSync, Pattern
from clef_runtime.language.functions import BUILTINS
from clef_runtime.model import Completion, Record


class Program:
    """A sync, compiled: its patterns, joins, where and then.

    Raises:
        BadInput: an expression that does not compile; names sync, file and line.
    """

    def __init__(
        self, sync: CompiledSync, number: int, functions: Mapping[str, Callable[..., Any]], first_bucket: int
    ) -> None:
        site = Site(sync, functions)
        self.sync, self.name, self.number, self.site = sync, sync.name, number, site
        self.patterns = tuple(map(CompiledPattern, sync.when))
        self.joins = Joins(self.patterns, first_bucket)
        self.twins = any(
            _overlap(one, other) for place, one in enumerate(sync.when) for other in sync.when[place + 1 :]
        )
        """Whether one completion may fit two of the patterns, so that two assignments may be one match."""
        self._picks: dict[str, tuple[int, int]] = {}
        for place, pattern in enumerate(self.patterns):
            for slot, name in enumerate(pattern.variables):
                self._picks.setdefault(name, (place, slot))
        self.where = compile_where(sync.where, self._picks, site)
        self.then = tuple(CompiledAction(action, site) for action in sync.then)

    def bindings(self, assigned: Assigned) -> Record:
        """The variables of an assignment. Of values that are equal, the one in the first place counts."""
        return {name: assigned[place][1][slot] for name, (place, slot) in self._picks.items()}


def _overlap(one: Pattern, other: Pattern) -> bool:
    def may_be_equal(left: str, right: str) -> bool:
        return left == right or left.startswith("?") or right.startswith("?")

    return may_be_equal(one.concept, other.concept) and may_be_equal(one.action, other.action)


class Place(msgspec.Struct, frozen=True):
    """A pattern of a sync, as a place that a completion may take."""

    program: Program
    position: int
    fit: Callable[[Completion], Values | None]
    names: tuple[str, ...]
    inserts: tuple[Insert, ...]
    steps: tuple[Step, ...]
    alone: bool


Fits: TypeAlias = list[tuple[Place, Values]]
Side: TypeAlias = Literal["input", "output", "variant"]


class _Node:
    """The places of one concept and action, told apart by the text field that most of them ask for (the
    `route` of a request, often), so that a completion meets only those which ask for what it holds."""

    def __init__(self, places: list[Place]) -> None:
        self._rest = tuple(places)
        self._side: Side = "input"
        self._field = ""
        self._by_value: dict[str, tuple[Place, ...]] = {}
        asked = [_text_literals(place.program.sync.when[place.position]) for place in places]
        counts: dict[tuple[Side, str], int] = {}
        for literals in asked:
            for field in literals:
                counts[field] = counts.get(field, 0) + 1
        best = max(counts, key=lambda field: counts[field], default=None)
        if best is None or counts[best] < 2:
            return
        self._side, self._field = best
        for value in dict.fromkeys(literals[best] for literals in asked if best in literals):
            self._by_value[value] = tuple(
                place for place, literals in zip(places, asked, strict=True) if literals.get(best, value) == value
            )
        self._rest = tuple(place for place, literals in zip(places, asked, strict=True) if best not in literals)

    def places(self, completion: Completion) -> tuple[Place, ...]:
        if not self._by_value:
            return self._rest
        if self._side == "variant":
            value: Any = completion.variant
        else:
            value = (completion.input if self._side == "input" else completion.output).get(self._field)
        return self._by_value.get(value, self._rest) if value.__class__ is str else self._rest


def _text_literals(pattern: Pattern) -> dict[tuple[Side, str], str]:
    found: dict[tuple[Side, str], str] = {}
    for side, fields in (("input", pattern.input_fields), ("output", pattern.output_fields)):
        for field in fields:
            if isinstance(field.match, compiled.Literal) and isinstance(field.match.value, str):
                variant = side == "output" and field.name == "variant"
                found["variant" if variant else side, field.name] = field.match.value  # type: ignore[index]
    return found


class SyncIndex:
    """Syncs by what they wait for. Immutable; one index serves any number of flows.

    Args:
        syncs: each with a name of its own, since a firing is identified by it.
        functions: further functions that expressions may call, by name.

    Raises:
        BadInput: two syncs of one name, an unknown function, a registered function that hides a built-in
            one; names sync, file and line. Definite.
    """

    def __init__(
        self,
        syncs: Iterable[CompiledSync],
        functions: Mapping[str, Callable[..., Any]] = {},
    ) -> None:
        hidden = sorted(BUILTINS & functions.keys())
        if hidden:
            raise BadInput(f"functions(={hidden}) would hide built-in functions; register them under other names")
        self.programs: dict[str, Program] = {}
        bucket = 0
        for sync in syncs:
            if sync.name in self.programs:
                sites = [str(Site(each, {})) for each in (self.programs[sync.name].sync, sync)]
                raise BadInput(f"two syncs have the name {sync.name!r}: {sites[0]} and {sites[1]}; rename one")
            program = Program(sync, len(self.programs), functions, bucket)
            bucket = program.joins.next_bucket
            self.programs[sync.name] = program
        self._nodes = self._build()

    def _build(self) -> dict[tuple[str, str], _Node]:
        places: dict[tuple[str, str], list[Place]] = {}
        for program in self.programs.values():
            for position, pattern in enumerate(program.sync.when):
                concept = "" if pattern.concept.startswith("?") else pattern.concept
                action = "" if pattern.action.startswith("?") else pattern.action
                places.setdefault((concept, action), []).append(_place(program, position))
        concepts = {concept for concept, _ in places} | {""}
        actions = {action for _, action in places} | {""}
        nodes: dict[tuple[str, str], _Node] = {}
        # Every pair that a sync names, with "" for any other name, holds all places that it can take.
        for concept in sorted(concepts):
            for action in sorted(actions):
                keys = dict.fromkeys([(concept, action), (concept, ""), ("", action), ("", "")])
                held = [place for key in keys for place in places.get(key, ())]
                if held:
                    held.sort(key=lambda place: (place.program.number, place.position))
                    nodes[concept, action] = _Node(held)
        self._concepts, self._actions = concepts, actions
        return nodes

    def fits(self, completion: Completion) -> Fits:
        """The places that a completion takes and its values there, in the order of syncs and patterns."""
        node = self._nodes.get((completion.concept, completion.action))
        if node is None:
            concept = completion.concept if completion.concept in self._concepts else ""
            action = completion.action if completion.action in self._actions else ""
            node = self._nodes.get((concept, action))
            if node is None:
                return []
        found: Fits = []
        for place in node.places(completion):
            values = place.fit(completion)
            if values is not None:
                found.append((place, values))
        return found


def _place(program: Program, position: int) -> Place:
    pattern, joins = program.patterns[position], program.joins
    return Place(
        program=program,
        position=position,
        fit=pattern.fit,
        names=pattern.variables,
        inserts=joins.inserts[position],
        steps=joins.steps[position],
        alone=len(program.patterns) == 1,
    )
