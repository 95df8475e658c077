"""The exchange form: what Clef's own compiler writes for a text, and back."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from clef_runtime.errors import BadInput
from clef_runtime.language import from_exchange, load_paths, parse_text, to_exchange
from clef_runtime.language.compiled import Bind, Call, Filter, ListOf, Lit, RecordOf, Template, Var

CASES = Path(__file__).parent / "sync_cases"


def one(where: str = "", then: str = "T/t: []") -> dict[str, Any]:
    block = f"where {{ {where} }}" if where else ""
    (sync,) = parse_text(f"sync S when {{ A/b: [] => ok(x: ?x) }} {block} then {{ {then} }}")
    return to_exchange(sync)


def test_form_of_a_sync_is_the_one_that_clef_writes() -> None:
    record = to_exchange(
        parse_text(
            'sync S [eager]\n purpose: "why"\nwhen { Web/request: [ m: "x"; any: _ ] => [ ok(r: ?r) ] }\n'
            "where { bind(uuid() as ?id)\n User: { ?u name: ?n } }\n"
            "then { Web/respond: [ request: ?r; code: 200 ] }"
        )[0]
    )
    where = record.pop("where")
    assert record.pop("source") == {"file": "<text>", "line": 1}
    assert record == {
        "name": "S",
        "purpose": "why",
        "annotations": ["eager"],
        "when": [
            {
                "concept": "urn:clef/Web",
                "action": "request",
                "inputFields": [
                    {"name": "m", "match": {"type": "literal", "value": "x"}},
                    {"name": "any", "match": {"type": "wildcard"}},
                ],
                "outputFields": [
                    {"name": "variant", "match": {"type": "literal", "value": "ok"}},
                    {"name": "r", "match": {"type": "variable", "name": "r"}},
                ],
            }
        ],
        "then": [
            {
                "concept": "urn:clef/Web",
                "action": "respond",
                "fields": [
                    {"name": "request", "value": {"type": "variable", "name": "r"}},
                    {"name": "code", "value": {"type": "literal", "value": 200}},
                ],
            }
        ],
    }
    assert where[0].items() >= {"type": "bind", "expr": "uuid()", "as": "id"}.items()
    assert where[1] == {
        "type": "query",
        "concept": "urn:clef/User",
        "bindings": [{"variable": "u", "field": "__key"}, {"variable": "n", "field": "name"}],
    }


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("?a.b", {"type": "variable", "name": "a.b"}),
        ('concat("a b", ?x)', {"type": "literal", "value": "concat(a b,?x)"}),
        (
            'cond(\n equals(?x, 0) => "p",\n default => "f"\n)',
            {"type": "literal", "value": "cond(equals(?x,0)=>p,default=>f)"},
        ),
        ('[?a, "b"]', {"type": "literal", "value": '[?a, "b"]'}),
        ('[\n "a",\n "b"\n]', {"type": "literal", "value": '["a", \n, "b"]'}),
        ("[]", {"type": "literal", "value": []}),
        (
            "[ k: ?a; n: null; f: 1.5; e: []; r: [ s: true ] ]",
            {"type": "literal", "value": {"k": "{{a}}", "n": "null", "f": "1.5", "e": {}, "r": {"s": True}}},
        ),
        (
            "{ k: ?a; n: null; o: none; c: length(?x) }",
            {"type": "literal", "value": {"k": "{{a}}", "n": None, "o": "none", "c": "length(?x)"}},
        ),
        ("{ ?a, ?b }", {"type": "literal", "value": {"__set": ["?a", "?b"]}}),
        ("{}", {"type": "literal", "value": {}}),
    ],
)
def test_value_is_written_as_clef_writes_it(text: str, value: object) -> None:
    assert one(then=f"T/t: [ f: {text} ]")["then"][0]["fields"][0]["value"] == value


@pytest.mark.parametrize(
    ("text", "expr"),
    [
        ("filter(?n > 10)", "? n 10"),
        ('filter(?s = "a b" or not(?t))', "? s = a b or not ( ? t )"),
        ("guard(greaterThan(?n, 0))", "guard(greaterThan(?n,0))"),
        ('guard(?s != "all")', "guard(?s=all)"),
        ('any(?s = "a"; ?s = "b")', "any(?s = a; ?s = b)"),
        ('any(?a as ?b; "all" = ?b)', "any(?aas?b; all = ?b)"),
        ("filter(NOT User: { ?u id: ?i })", "NOT User : { ? u id : ? i }"),
        ("filter(?a # why\n = ?b)", "? a \n = ? b"),
    ],
)
def test_condition_is_written_as_clef_writes_it(text: str, expr: str) -> None:
    assert one(where=text)["where"][0]["expr"] == expr


def test_second_variable_of_a_query_field_is_marked() -> None:
    record = one(where='Plugin: { serves: ?m as ?p; kind: "x" as ?k }')["where"][0]
    assert record["bindings"] == [
        {"variable": "m", "field": "serves"},
        {"variable": "p", "field": "serves__as"},
        {"variable": "k", "field": "kind__as"},
    ]
    assert record["literals"] == [{"field": "kind", "value": "x"}]


def test_actions_of_loops_stand_apart_and_come_back_to_their_place() -> None:
    then = "A/a: [] for each ?r in ?x { B/b: [ r: ?r ] } C/c: []"
    record = one(then=then)
    assert [action["action"] for action in record["then"]] == ["a", "c"]
    assert [(action["place"], action["action"]) for action in record["repeated"]] == [(1, "b")]
    assert [action.action for action in from_exchange(record).then] == ["a", "b", "c"]


def test_everything_comes_back_from_json() -> None:
    for sync in load_paths([CASES]):
        assert from_exchange(msgspec.json.decode(msgspec.json.encode(to_exchange(sync)))) == sync


def equal(name: str, value: object) -> Call:
    return Call("==", (Var(name), Lit(value)))


def clefs(where: object = None, value: object = None) -> dict[str, Any]:
    """A sync as Clef's own compiler writes it, with nothing of ours beside."""
    field = {"name": "f", "value": {"type": "literal", "value": value}}
    return {
        "name": "S",
        "annotations": [],
        "when": [],
        "where": [where] if where else [],
        "then": [{"concept": "urn:clef/T", "action": "t", "fields": [field]}],
    }


@pytest.mark.parametrize(
    ("value", "expr"),
    [
        ("plain", None),
        ({"a": 1}, None),
        ({"a": "{{x}}"}, None),
        ("concat(office:,?x.y)", Call("concat", (Lit("office:"), Var("x", ("y",))))),
        (
            "cond(equals(?r,0)=>pass,default=>fail)",
            Call("cond", (Call("equals", (Var("r"), Lit(0))), Lit("pass"), Lit("fail"))),
        ),
        ('[?a, \n, "b c"]', ListOf((Var("a"), Lit("b c")))),
        ('["{{a}}!"]', ListOf((Template((Var("a"), Lit("!"))),))),
        ("[draft (new)]", None),
        ("retry(once)", None),
        ({"n": "length(?x)"}, RecordOf((("n", Call("length", (Var("x"),))),))),
    ],
)
def test_value_that_clef_wrote_is_read(value: object, expr: object) -> None:
    assert from_exchange(clefs(value=value)).then[0].fields[0].expr == expr


@pytest.mark.parametrize(
    ("where", "expr"),
    [
        ({"type": "bind", "expr": "uuid()", "as": "v"}, Call("uuid", ())),
        ({"type": "bind", "expr": "?x.y", "as": "v"}, Var("x", ("y",))),
        ({"type": "filter", "expr": "? s = done or ? t = 1"}, Call("or", (equal("s", "done"), equal("t", 1)))),
        ({"type": "filter", "expr": "guard(greaterThan(?n,0))"}, Call("greaterThan", (Var("n"), Lit(0)))),
        ({"type": "filter", "expr": "any(?k = a; ?k = b)"}, Call("or", (equal("k", "a"), equal("k", "b")))),
    ],
)
def test_condition_that_clef_wrote_is_read(where: object, expr: object) -> None:
    (entry,) = from_exchange(clefs(where=where)).where
    assert isinstance(entry, Bind | Filter)
    assert entry.value == expr


@pytest.mark.parametrize(
    ("record", "place"),
    [
        (clefs(where={"type": "filter", "expr": "? n 10"}), r"where\[0\].expr"),
        (clefs(where={"type": "bind", "expr": "?a?b", "as": "v"}), r"where\[0\].expr"),
        (clefs(value="concat(Hello, you,?x)"), r"then\[0\].fields\[0\].value"),
        (clefs(value={"a": {"b": "concat(?x?y)"}}), r"then\[0\].fields\[0\].value.a.b"),
        (clefs(where={"type": "join"}), r"\$.where\[0\].type"),
        ({"name": "S"}, "missing required field"),
        ({**clefs(), "repeated": [{"concept": "A"}]}, "needs its `place`"),
        ([], "must be a JSON object"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place(record: Any, place: str) -> None:
    with pytest.raises(BadInput, match=place):
        from_exchange(record)
