"""How a completion fits a pattern, and how the patterns of one sync join. Pure; everything is compiled once.

A fitting completion is reduced to its **values**, one for each variable of the pattern. A join looks its
partners up by the values of the shared variables, so its cost is that of the partners found, whatever else
the flow holds.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from operator import itemgetter
from typing import Any, TypeAlias

import msgspec

from clef_runtime.language.compiled import FieldPattern, Literal, Pattern, Variable
from clef_runtime.language.functions import json_equal
from clef_runtime.model import Completion, Record

Values: TypeAlias = tuple[Any, ...]
Entry: TypeAlias = tuple[Completion, Values]
"""A completion and its values in one pattern."""
Assigned: TypeAlias = list[Entry]
"""An entry for each pattern of a sync."""

_ABSENT = object()


def hashable(value: Any) -> Hashable:
    """A dictionary key that is equal for JSON-equal values, and only for those."""
    kind = value.__class__
    if kind is str or kind is int or kind is float or value is None:
        return value  # type: ignore[no-any-return]  # one of the four just named
    if isinstance(value, bool):
        return ("true",) if value else ("false",)
    if isinstance(value, list | tuple):
        return ("list", *map(hashable, value))
    if isinstance(value, dict):
        return frozenset((name, hashable(item)) for name, item in value.items())
    return value  # type: ignore[no-any-return]  # a subclass of str or of a number


class CompiledPattern:
    """A pattern's test. `variables` names what each of the values that `fit` returns belongs to.

    A wildcard field fits whatever stands there, present or not. An output field `variant` means the
    completion's variant.
    """

    def __init__(self, pattern: Pattern) -> None:
        self.pattern = pattern
        inputs, outputs = _variables(pattern.input_fields), _variables(pattern.output_fields)
        variants = [name for field, name in outputs if field == "variant"]
        outputs = [(field, name) for field, name in outputs if field != "variant"]
        attributes = [
            (attribute, text[1:])
            for attribute, text in (("concept", pattern.concept), ("action", pattern.action))
            if text.startswith("?")
        ] + [("variant", name) for name in variants]
        names = [name for _, name in inputs + outputs + attributes]
        self.variables = tuple(dict.fromkeys(names))
        self.fit = _compile_fit(
            pattern,
            _taker([field for field, _ in inputs]),
            _taker([field for field, _ in outputs]),
            tuple(attribute for attribute, _ in attributes),
            tuple(names.index(name) for name in names),
        )


def _variables(fields: Sequence[FieldPattern]) -> list[tuple[str, str]]:
    return [(field.name, field.match.name) for field in fields if isinstance(field.match, Variable)]


def _taker(fields: list[str]) -> Callable[[Record], Values] | None:
    """The fields' values as a tuple; KeyError where one is absent. None for no fields."""
    if not fields:
        return None
    if len(fields) == 1:
        (name,) = fields
        return lambda record: (record[name],)
    return itemgetter(*fields)


def _literals(fields: Sequence[FieldPattern]) -> tuple[list[tuple[str, str]], list[tuple[str, Any]]]:
    """The text literals, which `==` compares as JSON does, and the others, which it does not."""
    wanted = [(field.name, field.match.value) for field in fields if isinstance(field.match, Literal)]
    texts = [(name, value) for name, value in wanted if isinstance(value, str)]
    return texts, [(name, value) for name, value in wanted if not isinstance(value, str)]


def _compile_fit(
    pattern: Pattern,
    take_input: Callable[[Record], Values] | None,
    take_output: Callable[[Record], Values] | None,
    attributes: tuple[str, ...],
    first_slots: tuple[int, ...],
) -> Callable[[Completion], Values | None]:
    """The values of a fitting completion, or None. Concept and action have been looked up already.

    Args:
        first_slots: for each value taken, which one it must equal: the first of the same variable.
    """
    input_texts, input_others = _literals(pattern.input_fields)
    output_texts, output_others = _literals(pattern.output_fields)
    variants = [value for name, value in output_texts + output_others if name == "variant"]
    output_texts = [(name, value) for name, value in output_texts if name != "variant"]
    output_others = [(name, value) for name, value in output_others if name != "variant"]
    variant = variants[0] if variants else None
    never = any(value != variant for value in variants) or (bool(variants) and not isinstance(variant, str))
    kept = tuple(dict.fromkeys(first_slots))
    repeats = len(kept) < len(first_slots)

    def fit(completion: Completion) -> Values | None:
        if never or (variant is not None and completion.variant != variant):
            return None
        given, output = completion.input, completion.output
        for name, text in input_texts:
            if given.get(name) != text:
                return None
        for name, text in output_texts:
            if output.get(name) != text:
                return None
        for name, wanted in input_others:
            if not json_equal(given.get(name, _ABSENT), wanted):
                return None
        for name, wanted in output_others:
            if not json_equal(output.get(name, _ABSENT), wanted):
                return None
        try:
            values = take_input(given) if take_input else ()
            if take_output:
                values = values + take_output(output)
        except KeyError:
            return None
        if attributes:
            values = values + tuple([getattr(completion, attribute) for attribute in attributes])
        if not repeats:
            return values
        for value, first in zip(values, first_slots, strict=True):
            if not json_equal(value, values[first]):
                return None
        return tuple([values[slot] for slot in kept])

    return fit


# --- joins --------------------------------------------------------------------------------------------


class Step(msgspec.Struct, frozen=True):
    """One step of a join: the entries of `pattern` that stand in `bucket` under `key(assigned)`."""

    pattern: int
    bucket: int
    key: Callable[[Assigned], Hashable]


class Insert(msgspec.Struct, frozen=True):
    """Where an entry of a pattern must be found later: in `bucket`, under `key(values)`."""

    bucket: int
    key: Callable[[Values], Hashable]


class Joins:
    """The joins of one sync: for each pattern that a completion can start from, the order in which the
    others are found, and the buckets that this needs.

    Args:
        first_bucket: the number of this sync's first bucket; bucket numbers are unique in an index.
    """

    def __init__(self, patterns: Sequence[CompiledPattern], first_bucket: int) -> None:
        self._patterns = patterns
        self._buckets: dict[tuple[int, tuple[str, ...]], int] = {}
        self._first = first_bucket
        self.steps = [self._plan(start) for start in range(len(patterns))]
        self.inserts = [self._inserts(place) for place in range(len(patterns))]
        self.next_bucket = first_bucket + len(self._buckets)

    def _plan(self, start: int) -> tuple[Step, ...]:
        """Next comes the pattern that shares most variables with those before, the earlier among equals."""
        steps: list[Step] = []
        bound: dict[str, tuple[int, int]] = {}
        self._bind(start, bound)
        left = [place for place in range(len(self._patterns)) if place != start]
        while left:
            place = max(left, key=lambda each: (len(self._shared(each, bound)), -each))
            left.remove(place)
            shared = self._shared(place, bound)
            bucket = self._buckets.setdefault((place, shared), self._first + len(self._buckets))
            steps.append(Step(place, bucket, _combined([_assigned_value(*bound[name]) for name in shared])))
            self._bind(place, bound)
        return tuple(steps)

    def _inserts(self, place: int) -> tuple[Insert, ...]:
        slot_of = self._patterns[place].variables.index
        return tuple(
            Insert(bucket, _combined([_entry_value(slot_of(name)) for name in names]))
            for (owner, names), bucket in self._buckets.items()
            if owner == place
        )

    def _bind(self, place: int, bound: dict[str, tuple[int, int]]) -> None:
        for slot, name in enumerate(self._patterns[place].variables):
            bound.setdefault(name, (place, slot))

    def _shared(self, place: int, bound: dict[str, tuple[int, int]]) -> tuple[str, ...]:
        return tuple(name for name in self._patterns[place].variables if name in bound)


def _entry_value(slot: int) -> Callable[[Values], Hashable]:
    def key(values: Values) -> Hashable:
        value = values[slot]
        return value if value.__class__ is str else hashable(value)

    return key


def _assigned_value(pattern: int, slot: int) -> Callable[[Assigned], Hashable]:
    def key(assigned: Assigned) -> Hashable:
        value = assigned[pattern][1][slot]
        return value if value.__class__ is str else hashable(value)

    return key


def _combined(parts: list[Callable[[Any], Hashable]]) -> Callable[[Any], Hashable]:
    if not parts:
        return lambda _: None
    if len(parts) == 1:
        return parts[0]
    return lambda holder: tuple([part(holder) for part in parts])
