from __future__ import annotations

from typing import Any

import msgspec
import pytest

from clef_runtime.engine.explain import Explanation, explain
from clef_runtime.language.compiled import (
    Ask,
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
    Source,
    ThenAction,
    ThenField,
    Var,
    Variable,
    WhereEntry,
)
from clef_runtime.model import Completion, Outcome, Record, firing_id, invocation_id
from clef_runtime.storage.criteria import meets


class Rows:
    def __init__(self, *rows: Record) -> None:
        self._rows = rows

    def query(self, concept: str, criteria: Record) -> list[Record]:
        return [row for row in self._rows if meets(row, criteria)]

    def ask(self, concept: str, action: str, input: Record) -> Outcome:
        return Outcome("notfound", {"id": input["id"]})


def done(name: str, target: str, variant: str = "ok", /, flow: str = "f", **fields: Any) -> Completion:
    concept, action = target.split("/")
    return Completion(
        id=name,
        concept=f"urn:clef/{concept}",
        action=action,
        input=fields,
        variant=variant,
        output={},
        flow=flow,
        timestamp="t",
    )


def pattern(target: str, variant: str = "", /, **fields: Any) -> Pattern:
    concept, action = target.split("/")
    terms = {
        name: Variable(value[1:]) if str(value).startswith("?") else Literal(value) for name, value in fields.items()
    }
    return Pattern(
        f"urn:clef/{concept}",
        action,
        tuple(FieldPattern(name, term) for name, term in terms.items()),
        (FieldPattern("variant", Literal(variant)),) if variant else (),
    )


def sync(*when: Pattern, where: tuple[WhereEntry, ...] = (), loops: tuple[Loop, ...] = ()) -> CompiledSync:
    return CompiledSync(
        name="Ship",
        annotations=(),
        when=when,
        where=where,
        then=(ThenAction("urn:clef/Item", "ship", (ThenField("id", Variable("id")),), loops),),
        source=Source("orders.sync", 12),
    )


PAY, RESERVE = pattern("Item/pay", "ok", id="?id"), pattern("Item/reserve", id="?id")


def explained(one: CompiledSync, *completions: Completion, facts: Any = None) -> Explanation:
    (explanation,) = explain([one], completions, facts)
    return explanation


def test_match_is_told_with_what_it_invokes_under_its_real_ids() -> None:
    explanation = explained(sync(PAY, RESERVE), done("c1", "Item/pay", id=1), done("c2", "Item/reserve", id=1))
    (match,) = explanation.matches
    identity = firing_id("Ship", ["c1", "c2"])
    assert (match.firing, match.verdict) == (identity, "fires")
    (would,) = match.invocations
    assert (would.id, would.concept, would.input) == (invocation_id(identity, 0, 0), "urn:clef/Item", {"id": 1})
    assert str(explanation) == "\n".join(
        [
            "sync Ship (orders.sync:12): fires",
            "  when Item/pay: [ id: ?id ] => ok(): c1",
            "  when Item/reserve: [ id: ?id ] => []: c2",
            "  match c1 + c2: ?id = 1",
            '    invokes Item/ship {"id":1}',
        ]
    )
    assert msgspec.json.decode(msgspec.json.encode(explanation))["matches"][0]["verdict"] == "fires"


@pytest.mark.parametrize(
    ("completions", "missing"),
    [
        ([], "no completion of Item/pay"),
        ([done("c1", "Item/buy", id=1)], "no completion of Item/pay; of that concept there are Item/buy"),
        (
            [done("c1", "Item/pay", "error", id=1)],
            'no completion of Item/pay fits: in c1 variant is "error", wanted "ok"',
        ),
        ([done("c1", "Item/pay")], "no completion of Item/pay fits: in c1 input field 'id' is absent, wanted ?id"),
        ([done("c1", "Item/pay", id=1)], "no completion of Item/reserve; of that concept there are Item/pay"),
        (
            [done("c1", "Item/pay", id=1), done("c2", "Item/reserve", id="1")],
            "a completion for Item/reserve: [ id: ?id ] => [] that agrees with the others:"
            ' ?id is 1 in c1 and "1" in c2',
        ),
    ],
)
def test_missing_part_of_a_when_is_told(completions: list[Completion], missing: str) -> None:
    explanation = explained(sync(PAY, RESERVE), *completions)
    assert (explanation.verdict, explanation.missing) == ("nothing", missing)
    assert f"missing: {missing}" in str(explanation)


def test_the_nearest_completion_is_the_one_compared() -> None:
    wanted = pattern("Web/request", route="login", method="POST")
    explanation = explained(
        sync(wanted), done("far", "Web/request"), done("near", "Web/request", route="logout", method="POST")
    )
    assert explanation.missing.endswith('in near input field \'route\' is "logout", wanted "login"')


def test_variable_that_disagrees_within_a_pattern_is_told() -> None:
    explanation = explained(sync(pattern("A/x", one="?v", two="?v")), done("c1", "A/x", one=1, two=2))
    assert explanation.missing.endswith("?v is 1 in input field 'one' and 2 in input field 'two'")


def test_one_completion_for_two_places_is_told() -> None:
    explanation = explained(sync(pattern("A/x"), pattern("A/x")), done("c1", "A/x"))
    assert explanation.missing == "another completion for A/x: [] => []: c1 cannot stand in two places"


USERS = Query("urn:clef/User", (QueryBinding("id", "__key"), QueryBinding("name", "name")))


@pytest.mark.parametrize(
    ("where", "facts", "missing"),
    [
        (
            (Filter("", Call(">", (Var("id"), Lit(1))), "filter(?id > 1)"),),
            None,
            "filter(?id > 1) does not hold: ?id is 1",
        ),
        ((USERS,), Rows(), 'no User fact with {"__key":1}'),
        ((USERS,), Rows({"__key": 1}), "the User fact {\"__key\":1} has no field 'name' for ?name"),
        (
            (Bind("", "name", Lit("Ann")), USERS),
            Rows({"__key": 1, "name": "Ben"}),
            'no User fact with {"__key":1,"name":"Ann"}: none has {"name":"Ann"}',
        ),
        (
            (
                Query(
                    "urn:clef/User/get",
                    (),
                    ask=Ask("get", (("id", Var("id")),), (FieldPattern("variant", Literal("ok")),)),
                ),
            ),
            Rows(),
            'asked with {"id":1}, the answer is notfound {"id":1}, wanted ok()',
        ),
    ],
)
def test_where_entry_that_yields_nothing_is_told(where: tuple[WhereEntry, ...], facts: Any, missing: str) -> None:
    (match,) = explained(sync(PAY, where=where), done("c1", "Item/pay", id=1), facts=facts).matches
    assert (match.verdict, match.missing) == ("nothing", missing)


def test_where_that_needs_facts_is_undecided_without_them() -> None:
    explanation = explained(sync(PAY, where=(USERS,)), done("c1", "Item/pay", id=1))
    assert explanation.verdict == "undecided"
    assert explanation.matches[0].missing == "facts of User were not given"


def test_loop_without_turns_is_told() -> None:
    looped = sync(PAY, loops=(Loop("x", Var("id")),))
    (match,) = explained(looped, done("c1", "Item/pay", id=1)).matches
    assert match.missing == "the loop over ?x has no turn: what it goes over is empty or no list"


def test_drawn_values_are_placeholders() -> None:
    drawn = (Bind("uuid()", "id", Call("uuid", ())),)
    (match,) = explained(sync(pattern("A/x"), where=drawn), done("c1", "A/x")).matches
    assert match.invocations[0].input == {"id": "<uuid 1>"}


def test_flows_are_explained_apart_and_repeated_records_once() -> None:
    completions = [
        done("c1", "Item/pay", id=1),
        done("c1", "Item/pay", id=1),
        done("c2", "Item/reserve", flow="g", id=1),
    ]
    first, second = explain([sync(PAY, RESERVE)], completions)
    assert (first.flow, first.patterns[0].completions, first.matches) == ("f", ("c1",), ())
    assert (second.flow, second.missing) == ("g", "no completion of Item/pay; of that concept there are Item/reserve")
