from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from clef_runtime.engine.flow import FlowState
from clef_runtime.engine.index import SyncIndex
from clef_runtime.errors import BadInput
from clef_runtime.language.compiled import (
    Bind,
    Call,
    CompiledSync,
    FieldPattern,
    Lit,
    Literal,
    Pattern,
    Source,
    Variable,
    Wildcard,
)
from clef_runtime.model import Completion, concept_urn


def done(id: str, target: str, input: dict[str, Any] | None = None, variant: str = "ok", **output: Any) -> Completion:
    concept, action = target.split("/")
    return Completion(
        id=id,
        concept=concept_urn(concept),
        action=action,
        input=input or {},
        variant=variant,
        output=output,
        flow="f",
        timestamp="t",
    )


def pattern(target: str, input: dict[str, Any] | None = None, **output: Any) -> Pattern:
    concept, action = target.split("/")

    def fields(named: dict[str, Any]) -> tuple[FieldPattern, ...]:
        return tuple(FieldPattern(name, _term(value)) for name, value in named.items())

    return Pattern(
        concept if concept.startswith("?") else concept_urn(concept), action, fields(input or {}), fields(output)
    )


def _term(value: Any) -> Any:
    if value == "_":
        return Wildcard()
    return Variable(value[1:]) if isinstance(value, str) and value.startswith("?") else Literal(value)


def sync(name: str, *when: Pattern, **more: Any) -> CompiledSync:
    return CompiledSync(name=name, annotations=(), when=when, where=more.get("where", ()), then=())


def state(*syncs: CompiledSync) -> FlowState:
    return FlowState(SyncIndex(syncs))


def found(flow: FlowState, completion: Completion) -> list[tuple[str, list[str]]]:
    flow.add(completion)
    return [(match.sync.name, [c.id for c in match.completions]) for match in flow.matches(completion)]


def test_completion_that_fits_two_places_stands_in_each_with_other_partners() -> None:
    flow = state(sync("S", pattern("A/x", {"n": "?a"}), pattern("A/x", {"n": "?b"}, done=True)))
    assert found(flow, done("c1", "A/x", {"n": 1}, done=True)) == []
    assert found(flow, done("c2", "A/x", {"n": 2})) == [("S", ["c2", "c1"])]
    assert found(flow, done("c3", "A/x", {"n": 3}, done=True)) == [("S", ["c1", "c3"]), ("S", ["c2", "c3"])]


def test_two_ways_to_match_one_set_are_one_match_the_smaller_way_in_any_arrival_order() -> None:
    twins = sync("S", pattern("A/x", {"n": "?a"}), pattern("A/x", {"n": "?b"}))
    first, second = done("c1", "A/x", {"n": 1}), done("c2", "A/x", {"n": 2})
    for arrivals in ([first, second], [second, first]):
        flow = state(twins)
        assert found(flow, arrivals[0]) == []
        assert found(flow, arrivals[1]) == [("S", ["c1", "c2"])]
        assert flow.matches(arrivals[1])[0].bindings == {"a": 1, "b": 2}


def test_variable_needs_a_field_that_is_present_and_null_is_present() -> None:
    flow = state(sync("S", pattern("A/x", {"f": "?v"})))
    assert found(flow, done("c1", "A/x")) == []
    assert found(flow, done("c2", "A/x", {"f": None})) == [("S", ["c2"])]


def test_wildcard_fits_an_absent_field() -> None:
    assert found(state(sync("S", pattern("A/x", {"f": "_"}))), done("c1", "A/x")) == [("S", ["c1"])]


@pytest.mark.parametrize(
    ("wanted", "value", "fits"),
    [(1, True, False), (1, 1.0, True), ("1", 1, False), (None, None, True), ({"a": [1]}, {"a": [1.0]}, True)],
)
def test_literal_is_compared_as_json(wanted: Any, value: Any, fits: bool) -> None:
    flow = state(sync("S", pattern("A/x", {"f": wanted})))
    assert bool(found(flow, done("c1", "A/x", {"f": value}))) is fits
    assert not found(flow, done("c2", "A/x"))


@pytest.mark.parametrize(("one", "other", "joins"), [(1, True, False), (1, 1.0, True), ([{}], [{}], True)])
def test_join_compares_as_json(one: Any, other: Any, joins: bool) -> None:
    flow = state(sync("S", pattern("A/x", {"f": "?v"}), pattern("B/y", {"g": "?v"})))
    found(flow, done("c1", "A/x", {"f": one}))
    assert bool(found(flow, done("c2", "B/y", {"g": other}))) is joins


def test_bindings_hold_the_first_of_values_that_are_equal() -> None:
    flow = state(sync("S", pattern("A/x", {"f": "?v"}), pattern("B/y", {"g": "?v"})))
    found(flow, done("c2", "B/y", {"g": 1.0}))
    completion = done("c1", "A/x", {"f": 1})
    flow.add(completion)
    assert repr(flow.matches(completion)[0].bindings) == "{'v': 1}"


def test_variant_output_matches_the_completions_variant_not_a_field() -> None:
    flow = state(sync("S", pattern("A/x", variant="error")), sync("T", pattern("A/x", variant="?v")))
    failed = Completion(
        id="c1", concept="urn:clef/A", action="x", input={}, variant="error", output={"variant": "ok"},
        flow="f", timestamp="t",
    )  # fmt: skip
    assert found(flow, failed) == [("S", ["c1"]), ("T", ["c1"])]
    assert flow.matches(failed)[1].bindings == {"v": "error"}


def test_concept_and_action_variables_bind_the_urn_and_the_name() -> None:
    flow = state(sync("S", pattern("?c/?a")))
    completion = done("c1", "Any.Thing/go")
    assert found(flow, completion) == [("S", ["c1"])]
    assert flow.matches(completion)[0].bindings == {"c": "urn:clef/Any.Thing", "a": "go"}


def test_three_patterns_join_whichever_comes_last() -> None:
    chain = sync(
        "S", pattern("A/x", {"p": "?p"}), pattern("B/y", {"p": "?p", "q": "?q"}), pattern("C/z", {"q": "?q"})
    )
    parts = [done("a", "A/x", {"p": 1}), done("b", "B/y", {"p": 1, "q": 2}), done("c", "C/z", {"q": 2})]
    for last in range(3):
        flow = state(chain)
        for each in parts[last + 1 :] + parts[:last]:
            assert found(flow, each) == []
        assert found(flow, parts[last]) == [("S", ["a", "b", "c"])]


def test_places_told_apart_by_a_text_field_keep_the_order_of_the_syncs() -> None:
    flow = state(
        sync("Login", pattern("Web/request", {"route": "login"})),
        sync("Any", pattern("Web/request", {"route": "?r"})),
        sync("Logout", pattern("Web/request", {"route": "logout"})),
        sync("All", pattern("Web/request")),
    )
    assert [name for name, _ in found(flow, done("c1", "Web/request", {"route": "login"}))] == ["Login", "Any", "All"]
    assert [name for name, _ in found(flow, done("c2", "Web/request", {"route": ["login"]}))] == ["Any", "All"]
    assert [name for name, _ in found(flow, done("c3", "Web/request"))] == ["All"]


def test_add_of_a_known_id_changes_nothing() -> None:
    flow = state(sync("S", pattern("A/x", {"f": "?v"})))
    assert flow.add(done("c1", "A/x", {"f": 1})) is True
    assert flow.add(done("c1", "A/x", {"f": 2})) is False
    assert flow.matches(done("c1", "A/x", {"f": 2}))[0].bindings == {"v": 1}


def test_matches_of_a_completion_not_added_is_refused() -> None:
    with pytest.raises(BadInput, match="'c1' is not in this flow's state; add it first"):
        state().matches(done("c1", "A/x"))


def test_add_of_another_flows_completion_is_refused() -> None:
    flow = state()
    flow.add(done("c1", "A/x"))
    other = Completion(
        id="c2", concept="urn:clef/A", action="x", input={}, variant="ok", output={}, flow="g", timestamp="t"
    )
    with pytest.raises(BadInput, match="flow 'g'"):
        flow.add(other)


def test_index_of_two_syncs_with_one_name_is_refused_naming_both_places() -> None:
    one = CompiledSync(
        name="S", annotations=(), when=(pattern("A/x"),), where=(), then=(), source=Source("a.sync", 3)
    )
    other = CompiledSync(
        name="S", annotations=(), when=(pattern("A/x"),), where=(), then=(), source=Source("b.sync", 9)
    )
    with pytest.raises(BadInput, match=r"a\.sync:3.*b\.sync:9"):
        SyncIndex([one, other])


def test_index_with_an_unknown_function_names_function_sync_file_and_line() -> None:
    bad = CompiledSync(
        name="S",
        annotations=(),
        when=(pattern("A/x"),),
        where=(Bind("cancat()", "v", Call("cancat", (Lit(1),))),),
        then=(),
        source=Source("a.sync", 3),
    )
    with pytest.raises(BadInput, match=r"a\.sync:3: sync S: unknown function `cancat`; did you mean `concat`"):
        SyncIndex([bad])
    assert SyncIndex([bad], {"cancat": lambda value: value}).programs.keys() == {"S"}


def test_function_that_hides_a_built_in_one_is_refused() -> None:
    with pytest.raises(BadInput, match="concat"):
        SyncIndex([], {"concat": lambda: ""})


# --- the cost promise, in function calls ----------------------------------------------------------------


def calls_of(function: Callable[[], Any]) -> int:
    count = 0

    def profile(frame: FrameType, kind: str, _: Any) -> None:
        nonlocal count
        count += kind in ("call", "c_call")

    sys.setprofile(profile)
    try:
        function()
    finally:
        sys.setprofile(None)
    return count


def join_state(length: int, others: int = 0) -> FlowState:
    flow = state(
        sync("S", pattern("A/x", {"id": "?id"}), pattern("B/y", {"id": "?id"})),
        *(sync(f"O{n}", pattern(f"O{n}/x"), pattern("A/z", {"n": f"text{n}"})) for n in range(others)),
    )
    for number in range(length):
        flow.add(done(f"a{number}", "A/x", {"id": f"id{number}"}))
    found(flow, done("first", "A/x", {"id": "first"}))  # what was added is paid for by the first join
    return flow


def cost_of(last: Completion, length: int, others: int) -> int:
    flow = join_state(length, others)
    return calls_of(lambda: found(flow, last))


def test_cost_of_a_completion_does_not_grow_with_the_flow_or_the_number_of_syncs() -> None:
    last = done("last", "B/y", {"id": "id5"})
    assert len({cost_of(last, 10, 0), cost_of(last, 2_000, 0), cost_of(last, 10, 300)}) == 1


def test_cost_of_a_completion_does_not_grow_with_the_syncs_that_ask_for_another_text() -> None:
    last = done("last", "A/z", {"n": "text7"})
    assert cost_of(last, 1, 10) == cost_of(last, 1, 300)
