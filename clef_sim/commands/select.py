"""`-k EXPR`: words joined by `and`, `or`, `not` and brackets; a word is met by a name that holds it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeAlias

from clef_runtime.errors import BadInput

Test: TypeAlias = Callable[[str], bool]


def selector(expression: str) -> Test:
    """What `expression` selects; everything, where it is empty.

    Raises:
        BadInput: not an expression; says what was expected where.
    """
    words = re.findall(r"[()]|[^\s()]+", expression)
    if not words:
        return lambda _: True
    test, rest = _either(words, expression)
    if rest:
        raise _wrong(expression, rest[0], "`and` or `or`")
    return test


def _either(words: list[str], expression: str) -> tuple[Test, list[str]]:
    left, rest = _both(words, expression)
    while rest and rest[0] == "or":
        right, rest = _both(rest[1:], expression)
        left = _or(left, right)
    return left, rest


def _both(words: list[str], expression: str) -> tuple[Test, list[str]]:
    left, rest = _one(words, expression)
    while rest and rest[0] == "and":
        right, rest = _one(rest[1:], expression)
        left = _and(left, right)
    return left, rest


def _one(words: list[str], expression: str) -> tuple[Test, list[str]]:
    if not words or words[0] in ("and", "or", ")"):
        raise _wrong(expression, words[0] if words else "the end", "a word")
    if words[0] == "not":
        test, rest = _one(words[1:], expression)
        return (lambda name: not test(name)), rest
    if words[0] == "(":
        test, rest = _either(words[1:], expression)
        if not rest or rest[0] != ")":
            raise _wrong(expression, rest[0] if rest else "the end", "`)`")
        return test, rest[1:]
    word = words[0].lower()
    return (lambda name: word in name.lower()), words[1:]


def _and(left: Test, right: Test) -> Test:
    return lambda name: left(name) and right(name)


def _or(left: Test, right: Test) -> Test:
    return lambda name: left(name) or right(name)


def _wrong(expression: str, found: str, expected: str) -> BadInput:
    return BadInput(f"-k {expression!r}: found {found!r} where {expected} was expected")
