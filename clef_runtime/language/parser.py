"""Reads `.sync` text with Lark. The only way into the grammar; nothing that a cold start needs imports it."""

from __future__ import annotations

import threading
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

from lark import Lark, Token, UnexpectedInput

from clef_runtime.errors import SyncSyntaxError
from clef_runtime.language.build import Build
from clef_runtime.language.compiled import (
    Call,
    CompiledSync,
    Expr,
    Lit,
    Loop,
    ThenAction,
)
from clef_runtime.language.expression_rules import Unreadable
from clef_runtime.language.functions import UNREADABLE
from clef_runtime.language.places import line_text, place
from clef_runtime.language.value_rules import DEPTH_MAX, Job
from clef_runtime.language.walk import parts
from clef_runtime.language.wording import explain

_LOOPS_MAX = 8
_lock = threading.RLock()  # one parser for all threads; its callbacks know the text that is being read


@cache
def _machine() -> tuple[Lark, Build]:
    build = Build()
    grammar = files(__package__).joinpath("grammar.lark").read_text(encoding="utf-8")
    starts = ["file", "loop", "expression", "conditions"]
    lark = Lark(
        grammar,
        parser="lalr",
        lexer="contextual",
        start=starts,
        transformer=build,
        maybe_placeholders=False,
    )
    return lark, build


def parse(text: str, file: str) -> list[CompiledSync]:
    """The syncs of a text.

    Raises:
        SyncSyntaxError: the text is not in the language; nothing of it is used. Definite.
    """
    with _lock:
        return Reading(text.removeprefix("\ufeff"), file).file_of()


def read_expression(text: str) -> Expr:
    """Raises Unreadable, which says where in `text` and why."""
    with _lock:
        found: Expr = _cached(text, "expression")
    return found


def read_condition(kind: str, text: str) -> Expr:
    """The condition of `filter(text)`, `guard(text)` or `any(text)`. Raises as `read_expression`."""
    with _lock:
        conditions = _cached(text, "conditions")
    if len(conditions) == 1:
        return conditions[0]  # type: ignore[no-any-return]  # the rule yields a list of expressions
    return Call("or" if kind == "any" else "and", tuple(conditions))


class Reading(Job):
    """One text that is being read; `base` is where it starts in the file's text."""

    def __init__(self, text: str, file: str, whole: str | None = None, base: int = 0, loops: int = 0) -> None:
        self.file = file
        self._text, self._whole = text, text if whole is None else whole
        self._base, self._loops = base, loops

    def file_of(self) -> list[CompiledSync]:
        return self._run("file")  # type: ignore[no-any-return]  # what the rule yields

    def _run(self, start: str) -> Any:
        lark, build = _machine()
        outer = getattr(build, "job", None)
        build.job = self
        try:
            return lark.parse(self._text, start=start)
        except UnexpectedInput as error:
            at, message = explain(error, self._text)
            raise self._error(at, message) from None
        finally:
            if outer is not None:
                build.job = outer

    def text(self, start: Token, end: Token) -> str:
        return self._text[start.start_pos : end.end_pos]

    def line(self, token: Token) -> int:
        return token.line or 0  # only `sync` asks, and it stands in no part that is read by itself

    def expression(self, text: str) -> Expr:
        try:
            return read_expression(text)
        except Unreadable:
            return Call(UNREADABLE, (Lit(text),))

    def condition(self, kind: str, text: str) -> Expr:
        try:
            return read_condition(kind, text)
        except Unreadable:
            return Call(UNREADABLE, (Lit(text.strip()),))

    def loop(self, start: Token, end: Token) -> tuple[ThenAction, ...]:
        text = self.text(start, end)
        if self._loops == _LOOPS_MAX:
            raise self.refuse(start, f"loops nested more than {_LOOPS_MAX} deep")
        inner = Reading(text, self.file, self._whole, self._base + _start(start), self._loops + 1)
        try:
            return tuple(inner._run("loop"))
        except SyncSyntaxError:
            unreadable = Loop("unreadable", Call(UNREADABLE, (Lit(text),)))
            return (ThenAction("?unreadable", "?unreadable", (), (unreadable,)),)

    def refuse(self, token: Token, message: str) -> SyncSyntaxError:
        return self._error(_start(token), message)

    def _error(self, at: int, message: str) -> SyncSyntaxError:
        line, column = place(self._whole, self._base + at)
        return SyncSyntaxError(message, file=self.file, line=line, column=column, text=line_text(self._whole, line))


def _start(token: Token) -> int:
    return token.start_pos or 0


@lru_cache(maxsize=4096)
def _cached(text: str, start: str) -> Any:
    try:
        found = _machine()[0].parse(text, start=start)
    except UnexpectedInput as error:
        at, message = explain(error, text)
        raise Unreadable(message, at) from None
    if len(text) > DEPTH_MAX and _depth(found) > DEPTH_MAX:
        raise Unreadable(f"nested more than {DEPTH_MAX} deep", 0)
    return found


def _depth(found: Any) -> int:
    """How deep an expression is nested; counted level by level, so that any depth can be counted."""
    level: list[Any] = found if isinstance(found, list) else [found]
    depth = 0
    while level and depth <= DEPTH_MAX:
        depth += 1
        level = [part for expr in level for part in parts(expr)]
    return depth
