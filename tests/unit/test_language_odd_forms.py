"""Forms that are seen in apps: what Clef's compiler writes for them, what they mean, and what it refuses."""

import json
from pathlib import Path
from typing import Any

import pytest

from clef_runtime.errors import SyncSyntaxError
from clef_runtime.language import check_paths, load_paths, parse_text, to_exchange
from clef_runtime.language.compiled import Call, CompiledSync, Lit, Query, QueryBinding, QueryLiteral, Var
from clef_runtime.language.functions import at

CASES = Path(__file__).parent / "sync_cases"


@pytest.fixture(scope="module")
def syncs() -> list[CompiledSync]:
    return load_paths([CASES / "odd_forms.sync"], functions=())


def text_of(where: str = "", then: str = "T/t: []", when: str = "A/b: [] => []") -> str:
    block = f"where {{\n  {where}\n}}\n" if where else ""
    return f"sync S\nwhen {{\n  {when}\n}}\n{block}then {{\n  {then}\n}}\n"


def without(record: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name not in names}


def clefs(record: dict[str, Any]) -> dict[str, Any]:
    """What Clef's compiler writes of a sync in our exchange form."""
    return {
        **without(record, "source", "repeated", "purposeText"),
        "where": [without(entry, "value", "text", "literals", "ask") for entry in record["where"]],
        "then": [
            {**action, "fields": [without(field, "expr") for field in action["fields"]]} for action in record["then"]
        ],
    }


def test_odd_forms_are_written_as_clef_writes_them(syncs: list[CompiledSync]) -> None:
    expected = json.loads((CASES / "odd_forms.json").read_text(encoding="utf-8"))
    assert [clefs(to_exchange(sync)) for sync in syncs] == expected


def test_facts_need_no_key_no_separator_and_no_plain_name(syncs: list[CompiledSync]) -> None:
    _, agent, log, roster = syncs[0].where[:4]
    assert agent == Query(
        "urn:clef/Note",
        (QueryBinding("ship", "__key"), QueryBinding("agent", "value")),
        (QueryLiteral("key", "agent"),),
    )
    assert log == Query("urn:clef/harbour-log", (QueryBinding("day", "day"),), (QueryLiteral("open", True),))
    assert roster == Query(
        "urn:clef/Roster", (QueryBinding("watch", "on_duty"),), (QueryLiteral("on_duty", "night"),)
    )


def test_expressions_keep_the_signs_that_clef_drops(syncs: list[CompiledSync]) -> None:
    values = {
        getattr(entry, "as_", entry.expr): entry.value for entry in syncs[0].where if not isinstance(entry, Query)
    }
    assert values["second"] == Call("at", (Var("watch"), Lit(-2)))
    assert values["? berth . depth 10.0"] == Call(">", (Call("at", (Var("berth"), Lit("depth"))), Lit(10.0)))


def test_negative_index_counts_from_the_end_of_a_list() -> None:
    assert [at(["a", "b", "c"], index) for index in (-1, -3, -4, 0, 3)] == ["c", "a", None, "a", None]
    assert at("abc", -1) is None


def test_dividers_and_indented_blocks_change_nothing(syncs: list[CompiledSync]) -> None:
    assert [(sync.name, sync.source.line if sync.source else 0) for sync in syncs] == [
        ("BerthAssigned", 10),
        ("TideTurned", 67),
        ("TugLost", 84),
    ]


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        (text_of(where='not(Note: { ?a key: "k" })'), 6, 6),
        (text_of(where='not Note: { ?a key: "k" }'), 6, 7),
        (text_of(where='query(Note/get: [ key: "k" ]) as ?v'), 6, 8),
        (text_of(where="query Note: { ?a key: ?b }"), 6, 9),
        (text_of(where='eq(?a, "x")'), 6, 5),
        (text_of(where="?a.kinds has pilots"), 6, 3),
        (text_of(where="Note: { ?a.ship key: ?b }"), 6, 13),
        (text_of(where="Note: { ship: ?a.ship; key: ?b }"), 6, 19),
        (text_of(where="Note: { ?a ship.name: ?b }"), 6, 14),
        (text_of(where="Note: { ?a kinds: { ?b: true } }"), 6, 21),
        (text_of(when="A/b => [ x: ?x ]"), 3, 5),
        (text_of(when="A/b: [ x: ?x ]"), 4, 1),
        (text_of(when="A/b: [] => ok[ x: ?x ]"), 3, 16),
        (text_of(when="A/b: [] => [ ok; x: ?x ]"), 3, 20),
        (text_of(when="A/b: [] => [ _ ]"), 3, 16),
        (text_of(when='A/b: [ x: ?x ] where x.kind = "k" => []'), 3, 18),
        (text_of(when="A/b: [ x.y: ?x ] => []"), 3, 10),
        (text_of(then="T${?a}/t: []"), 6, 5),
        (text_of(then="T/t: [ at: left/?a ]"), 6, 14),
        (text_of(then="T/t: [ at: ?a + right ]"), 6, 19),
        (text_of(then="T/t: [ at: ship.name ]"), 6, 18),
        (text_of(then="T/t: [ at: { ship.name: 1 } ]"), 6, 20),
    ],
)
def test_form_that_clef_refuses_is_refused_at_its_place(text: str, line: int, column: int) -> None:
    with pytest.raises(SyncSyntaxError) as caught:
        parse_text(text, "a.sync")
    assert (caught.value.line, caught.value.column) == (line, column)
    source = text.split("\n")[line - 1]
    assert str(caught.value).endswith(f"\n  {source}\n{' ' * (column + 1)}^")


@pytest.mark.parametrize(
    "condition",
    [
        "?a has_pilots",
        '?a matches "x" or "y"',
        "NOT Note: { ?b key: ?a }",
        '?a where kind = "k"',
        '?a like: "*/berth.yaml"',
        "?a is a ship",
    ],
)
def test_free_text_in_a_condition_loads_but_not_for_an_app(condition: str, tmp_path: Path) -> None:
    path = tmp_path / "a.sync"
    path.write_text(text_of(where=f"filter({condition})"))
    assert len(load_paths([path])) == 1
    with pytest.raises(SyncSyntaxError, match="cannot be read"):
        load_paths([path], functions=())


def test_underscore_variable_in_two_places_is_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "a.sync"
    path.write_text(text_of(when="A/b: [ x: ?_; y: _ ] => [ z: ?_ ]"))
    (found,) = check_paths([path])
    assert (found.line, found.column, found.severity, found.code) == (3, 13, "warning", "underscore")
    path.write_text(text_of(when="A/b: [ x: ?_; y: _ ] => [ z: _ ]"))
    assert check_paths([path]) == []
