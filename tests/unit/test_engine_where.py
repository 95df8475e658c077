from __future__ import annotations

from typing import Any

import pytest

from clef_runtime.concept import Catalogue, Concept, Tools
from clef_runtime.context import SystemClock, SystemIds
from clef_runtime.engine.expressions import Draw, Site
from clef_runtime.engine.where import StorageFacts, compile_where
from clef_runtime.errors import BadInput, NotFound, Throttled
from clef_runtime.language.compiled import (
    Ask,
    Bind,
    Call,
    CompiledSync,
    FieldPattern,
    Filter,
    Lit,
    Literal,
    Query,
    QueryBinding,
    QueryLiteral,
    Var,
    Variable,
    WhereEntry,
)
from clef_runtime.model import Outcome, Record, ok
from clef_runtime.storage.memory import MemoryStorage

SITE = Site(CompiledSync(name="S", annotations=(), when=(), where=(), then=()), {})
DRAW = Draw(SystemClock(), SystemIds())

user = Concept("Phone.User")


@user.query
def find(input: Record, tools: Tools) -> Outcome:
    row = tools.storage.get("user", input["id"])
    return ok(name=row["name"]) if row else Outcome("notfound", {})


@user.action
def rename(input: Record, tools: Tools) -> Outcome:
    raise AssertionError("a where must not run it")


@user.query
def broken(input: Record, tools: Tools) -> Outcome:
    raise KeyError("oops")


@user.query
def throttled(input: Record, tools: Tools) -> Outcome:
    raise Throttled("slow down")


@pytest.fixture
def facts() -> StorageFacts:
    storage = MemoryStorage()
    storage.put("user", "u1", {"name": "Ann", "team": "red", "boss": None})
    storage.put("user", "u2", {"name": "Ben", "team": "red", "boss": "u1"})
    storage.put("user", "u3", {"name": "Cem", "team": "blue"})
    return StorageFacts(Catalogue([user]), lambda urn: storage, SystemClock(), SystemIds())


def rows(facts: Any, binding: Record, *entries: WhereEntry) -> list[Record]:
    found = [binding]
    for step in compile_where(entries, binding, SITE):
        found = step.run(found, DRAW, facts)
    return found


def query(*literals: QueryLiteral, **bindings: str) -> Query:
    """`field=variable`; `key=variable` stands for the key."""
    pairs = tuple(QueryBinding(v, "__key" if field == "key" else field) for field, v in bindings.items())
    return Query("urn:clef/Phone.User", pairs, literals)


def test_query_gives_a_binding_for_each_row_and_none_for_no_row(facts: StorageFacts) -> None:
    red = rows(facts, {"team": "red"}, query(key="id", team="team", name="name"))
    assert [(row["id"], row["name"]) for row in red] == [("u1", "Ann"), ("u2", "Ben")]
    assert rows(facts, {"team": "green"}, query(key="id", team="team")) == []


def test_query_filters_by_literals_and_by_a_bound_key(facts: StorageFacts) -> None:
    assert rows(facts, {}, query(QueryLiteral("team", "blue"), name="name")) == [{"name": "Cem"}]
    assert rows(facts, {"id": "u2"}, query(key="id", name="name")) == [{"id": "u2", "name": "Ben"}]
    assert rows(facts, {"id": "u2"}, query(QueryLiteral("team", "blue"), key="id", name="name")) == []


@pytest.mark.parametrize("key", [None, 7, "", "x" * 2000, ["u1"]])
def test_query_by_what_cannot_be_a_key_finds_nothing(facts: StorageFacts, key: Any) -> None:
    assert rows(facts, {"id": key}, query(key="id", name="name")) == []


def test_query_by_a_null_meets_only_a_null_not_an_absent_field(facts: StorageFacts) -> None:
    assert [row["name"] for row in rows(facts, {"boss": None}, query(boss="boss", name="name"))] == ["Ann"]


def test_query_binds_only_a_field_that_is_present(facts: StorageFacts) -> None:
    assert [row["name"] for row in rows(facts, {}, query(name="name", boss="boss"))] == ["Ann", "Ben"]


def test_query_with_one_variable_twice_needs_both_equal(facts: StorageFacts) -> None:
    assert rows(facts, {}, query(name="same", team="same")) == []
    assert rows(facts, {}, query(key="same", boss="same")) == []
    assert [row["same"] for row in rows(facts, {}, query(team="same"))] == ["red", "red", "blue"]


def test_query_with_one_field_twice_needs_both(facts: StorageFacts) -> None:
    both = Query(
        "urn:clef/Phone.User",
        (QueryBinding("a", "team"), QueryBinding("b", "team"), QueryBinding("name", "name")),
        (QueryLiteral("team", "red"),),
    )
    assert [row["name"] for row in rows(facts, {"a": "red", "b": "red"}, both)] == ["Ann", "Ben"]
    assert rows(facts, {"a": "red", "b": "blue"}, both) == []


def test_later_entries_see_what_earlier_ones_bound(facts: StorageFacts) -> None:
    found = rows(
        facts,
        {"id": "u2"},
        query(key="id", boss="boss"),
        query(key="boss", name="bossName"),
        Bind("", "greeting", Call("concat", (Lit("Hi "), Var("bossName")))),
        Filter("", Call("startsWith", (Var("greeting"), Lit("Hi")))),
    )
    assert found == [{"id": "u2", "boss": "u1", "bossName": "Ann", "greeting": "Hi Ann"}]


def test_filter_keeps_the_bindings_for_which_it_holds(facts: StorageFacts) -> None:
    kept = Filter("", Call("!=", (Var("name"), Lit("Ben"))))
    assert [row["name"] for row in rows(facts, {}, query(name="name"), kept)] == ["Ann", "Cem"]


def test_bind_of_a_bound_variable_sets_it_again(facts: StorageFacts) -> None:
    assert rows(facts, {"n": 1}, Bind("", "n", Call("+", (Var("n"), Lit(1))))) == [{"n": 2}]


def ask(action: str, *output: FieldPattern, **more: Any) -> Query:
    return Query(f"urn:clef/Phone.User/{action}", (), ask=Ask(action, (("id", Var("id")),), output), **more)


def test_ask_binds_the_output_of_an_outcome_that_fits(facts: StorageFacts) -> None:
    found = ask("find", FieldPattern("variant", Literal("ok")), FieldPattern("name", Variable("name")))
    assert rows(facts, {"id": "u1"}, found) == [{"id": "u1", "name": "Ann"}]
    assert rows(facts, {"id": "u9"}, found) == []
    assert rows(facts, {"id": "u1", "name": "Ben"}, found) == []
    assert rows(facts, {"id": "u9"}, ask("find", FieldPattern("variant", Variable("v")))) == [
        {"id": "u9", "v": "notfound"}
    ]


def test_ask_of_an_action_that_raises_ends_in_variant_error(facts: StorageFacts) -> None:
    outcome = facts.ask("urn:clef/Phone.User", "broken", {})
    assert outcome == Outcome("error", {"message": "KeyError: 'oops'"})


def test_ask_passes_the_storages_errors_on(facts: StorageFacts) -> None:
    with pytest.raises(Throttled):
        facts.ask("urn:clef/Phone.User", "throttled", {})


def test_ask_of_an_action_that_does_not_only_read_is_refused(facts: StorageFacts) -> None:
    with pytest.raises(BadInput, match="User/rename cannot be asked in a where"):
        facts.ask("urn:clef/Phone.User", "rename", {})


def test_query_of_a_concept_that_is_not_there_names_it(facts: StorageFacts) -> None:
    with pytest.raises(NotFound, match="urn:clef/Nobody"):
        facts.query("urn:clef/Nobody", {})


def test_expression_that_was_not_parsed_is_refused() -> None:
    with pytest.raises(BadInput, match=r"sync S: where expression 'x\(\)' has not been parsed"):
        compile_where([Filter("x()")], (), SITE)
