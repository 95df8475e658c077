from __future__ import annotations

from typing import Any

import pytest

from clef_runtime.engine.flow import FlowState, Match
from clef_runtime.engine.index import SyncIndex
from clef_runtime.engine.prepare import prepare
from clef_runtime.errors import BadInput
from clef_runtime.language.compiled import (
    Bind,
    Call,
    CompiledSync,
    FieldPattern,
    Filter,
    Lit,
    Literal,
    Loop,
    Pattern,
    Query,
    QueryBinding,
    RecordOf,
    Source,
    ThenAction,
    ThenField,
    Var,
    Variable,
    WhereEntry,
)
from clef_runtime.model import Completion, Firing, Outcome, Record, firing_id, invocation_id


class FixedClock:
    def now(self) -> float:
        return 1_767_225_600.25

    def monotonic(self) -> float:
        return 0.0

    def sleep(self, seconds: float) -> None:
        raise NotImplementedError


class CountedIds:
    def __init__(self) -> None:
        self.drawn = 0

    def new(self) -> str:
        self.drawn += 1
        return f"id{self.drawn}"


class TwoFollowers:
    def query(self, concept: str, criteria: Record) -> list[Record]:
        return [{"__key": "f1", "follower": "ann", **criteria}, {"__key": "f2", "follower": "ben", **criteria}]

    def ask(self, concept: str, action: str, input: Record) -> Outcome:
        raise NotImplementedError


def then(target: str, *loops: Loop, **fields: Any) -> ThenAction:
    concept, action = target.split("/")
    named = tuple(ThenField(name, Literal(None), expr) for name, expr in fields.items())
    return ThenAction(concept if concept.startswith("?") else f"urn:clef/{concept}", action, named, loops)


def match_of(*actions: ThenAction, where: tuple[WhereEntry, ...] = (), **input: Any) -> Match:
    fields = tuple(FieldPattern(name, Variable(name)) for name in input)
    sync = CompiledSync(
        name="S",
        annotations=(),
        when=(Pattern("urn:clef/A", "x", fields),),
        where=where,
        then=actions,
        source=Source("a.sync", 3),
    )
    completion = Completion(
        id="c1", concept="urn:clef/A", action="x", input=input, variant="ok", output={}, flow="f", timestamp="t"
    )
    flow = FlowState(SyncIndex([sync]))
    flow.add(completion)
    (match,) = flow.matches(completion)
    return match


def fire(match: Match) -> Firing:
    return prepare(match, TwoFollowers(), FixedClock(), CountedIds())


FOLLOWERS = Query("urn:clef/Follow", (QueryBinding("who", "followee"), QueryBinding("follower", "follower")))


def test_every_binding_gives_every_action_with_derived_ids() -> None:
    match = match_of(then("B/y", to=Var("follower")), then("C/z"), where=(FOLLOWERS,), who="cem")
    firing = fire(match)
    assert [(each.concept, each.input) for each in firing.invocations] == [
        ("urn:clef/B", {"to": "ann"}),
        ("urn:clef/C", {}),
        ("urn:clef/B", {"to": "ben"}),
        ("urn:clef/C", {}),
    ]
    identity = firing_id("S", ["c1"])
    assert firing.id == identity
    assert [each.id for each in firing.invocations] == [
        invocation_id(identity, binding, action) for binding in (0, 1) for action in (0, 1)
    ]
    assert {(each.sync, each.matched_ids, each.flow, each.timestamp) for each in firing.invocations} == {
        ("S", ("c1",), "f", "2026-01-01T00:00:00.250Z")
    }


def test_matched_ids_are_sorted() -> None:
    patterns = (Pattern("urn:clef/A", "x"), Pattern("urn:clef/B", "y"))
    sync = CompiledSync(name="S", annotations=(), when=patterns, where=(), then=(then("C/z"),))
    flow = FlowState(SyncIndex([sync]))
    for id, concept, action in (("c2", "urn:clef/A", "x"), ("c1", "urn:clef/B", "y")):
        last = Completion(
            id=id, concept=concept, action=action, input={}, variant="ok", output={}, flow="f", timestamp="t"
        )
        flow.add(last)
    firing = fire(flow.matches(last)[0])
    assert firing.matched_ids == firing.invocations[0].matched_ids == ("c1", "c2")


def test_no_binding_is_a_firing_without_invocations() -> None:
    assert fire(match_of(then("B/y"), where=(Filter("", Lit(False)),))).invocations == ()


def test_drawn_values_are_the_same_in_all_actions_of_a_binding() -> None:
    drawn = (Bind("uuid()", "id", Call("uuid", ())),)
    firing = fire(match_of(then("B/y", id=Var("id")), then("C/z", id=Var("id"), at=Call("now", ())), where=drawn))
    assert [each.input["id"] for each in firing.invocations] == ["id1", "id1"]
    assert firing.invocations[1].input["at"] == firing.invocations[1].timestamp


def test_loops_give_one_invocation_a_turn_outermost_first_and_count_on() -> None:
    outer, inner = Loop("x", Var("xs")), Loop("y", Var("x", ("ys",)))
    xs = [{"ys": [1, 2]}, {"ys": "no list"}, {}, {"ys": [3]}]
    match = match_of(then("B/y", outer, inner, y=Var("y")), then("C/z"), xs=xs)
    firing = fire(match)
    assert [each.input for each in firing.invocations] == [{"y": 1}, {"y": 2}, {"y": 3}, {}]
    assert [each.id for each in firing.invocations] == [invocation_id(match.firing_id, 0, n) for n in range(4)]


def test_target_variables_are_used_and_a_bare_concept_name_becomes_a_urn() -> None:
    (invocation,) = fire(match_of(then("?c/?a"), c="Some.Thing", a="go")).invocations
    assert (invocation.concept, invocation.action) == ("urn:clef/Some.Thing", "go")


@pytest.mark.parametrize("value", [None, 3, "", ["B"]])
def test_target_variable_that_is_no_text_is_refused_naming_the_sync(value: Any) -> None:
    with pytest.raises(BadInput, match=r"a\.sync:3: sync S: \?c names the concept to invoke"):
        fire(match_of(then("?c/go"), c=value))


def test_value_without_an_exact_expression_means_what_the_exchange_form_says() -> None:
    fields = (
        ThenField("plain", Variable("n")),
        ThenField("text", Literal("n is {{n}}")),
        ThenField("whole", Literal("{{n}}")),
        ThenField("inner", Literal({"n": "{{n}}"})),
        ThenField("exact", Literal("ignored"), RecordOf((("n", Var("n")),))),
    )
    (invocation,) = fire(match_of(ThenAction("urn:clef/B", "y", fields), n=3)).invocations
    assert invocation.input == {"plain": 3, "text": "n is 3", "whole": 3, "inner": {"n": 3}, "exact": {"n": 3}}


def test_preparing_twice_gives_the_same_ids_and_leaves_the_match_alone() -> None:
    match = match_of(then("B/y", id=Var("id")), where=(Bind("uuid()", "id", Call("uuid", ())), FOLLOWERS), who="cem")
    before = dict(match.bindings)
    assert fire(match) == fire(match)
    assert match.bindings == before
