"""The reference by itself: what matches, what follows, and that it knows when it cannot know."""

from __future__ import annotations

from typing import Any

import pytest

from clef_runtime.language import parse_text
from clef_runtime.language.compiled import CompiledSync, Literal, ThenAction, ThenField, Variable
from clef_runtime.model import Completion, Record
from clef_sim.checkers.expressions import Undecided, Unknown, fits
from clef_sim.checkers.reference import Match, NeverAsked, Reference, Required


class Told:
    """Answers by concept, whatever is asked; keeps what was asked."""

    def __init__(self, **rows: list[Record]) -> None:
        self._rows = rows
        self.asked: list[Record] = []

    def rows(self, concept: str, criteria: Record) -> list[Record] | None:
        self.asked.append(criteria)
        return self._rows.get(concept.rpartition("/")[2])

    def outcome(self, name: str, input: Record) -> tuple[str, Record] | None:
        self.asked.append(input)
        rows = self._rows.get(name.rpartition("/")[2])
        return (rows[0]["variant"], rows[0]) if rows else None


def completion(
    id: str, target: str, input: Record | None = None, *, variant: str = "ok", **output: Any
) -> Completion:
    concept, _, action = target.partition("/")
    return Completion(
        id=id,
        concept=f"urn:clef/{concept}",
        action=action,
        input=input or {},
        variant=variant,
        output=output,
        flow="f",
        timestamp="",
    )


def reference(text: str, **functions: Any) -> Reference:
    return Reference(parse_text(text, "t.sync"), functions)


def matches(text: str, *completions: Completion) -> list[Match]:
    return reference(text).matches(completions)


def ids(found: list[Match]) -> list[tuple[str, ...]]:
    return sorted(match.key[1] for match in found)


JOIN = "sync J when { A/a: [] => [ x: ?x ]  B/b: [ x: ?x ] => [] } then { T/t: [ x: ?x ] }"


def test_reference_join_binds_a_variable_to_one_value() -> None:
    found = matches(
        JOIN,
        completion("a1", "A/a", x=1),
        completion("a2", "A/a", x=2),
        completion("b1", "B/b", {"x": 1}),
        completion("b2", "B/b", {"x": 2.0}),
        completion("b3", "B/b", {"x": True}),
        completion("b4", "B/b"),
    )
    assert ids(found) == [("a1", "b1"), ("a2", "b2")]


def test_reference_patterns_want_distinct_completions_and_count_a_set_once() -> None:
    text = "sync P when { A/a: [ x: ?x ] => []  A/a: [ x: ?y ] => [] } then { T/t: [ x: ?x; y: ?y ] }"
    found = matches(text, completion("a1", "A/a", {"x": 1}), completion("a2", "A/a", {"x": 2}))
    assert ids(found) == [("a1", "a2")]
    assert [match["x"] for match in found[0].bindings] == [1, 2]


@pytest.mark.parametrize(
    ("pattern", "fitting"),
    [
        ("A/a: [] => ok()", ["ok"]),
        ("A/a: [] => []", ["ok", "bad"]),
        ("A/a: [] => [ variant: ?v ]", ["ok", "bad"]),
        ("A/a: [ there: _ ] => []", ["ok", "bad"]),
        ("A/a: [ n: 1 ] => []", ["ok"]),
        ("A/a: [ n: true ] => []", []),
        ("?c/a: [] => [ why: ?w ]", ["bad"]),
        ("?c/?a: [] => error()", []),
    ],
)
def test_reference_pattern_fits(pattern: str, fitting: list[str]) -> None:
    text = f"sync P when {{ {pattern} }} then {{ T/t: [] }}"
    good, bad = completion("ok", "A/a", {"n": 1}), completion("bad", "A/a", variant="bad", why="w")
    assert ids(matches(text, good, bad)) == sorted((each,) for each in fitting)


def required(text: str, told: Told | None = None, *, input: Record | None = None, **functions: Any) -> list[Required]:
    found = reference(text, **functions)
    (match,) = found.matches([completion("a", "A/a", input or {"x": "one", "n": 2, "xs": [1, 2]})])
    return found.required(match, told or Told())


HEAD = "sync W when { A/a: [ x: ?x; n: ?n; xs: ?xs ] => [] } "


def test_reference_query_filters_by_what_is_bound_and_binds_the_rest() -> None:
    told = Told(User=[{"__key": "u1", "x": "one", "s": "on", "e": "e1"}, {"__key": "u2", "x": "one", "s": "on"}])
    text = HEAD + 'where { User: { ?key x: ?x; e: ?e; s: "on" } } then { T/t: [ k: ?key; e: ?e ] }'
    assert [each.input for each in required(text, told)] == [{"k": "u1", "e": "e1"}]
    assert told.asked == [{"x": "one", "s": "on"}]


def test_reference_ask_fits_its_output_side() -> None:
    text = HEAD + "where { User/count: [ of: ?x ] => ok(n: ?m) } then { T/t: [ m: ?m ] }"
    assert [each.input for each in required(text, Told(count=[{"variant": "ok", "n": 5}]))] == [{"m": 5}]
    assert required(text, Told(count=[{"variant": "none", "n": 5}])) == []
    with pytest.raises(NeverAsked, match="User/count was never asked for"):
        required(text)


def test_reference_every_binding_and_every_action_counts() -> None:
    told = Told(User=[{"__key": f"u{n}"} for n in range(3)])
    text = HEAD + "where { User: { ?key } } then { T/t: [ k: ?key ] U/u: [] }"
    found = required(text, told)
    assert [(each.action, each.input.get("k")) for each in found] == [
        ("t", "u0"),
        ("u", None),
        ("t", "u1"),
        ("u", None),
        ("t", "u2"),
        ("u", None),
    ]


def test_reference_loop_repeats_its_actions() -> None:
    text = HEAD + "then { for each ?i in ?xs { T/t: [ i: ?i ] } }"
    assert [each.input for each in required(text)] == [{"i": 1}, {"i": 2}]


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("?n + 1", 3),
        ("?n - 5", -3),
        ("?n / 0", None),
        ("?x + ?n", "one2"),
        ("?n > 1 and ?n < 3", True),
        ("not(?n == 2)", False),
        ("cond(?n == 2, 'yes', 'no')".replace("'", '"'), "yes"),
        ('if(?n > 9, "yes")', None),
        ('concat(?x, "-", ?n, ?xs)', "one-2[1,2]"),
        ("length(?xs)", 2),
        ("contains(?xs, 2)", True),
        ("contains(?x, ?n)", False),
        ('startsWith(?x, "on")', True),
        ('nameOf("urn:clef/User")', "User"),
        ("json(?xs)", "[1,2]"),
        ("pluck(?xs, ?x)", []),
        ("lessThan(?x, ?n)", False),
        ("coalesce(?x.none, ?n)", 2),
        ("double(?n)", 4),
    ],
)
def test_reference_expression_has_its_value(expression: str, value: Any) -> None:
    text = HEAD + f"where {{ bind({expression} as ?v) }} then {{ T/t: [ v: ?v ] }}"
    found = Reference(parse_text(text, "t.sync"), {"double": lambda n: n * 2})
    (match,) = found.matches([completion("a", "A/a", {"x": "one", "n": 2, "xs": [1, 2]})])
    assert [each.input for each in found.required(match, Told())] == [{"v": value}]


def test_reference_filter_that_does_not_hold_requires_nothing() -> None:
    assert required(HEAD + 'where { filter(?x == "two") } then { T/t: [] }') == []


def test_reference_drawn_values_fit_anything_but_stay_the_same() -> None:
    text = HEAD + "where { bind(uuid() as ?id) } then { T/t: [ id: ?id; at: now() ] U/u: [ id: ?id ] }"
    first, second = required(text)
    drawn: list[Unknown] = []
    assert fits(first.input, {"id": "u1", "at": "today"}, drawn)
    assert not fits(second.input, {"id": "u2"}, drawn)
    assert fits(second.input, {"id": "u1"}, drawn)


def test_reference_condition_on_what_was_drawn_is_undecided() -> None:
    with pytest.raises(Undecided, match=r"uuid\(\) or now\(\)"):
        required(HEAD + 'where { filter(now() > "2026") } then { T/t: [] }')


def test_reference_function_of_the_app_that_fails_is_undecided() -> None:
    text = HEAD + "where { bind(broken(?n) as ?v) } then { T/t: [] }"
    found = Reference(parse_text(text, "t.sync"), {"broken": lambda n: n / 0})
    (match,) = found.matches([completion("a", "A/a", {"x": "one", "n": 2, "xs": []})])
    with pytest.raises(Undecided, match="broken raised ZeroDivisionError"):
        found.required(match, Told())


def test_reference_fields_of_the_exchange_form_mean_what_they_say() -> None:
    fields = (
        ThenField("text", Literal("to {{x}}: {{n}}")),
        ThenField("path", Variable("r.deep")),
        ThenField("record", Literal({"a": "{{x}}", "b": {"__set": ["?n", "c"]}})),
    )
    (base,) = parse_text("sync E when { A/a: [ x: ?x; n: ?n; r: ?r ] => [] } then { T/t: [] }", "t.sync")
    sync = CompiledSync(
        name="E",
        annotations=(),
        when=base.when,
        where=(),
        then=(ThenAction("urn:clef/T", "t", fields),),
    )
    found = Reference([sync])
    (match,) = found.matches([completion("a", "A/a", {"x": "x", "n": 2, "r": {"deep": 7}})])
    (only,) = found.required(match, Told())
    assert only.input == {"text": "to x: 2", "path": 7, "record": {"a": "x", "b": [2, "c"]}}


def test_reference_shares_no_code_with_the_engine() -> None:
    """Looked at in the sources: what the checkers import, directly."""
    import ast
    from pathlib import Path

    import clef_sim.checkers

    imported = {
        node.module
        for file in Path(clef_sim.checkers.__file__).parent.glob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module
    }
    assert "clef_runtime.language.compiled" in imported
    assert not [name for name in imported if name.startswith(("clef_runtime.engine", "clef_runtime.language.f"))]
