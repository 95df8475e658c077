"""Matching against a brute-force reference: every ordered choice of completions, tried one by one."""

from __future__ import annotations

import itertools
from typing import Any

from hypothesis import event, given, settings
from hypothesis import strategies as st

from clef_runtime.engine.flow import FlowState
from clef_runtime.engine.index import SyncIndex
from clef_runtime.language.compiled import (
    CompiledSync,
    FieldPattern,
    Literal,
    Pattern,
    Variable,
    Wildcard,
)
from clef_runtime.model import Completion, firing_id

# Few of everything, so that most draws have joins, twins and near misses in them.
VALUES: tuple[Any, ...] = (1, 1.0, True, "a", "b", [1], [True], {"k": 1}, None)

values = st.sampled_from(VALUES[:4]) | st.sampled_from(VALUES)
terms = st.sampled_from("pq").map(Variable) | st.sampled_from([*map(Literal, VALUES[:4]), Variable("p"), Wildcard()])


def records(*names: str) -> st.SearchStrategy[dict[str, Any]]:
    first, *rest = names
    return st.fixed_dictionaries({first: values}, optional=dict.fromkeys(rest, values))


def fields(*names: str) -> st.SearchStrategy[tuple[FieldPattern, ...]]:
    return st.lists(st.builds(FieldPattern, st.sampled_from(names), terms), max_size=2).map(tuple)


def completion(number: int, parts: tuple[Any, ...]) -> Completion:
    concept, action, given_, variant, output = parts
    return Completion(
        id=f"c{number}",
        concept=concept,
        action=action,
        input=given_,
        variant=variant,
        output=output,
        flow="f",
        timestamp="t",
    )


flows = st.lists(
    st.tuples(
        st.sampled_from(("urn:clef/A", "urn:clef/A", "urn:clef/B")),
        st.sampled_from(("x", "x", "x", "y")),
        records("f", "g"),
        st.sampled_from(("a", "b")),
        records("g", "h"),
    ),
    min_size=3,
    max_size=6,
).map(lambda parts: [completion(number, each) for number, each in enumerate(parts)])

patterns = st.builds(
    Pattern,
    st.sampled_from(("urn:clef/A", "urn:clef/A", "urn:clef/B", "?p", "?s")),
    st.sampled_from(("x", "x", "x", "y", "?t")),
    fields("f", "f", "g"),
    fields("g", "g", "h", "variant"),
)

whens = st.lists(patterns, min_size=2, max_size=3) | st.lists(patterns, min_size=1, max_size=1)
sync_lists = st.lists(whens, min_size=2, max_size=4).map(
    lambda drawn: [
        CompiledSync(name=f"S{number}", annotations=(), when=tuple(when), where=(), then=())
        for number, when in enumerate(drawn)
    ]
)


# --- the reference ------------------------------------------------------------------------------------


def same(one: Any, other: Any) -> bool:
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(same(a, b) for a, b in zip(one, other, strict=True))
    if isinstance(one, dict) and isinstance(other, dict):
        return set(one) == set(other) and all(same(one[name], other[name]) for name in one)
    return bool(one == other)


def binding_of(when: tuple[Pattern, ...], chosen: tuple[Completion, ...]) -> dict[str, Any] | None:
    """The variables of one choice, or None where it does not hold."""
    binding: dict[str, Any] = {}

    def bind(name: str, value: Any) -> bool:
        return same(binding.setdefault(name, value), value)

    for pattern, each in zip(when, chosen, strict=True):
        for field, record in [(f, each.input) for f in pattern.input_fields] + [
            (f, {**each.output, "variant": each.variant}) for f in pattern.output_fields
        ]:
            if isinstance(field.match, Wildcard):
                continue
            if field.name not in record:
                return None
            if isinstance(field.match, Literal):
                if not same(record[field.name], field.match.value):
                    return None
            elif not bind(field.match.name, record[field.name]):
                return None
        for wanted, name in ((pattern.concept, each.concept), (pattern.action, each.action)):
            if not (bind(wanted[1:], name) if wanted.startswith("?") else wanted == name):
                return None
    return binding


def reference(syncs: list[CompiledSync], flow: list[Completion]) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Firing id -> (sync, the ids of the smallest choice in the order of the patterns)."""
    found: dict[str, tuple[str, tuple[str, ...]]] = {}
    for sync in syncs:
        for chosen in itertools.permutations(flow, len(sync.when)):
            if binding_of(sync.when, chosen) is not None:
                ids = tuple(each.id for each in chosen)
                identity = firing_id(sync.name, ids)
                if identity not in found or ids < found[identity][1]:
                    found[identity] = (sync.name, ids)
    return found


# --- what must hold -----------------------------------------------------------------------------------


@settings(deadline=None, max_examples=250)
@given(sync_lists, flows, st.randoms(use_true_random=False))
def test_matches_in_any_arrival_order_are_the_reference_each_reported_once(
    syncs: list[CompiledSync], flow: list[Completion], random: Any
) -> None:
    expected = reference(syncs, flow)
    event(f"multi-pattern matches: {sum(len(ids) > 1 for _, ids in expected.values()) > 0}")
    arrivals = list(flow)
    random.shuffle(arrivals)
    state = FlowState(SyncIndex(syncs))
    arrived: set[str] = set()
    reported: list[str] = []
    for each in arrivals:
        assert state.add(each)
        arrived.add(each.id)
        for match in state.matches(each):
            ids = tuple(member.id for member in match.completions)
            assert each.id in ids
            assert arrived.issuperset(ids)
            assert (match.sync.name, ids) == expected[match.firing_id]
            binding = binding_of(match.sync.when, match.completions)
            assert binding is not None
            assert binding.keys() == match.bindings.keys()
            # By text, since 1 and 1.0 are equal and yet the first one counts.
            assert all(repr(match.bindings[name]) == repr(value) for name, value in binding.items())
            reported.append(match.firing_id)
    assert sorted(reported) == sorted(expected)


@settings(deadline=None, max_examples=250)
@given(sync_lists, flows)
def test_matches_of_an_early_completion_hold_those_with_later_ones(
    syncs: list[CompiledSync], flow: list[Completion]
) -> None:
    expected = reference(syncs, flow)
    state = FlowState(SyncIndex(syncs))
    for each in flow:
        state.add(each)
    for each in flow:
        found = [match.firing_id for match in state.matches(each)]
        assert len(found) == len(set(found))
        assert set(found) == {identity for identity, (_, ids) in expected.items() if each.id in ids}
