from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from clef_runtime.engine.expressions import Draw, Site, compile_expr
from clef_runtime.errors import BadInput
from clef_runtime.language.compiled import (
    Call,
    CompiledSync,
    Expr,
    ListOf,
    Lit,
    RecordOf,
    Source,
    Template,
    Var,
)


class StoppedClock:
    def __init__(self) -> None:
        self.readings = 0

    def now(self) -> float:
        self.readings += 1
        return 1_767_225_600.0 + self.readings - 1

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


SYNC = CompiledSync(name="S", annotations=(), when=(), where=(), then=(), source=Source("a.sync", 3))


def value_of(expr: Expr, row: dict[str, Any] | None = None, **functions: Callable[..., Any]) -> Any:
    return compile_expr(expr, Site(SYNC, functions))(row or {}, Draw(StoppedClock(), CountedIds()))


def call(name: str, *args: Any) -> Call:
    return Call(name, tuple(arg if isinstance(arg, Expr) else Lit(arg) for arg in args))


FAILING = Call("boom", ())


def boom() -> Any:
    raise ZeroDivisionError("no")


def test_path_into_a_missing_field_is_null() -> None:
    row = {"body": {"user": {"name": "n"}, "tags": ["a", "b"]}}
    assert value_of(Var("body", ("user", "name")), row) == "n"
    assert value_of(Var("body", ("tags", "1")), row) == "b"
    assert value_of(Var("body", ("none", "deeper")), row) is None
    assert value_of(Var("unbound")) is None


def test_template_of_one_variable_keeps_its_value_and_of_several_is_text() -> None:
    assert value_of(Template((Var("n"),)), {"n": 3}) == 3
    assert value_of(Template((Lit("n="), Var("n"))), {"n": 3}) == "n=3"


def test_records_and_lists_are_fresh_each_time() -> None:
    made = compile_expr(RecordOf((("tags", ListOf((Var("a"), Lit("b")))),)), Site(SYNC, {}))
    draw = Draw(StoppedClock(), CountedIds())
    assert made({"a": 1}, draw) == {"tags": [1, "b"]}
    assert made({"a": 1}, draw) is not made({"a": 1}, draw)


@pytest.mark.parametrize(
    ("expr", "expected"),
    [
        (call("cond", True, 1, FAILING), 1),
        (call("cond", False, FAILING, 2), 2),
        (call("if", False, FAILING), None),
        (call("and", False, FAILING), False),
        (call("or", "x", FAILING), "x"),
        (call("or", None, "fallback"), "fallback"),
        (call("any", False, False), False),
        (call("not", []), False),
        (call("not", 0), True),
        (call("-", 2), -2),
        (call("-", 5, 2), 3),
        (call("-", "x"), None),
        (call("<", 1, "2"), False),
        (call("/", 1, 0), None),
        (call("contains", ["a"], "a"), True),
        (call("in", "a", ["a"]), True),
    ],
)
def test_call_evaluates_only_what_it_needs(expr: Expr, expected: Any) -> None:
    assert value_of(expr, boom=boom) == expected


def test_uuid_is_fresh_and_now_is_read_once_for_a_firing() -> None:
    clock, ids = StoppedClock(), CountedIds()
    draw, site = Draw(clock, ids), Site(SYNC, {})
    uuid, now = compile_expr(call("uuid"), site), compile_expr(call("now"), site)
    assert [uuid({}, draw), uuid({}, draw)] == ["id1", "id2"]
    assert now({}, draw) == now({}, draw) == "2026-01-01T00:00:00.000Z"
    assert clock.readings == 1


def test_registered_function_is_called_and_its_failure_names_it_and_the_sync() -> None:
    assert value_of(call("slug", "A B"), slug=lambda text: text.lower().replace(" ", "-")) == "a-b"
    with pytest.raises(BadInput, match=r"a\.sync:3: sync S: function `boom` failed on \[\]: ZeroDivisionError: no"):
        value_of(FAILING, boom=boom)


def test_unknown_function_is_refused_when_compiled() -> None:
    with pytest.raises(BadInput, match=r"a\.sync:3: sync S: unknown function `boom`"):
        compile_expr(FAILING, Site(SYNC, {}))


@pytest.mark.parametrize("expr", [call("length"), call("cond", 1), call("uuid", 1), call("<", 1), call("hash", 1, 2)])
def test_wrong_number_of_arguments_is_refused_when_compiled(expr: Call) -> None:
    with pytest.raises(BadInput, match=r"a\.sync:3: sync S: `.+` takes .+ argument"):
        compile_expr(expr, Site(SYNC, {}))


ODD = [None, True, 0, -1, 1e308, "", "x", [], [1], {}, {"a": 1}]


@pytest.mark.parametrize("name", ["+", "-", "*", "/", "%", "<", "==", "and", "contains", "startsWith", "at", "pluck"])
def test_no_value_makes_an_expression_raise(name: str) -> None:
    for left in ODD:
        for right in ODD:
            value_of(call(name, left, right))
