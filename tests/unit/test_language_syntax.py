"""What each construct of the sync language means."""

from pathlib import Path

import pytest

from clef_runtime.language import load_paths, parse_text
from clef_runtime.language.compiled import (
    Ask,
    Bind,
    Call,
    CompiledSync,
    FieldPattern,
    Filter,
    ListOf,
    Lit,
    Literal,
    Loop,
    Pattern,
    Query,
    QueryBinding,
    QueryLiteral,
    RecordOf,
    Source,
    Template,
    Var,
    Variable,
    Wildcard,
)

CASES = Path(__file__).parent / "sync_cases"
OK = FieldPattern("variant", Literal("ok"))


@pytest.fixture(scope="module")
def everything() -> CompiledSync:
    return load_paths([CASES / "every_construct.sync"])[0]


def one(where: str = "", then: str = "T/t: []", when: str = "A/b: [] => []", head: str = "") -> CompiledSync:
    where = f"where {{ {where} }}" if where else ""
    (sync,) = parse_text(f"sync S {head} when {{ {when} }} {where} then {{ {then} }}")
    return sync


def value(text: str) -> object:
    """The expression of a value in *then*; None where the exchange value says it all."""
    return one(then=f"T/t: [ f: {text} ]").then[0].fields[0].expr


def condition(text: str) -> object:
    entry = one(where=f"filter({text})").where[0]
    assert isinstance(entry, Filter)
    return entry.value


def test_file_holds_any_number_of_syncs_each_with_its_line() -> None:
    path = CASES / "every_construct.sync"
    first, second = load_paths([path])
    assert (first.source, second.source) == (Source(str(path), 4), Source(str(path), 54))
    assert parse_text("# nothing here\n") == []


def test_head_keeps_annotations_and_purpose(everything: CompiledSync) -> None:
    assert everything.annotations == ("eager", "idempotent")
    assert everything.purpose == 'say "one" line'
    assert one(head="[eventual] [my-own]").annotations == ("eventual", "my-own")
    assert one(head="[eventual]").eventual
    second = load_paths([CASES / "every_construct.sync"])[1]
    assert second.purpose_text == (
        'Prose of any kind: it\'s "quoted", (bracketed) {and nested} — see https://example.org/#top'
    )
    assert second.purpose == "Prose of any kind : it s quoted , ( bracketed ) { and nested } see https :"


def test_invariant_is_kept_as_text(everything: CompiledSync) -> None:
    assert everything.invariants == ("invariant { after add then slot is taken { and kept } }",)


def test_when_reads_every_match(everything: CompiledSync) -> None:
    request, add = everything.when[:2]
    assert request == Pattern(
        "urn:clef/Web",
        "request",
        (
            FieldPattern("method", Literal("create")),
            FieldPattern("count", Literal(3)),
            FieldPattern("ratio", Literal(2.5)),
            FieldPattern("urgent", Literal(True)),
            FieldPattern("rest", Wildcard()),
            FieldPattern("where", Variable("where")),
        ),
        (FieldPattern("request", Variable("request")),),
    )
    assert add.input_fields[1] == FieldPattern("shelf", Literal({"row": 1, "label": "A"}))


@pytest.mark.parametrize(
    ("spelling", "fields"),
    [
        ("[ f: ?x ]", (FieldPattern("f", Variable("x")),)),
        ("ok(f: ?x)", (OK, FieldPattern("f", Variable("x")))),
        ("[ ok(f: ?x) ]", (OK, FieldPattern("f", Variable("x")))),
        ("[ ok ]", (OK,)),
        ('[ variant: "ok" ]', (OK,)),
        ("ok()", (OK,)),
        ("ok", (OK,)),
        ("[]", ()),
        ("[ ok: _ ]", (FieldPattern("ok", Wildcard()),)),
        ("", ()),
    ],
)
def test_output_spelling_means(spelling: str, fields: tuple[FieldPattern, ...]) -> None:
    assert one(when=f"A/b: [] => {spelling}").when[0].output_fields == fields


def test_variables_stand_for_concept_and_action() -> None:
    sync = one(when="?c/?a: [] => []\n ?c/go: [] => []\n Go/?a: [] => []", then="?c/?a: []")
    assert [(each.concept, each.action) for each in sync.when] == [
        ("?c", "?a"),
        ("?c", "go"),
        ("urn:clef/Go", "?a"),
    ]
    assert (sync.then[0].concept, sync.then[0].action) == ("?c", "?a")


def test_keywords_are_names_where_a_name_stands() -> None:
    sync = one(
        when="Sync/sync: [ when: ?when; for: ?as ] => then(filter: ?filter)",
        where="Bind: { ?sync where: ?where }\n guard(?in = ?any)",
        then="Then/then: [ purpose: ?sync; as: ?filter; for: ?as ]",
    )
    assert sync.when[0].output_fields[0] == FieldPattern("variant", Literal("then"))
    assert [field.name for field in sync.then[0].fields] == ["purpose", "as", "for"]


def test_query_binds_filters_and_renames(everything: CompiledSync) -> None:
    member, plugin = everything.where[2:4]
    assert member == Query(
        "urn:clef/Member",
        (QueryBinding("member", "__key"), QueryBinding("email", "email")),
        (QueryLiteral("status", "active"), QueryLiteral("level", 2)),
    )
    assert plugin == Query("urn:clef/Plugin", (QueryBinding("slot", "serves"), QueryBinding("plugin", "serves")))


def test_ask_names_action_input_and_output(everything: CompiledSync) -> None:
    assert everything.where[4] == Query(
        "urn:clef/Price/quote",
        (QueryBinding("amount", "amount"),),
        ask=Ask(
            "quote",
            (("book", Var("book")), ("currency", Lit("EUR"))),
            (OK, FieldPattern("amount", Variable("amount"))),
        ),
    )


def test_bind_keeps_clefs_text_and_ours(everything: CompiledSync) -> None:
    assert everything.where[0] == Bind("uuid()", "id", Call("uuid", ()), "uuid()")
    assert one(where='bind(concat("as", ?as) as ?v)').where[0] == Bind(
        "concat(as,?as)", "v", Call("concat", (Lit("as"), Var("as"))), 'concat("as", ?as)'
    )


def test_conditions_join_by_their_kind(everything: CompiledSync) -> None:
    assert one(where='any(?a = "x"; ?a = "y")').where[0] == Filter(
        "any(?a = x; ?a = y)",
        Call("or", (Call("==", (Var("a"), Lit("x"))), Call("==", (Var("a"), Lit("y"))))),
        'any(?a = "x"; ?a = "y")',
    )
    guard = everything.where[6]
    assert isinstance(guard, Filter)
    assert guard.expr == "guard(startsWith(?opening,Once)or\n?openingcontainsupon)"
    assert one(where="guard(?a; ?b)").where[0] == Filter(
        "guard(?a;?b)", Call("and", (Var("a"), Var("b"))), "guard(?a; ?b)"
    )


@pytest.mark.parametrize(
    ("text", "expr"),
    [
        ("?a", Var("a")),
        ("?a.b[0].c", Var("a", ("b", "0", "c"))),
        ("?a = 1", Call("==", (Var("a"), Lit(1)))),
        ("?a === 1.5", Call("==", (Var("a"), Lit(1.5)))),
        ("?a !== 'x'", Call("!=", (Var("a"), Lit("x")))),
        ("?a >= -1", Call(">=", (Var("a"), Lit(-1)))),
        ("-?a < 2", Call("<", (Call("-", (Var("a"),)), Lit(2)))),
        ("!?a", Call("not", (Var("a"),))),
        ("not ?a", Call("not", (Var("a"),))),
        ("not(?a)", Call("not", (Var("a"),))),
        ("?a && ?b AND ?c", Call("and", (Var("a"), Var("b"), Var("c")))),
        ("?a || ?b && ?c", Call("or", (Var("a"), Call("and", (Var("b"), Var("c")))))),
        ("(?a or ?b) and ?c", Call("and", (Call("or", (Var("a"), Var("b"))), Var("c")))),
        ("?a + 1 * 2 - 3", Call("-", (Call("+", (Var("a"), Call("*", (Lit(1), Lit(2))))), Lit(3)))),
        ("?a in ['x', ?b]", Call("in", (Var("a"), ListOf((Lit("x"), Var("b")))))),
        ("?a not in ?b", Call("not", (Call("in", (Var("a"), Var("b"))),))),
        ("?a not contains 'x'", Call("not", (Call("contains", (Var("a"), Lit("x"))),))),
        ("?a is null", Call("==", (Var("a"), Lit(None)))),
        ("?a + 1 is not none", Call("not", (Call("==", (Call("+", (Var("a"), Lit(1))), Lit(None))),))),
        ("contains(?a, ?b)", Call("contains", (Var("a"), Var("b")))),
        ("?a = none", Call("==", (Var("a"), Lit(None)))),
        ("?a = done", Call("==", (Var("a"), Lit("done")))),
        ("?a[-1]", Call("at", (Var("a"), Lit(-1)))),
        ("?a[?i] = true", Call("==", (Call("at", (Var("a"), Var("i"))), Lit(True)))),
        ("first(?a).b", Call("at", (Call("first", (Var("a"),)), Lit("b")))),
        ("if(?a, 1, 2)", Call("if", (Var("a"), Lit(1), Lit(2)))),
        ("cond(?a => 1, ?b => 2)", Call("cond", (Var("a"), Lit(1), Call("cond", (Var("b"), Lit(2)))))),
        ("f({ a: 1; b: ?c }) # why", Call("f", (RecordOf((("a", Lit(1)), ("b", Var("c")))),))),
        ('"{{a.b}}" = "x {{c}}"', Call("==", (Var("a", ("b",)), Template((Lit("x "), Var("c")))))),
    ],
)
def test_expression_means(text: str, expr: object) -> None:
    assert condition(text + "\n") == expr


@pytest.mark.parametrize(
    ("text", "expr"),
    [
        ("?a", None),
        ('"plain"', None),
        ("10", None),
        ("-1.5", None),
        ("true", None),
        ("null", None),
        ("word", None),
        ("?a.b", Var("a", ("b",))),
        ('"{{a}}"', Var("a")),
        ('"hi {{a}}!"', Template((Lit("hi "), Var("a"), Lit("!")))),
        ('"looks(like, a, call)"', Lit("looks(like, a, call)")),
        ("[]", ListOf(())),
        ('[?a, "b", 1]', ListOf((Var("a"), Lit("b"), Lit(1)))),
        ('[\n  "a"\n  "b"\n]', ListOf((Lit("a"), Lit("b")))),
        ("[[?a], [b: 1]]", ListOf((ListOf((Var("a"),)), RecordOf((("b", Lit(1)),))))),
        ("[a: ?a; b: [c: 1]]", RecordOf((("a", Var("a")), ("b", RecordOf((("c", Lit(1)),)))))),
        ("{ a: ?a b: none }", RecordOf((("a", Var("a")), ("b", Lit(None))))),
        ("{}", RecordOf(())),
        ("{ ?a, ?b }", ListOf((Var("a"), Var("b")))),
        ("{ a: 1.5 }", RecordOf((("a", Lit(1.5)),))),
        ("concat(?a, 'x')", Call("concat", (Var("a"), Lit("x")))),
        ('?a + ":" + ?b', Call("+", (Call("+", (Var("a"), Lit(":"))), Var("b")))),
        ("(?a + 1) * 2", Call("*", (Call("+", (Var("a"), Lit(1))), Lit(2)))),
        ("!?a", Call("not", (Var("a"),))),
        ("cond(?a, 1, 2)", Call("cond", (Var("a"), Lit(1), Lit(2)))),
        (
            'cond(?a => "x", ?b => "y", default => "z")',
            Call("cond", (Var("a"), Lit("x"), Call("cond", (Var("b"), Lit("y"), Lit("z"))))),
        ),
    ],
)
def test_then_value_means(text: str, expr: object) -> None:
    assert value(text) == expr


def test_then_values_without_expression_say_it_in_the_value() -> None:
    sync = one(then='T/t: [ a: ?v; b: "s"; c: 1; d: -2.5; e: false; f: none; g: null; h: word ]')
    assert [field.value for field in sync.then[0].fields] == [
        Variable("v"),
        *map(Literal, ["s", 1, -2.5, False, None, None, "word"]),
    ]


def test_fields_end_at_a_newline_after_a_call() -> None:
    sync = one(then='T/t: [ goal: concat("a", ?b)\n strategy: "formal" ]')
    assert [field.name for field in sync.then[0].fields] == ["goal", "strategy"]


def test_several_then_blocks_and_loops_are_one_row_of_actions(everything: CompiledSync) -> None:
    assert [action.action for action in everything.then] == ["open", "?action", "print", "print", "respond"]
    page, line = everything.then[2:4]
    pages = Loop("page", Var("book", ("pages",)))
    assert page.loops == (pages,)
    assert line.loops == (pages, Loop("line", Var("page", ("lines",))))
    assert line.concept == "urn:clef/Line"


def test_strings_unescape_and_span_lines() -> None:
    (field,) = one(then='T/t: [ a: "q\\"\\\\ \n # no comment" ]').then[0].fields
    assert field.value == Literal('q"\\ \n # no comment')


def test_byte_order_mark_and_windows_line_ends_change_nothing() -> None:
    text = "sync S\nwhen {\n  A/b: [] => []\n}\nthen {\n  T/t: [ a: ?b ]\n}\n"
    assert parse_text("\ufeff" + text.replace("\n", "\r\n")) == parse_text(text)


def test_characters_outside_the_alphabet_are_dropped_as_clef_does() -> None:
    assert one(then="T/t: [ a: ?b ] ~ §", where="~ bind(?a as ?b) ·").where[0] == Bind("?a", "b", Var("a"), "?a")
