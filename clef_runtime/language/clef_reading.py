"""Reads back the expressions of Clef's own compiled form, as well as a row of tokens can be read.

Strings have lost their quotes there and operators are gone. What begins like a variable, a number, a list or
a call of a built-in function is that; any other argument was a string. Where a lost sign would change the
meaning it is refused: a stray `?` or bracket, or a blank after a comma, which only a string can have kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from clef_runtime.language.clef_form import variable
from clef_runtime.language.compiled import Call, Expr, ListOf, Lit
from clef_runtime.language.functions import BUILTINS

_PATH = re.compile(r"\?\s*([A-Za-z_][\w-]*(?:\.[A-Za-z_][\w-]*|\[\d+\])*)", re.ASCII)
_NUMBER = re.compile(r"\d{1,15}(\.\d{1,15})?", re.ASCII)
_CALL = re.compile(r"([A-Za-z_][\w-]*)\((.*)\)", re.ASCII | re.DOTALL)
_WORDS = {"true": True, "false": False, "null": None, "none": None}
_DEPTH_MAX = 50


class Lost(Exception):  # it ends in a BadInput of the exchange form
    """The text says too little; the argument says why."""


def read_tokens(text: str, depth: int = 0) -> Expr:
    """Raises Lost."""
    if depth > _DEPTH_MAX:
        raise Lost(f"nested more than {_DEPTH_MAX} deep")
    if path := _PATH.fullmatch(text):
        return variable(path[1].replace("[", ".").replace("]", ""))
    if number := _NUMBER.fullmatch(text):
        return Lit(float(text) if number[1] else int(text))
    if text in _WORDS:
        return Lit(_WORDS[text])
    if text.startswith("[") and text.endswith("]"):
        return ListOf(tuple(read_tokens(part, depth + 1) for part in _split(text[1:-1])))
    call = _CALL.fullmatch(text)
    if call and call[1] in BUILTINS:
        return _call(call[1], list(_split(call[2])), depth + 1)
    if not text.strip() or text[0] == " " or any(sign in text for sign in "?()[]"):
        raise Lost(f"`{text:.60}` has lost its quotes or an operator")
    return Lit(text)


def _call(name: str, parts: list[str], depth: int) -> Expr:
    arms = [part.split("=>", 1) for part in parts]
    if name not in ("cond", "if") or not any(len(arm) > 1 for arm in arms):
        return Call(name, tuple(read_tokens(part, depth) for part in parts))
    value: Expr | None = None
    for arm in reversed(arms):
        if len(arm) == 1 or (arm[0] == "default" and value is not None):
            raise Lost("in `cond`, every argument is `test=>value`, and `default` the last")
        chosen = read_tokens(arm[1], depth)
        if arm[0] == "default":
            value = chosen
        else:
            test = read_tokens(arm[0], depth)
            value = Call("cond", (test, chosen) if value is None else (test, chosen, value))
    return value or Lit(None)


def _split(text: str) -> Iterator[str]:
    """The parts between commas outside of brackets."""
    if not text:
        return
    depth = start = 0
    for at, sign in enumerate(text):
        if sign in "([":
            depth += 1
        elif sign in ")]":
            depth -= 1
            if depth < 0:
                raise Lost("its brackets do not fit")
        elif sign == "," and depth == 0:
            yield text[start:at]
            start = at + 1
    if depth:
        raise Lost("its brackets do not fit")
    yield text[start:]
