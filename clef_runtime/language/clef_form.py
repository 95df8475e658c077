"""What Clef's own compiled form says of expressions and values, and what that form's literals mean to us.

Its expression texts are a row of tokens: quotes and characters outside its alphabet (`>`, `!`, `+`, ...)
are gone from them. We write the same text for those who read it, and the parsed expression beside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from clef_runtime.language.compiled import (
    Expr,
    ListOf,
    Lit,
    Literal,
    RecordOf,
    Template,
    Var,
    Variable,
)

# A name must not swallow a comment or a string, so those come first; anything unmatched is dropped.
_TOKEN = re.compile(
    r'(?P<comment>#[^\n]*|//[^\n]*)|"(?P<string>(?:[^"\\]|\\.)*)"|(?P<newline>\n\s*)'
    r"|(?P<word>=>|->|[=?./:,;()\[\]{}]|\d+(?:\.\d+)?|[A-Za-z_][\w-]*)",
    re.DOTALL | re.ASCII,
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_HOLE = re.compile(r"\{\{(\w+(?:\.\w+)*)\}\}")
_LOOKS_COMPUTED = re.compile(r"[A-Za-z_][\w-]*\(.*\)|\[.*\]", re.DOTALL)


def unescape(text: str) -> str:
    """A backslash stands for the character after it, whatever that is."""
    return _ESCAPE.sub(r"\1", text) if "\\" in text else text


def _tokens(text: str) -> list[tuple[str, bool]]:
    """The tokens that Clef sees in a text, each with whether it is a string; a row of newlines is one."""
    found: list[tuple[str, bool]] = []
    for match in _TOKEN.finditer(text):
        word = match["word"]
        if match["string"] is not None:
            found.append((unescape(match["string"]), True))
        elif match["newline"]:
            if not found or found[-1] not in (("\n", False), ("[", False), ("{", False)):
                found.append(("\n", False))
        elif word:
            if word in "]}" and found and found[-1] == ("\n", False):
                found.pop()
            found.append((word, False))
    return found


def words(text: str, start: int = 0) -> Iterator[tuple[str, int, int]]:
    """The words and signs from `start` on, outside of strings and comments, each with its start and end."""
    for match in _TOKEN.finditer(text, start):
        if match["word"]:
            yield match["word"], match.start(), match.end()


def _words(text: str) -> list[str]:
    return [word for word, _ in _tokens(text)]


def prose_text(text: str) -> str:
    """The `purpose` of `purpose { text }`."""
    return " ".join(_words(text)).strip()


def bind_text(text: str) -> str:
    """The `expr` of `bind(text as ?v)`."""
    return "".join(_words(text)).strip()


def filter_text(kind: str, text: str) -> str:
    """The `expr` of `filter(text)`, `guard(text)` or `any(text)`."""
    if kind == "filter":
        return " ".join(_words(text)).strip()
    spaced = {";": "; ", "=": " = "} if kind == "any" else {}
    words = (word if string else spaced.get(word, word) for word, string in _tokens(text))
    return f"{kind}({''.join(words).strip()})"


def call_text(text: str) -> str:
    """The string that stands for a call, or for a sum that opens with one."""
    return "".join(word for word, string in _tokens(text) if string or word != "\n").strip()


def list_text(text: str) -> str:
    """The string that stands for a list of variables and literals, `[` and `]` in `text`."""
    items: list[str] = []
    tokens = _tokens(text)[1:-1]
    skip_separator = False
    for number, (word, string) in enumerate(tokens):
        if not string and word in (",", ";") and skip_separator:
            skip_separator = word == ","  # one comma, then one semicolon
            continue
        after_mark = number > 0 and tokens[number - 1] == ("?", False)
        if after_mark and not string:
            items[-1] += word
        else:
            items.append(f'"{word}"' if string else word)
        skip_separator = (word, string) != ("?", False)
    return f"[{', '.join(items)}]"


def set_items(text: str) -> list[str]:
    """The items of `{ ?a, ?b }`, as the string list that stands for it."""
    items: list[str] = []
    for word, string in _tokens(text)[1:-1]:
        if string or word not in ("\n", ",", ";"):
            if items and items[-1] == "?":
                items[-1] += word
            else:
                items.append(word)
    return items


def template(text: str) -> Expr:
    """A string with `{{name}}` in it. One that is only a variable yields the variable's value as it is."""
    whole = _HOLE.fullmatch(text)
    if whole:
        return variable(whole[1])
    parts: list[Expr] = []
    for number, piece in enumerate(_HOLE.split(text)):
        if number % 2:
            parts.append(variable(piece))
        elif piece:
            parts.append(Lit(piece))
    return Template(tuple(parts)) if len(parts) > 1 else Lit(text)


def variable(dotted: str) -> Var:
    name, *path = dotted.split(".")
    return Var(name, tuple(path))


def implied(value: Any) -> Expr:
    """What a literal of the exchange form means: templates in strings, records of them, sets."""
    if isinstance(value, str):
        return template(value) if "{{" in value else Lit(value)
    if isinstance(value, dict):
        if value.keys() == {"__set"} and isinstance(value["__set"], list):
            return ListOf(tuple(_set_item(item) for item in value["__set"]))
        fields = tuple((name, implied(item)) for name, item in value.items())
        return RecordOf(fields) if any(not isinstance(item, Lit) for _, item in fields) else Lit(value)
    return Lit(value)


def _set_item(item: Any) -> Expr:
    return variable(item[1:]) if isinstance(item, str) and item.startswith("?") else implied(item)


def looks_computed(value: Any) -> bool:
    """A string that a reader could take for a call or a list, since Clef writes those as strings too."""
    return isinstance(value, str) and _LOOKS_COMPUTED.fullmatch(value) is not None


def meaning(value: Literal | Variable) -> Expr:
    """What a value of the exchange form means where no `expr` stands beside it."""
    return variable(value.name) if isinstance(value, Variable) else implied(value.value)


def exact(value: Literal | Variable, expr: Expr) -> Expr | None:
    """`expr`, unless `value` alone already says the same to every reader."""
    if isinstance(value, Variable):
        return None if expr == Var(value.name) else expr
    plain = isinstance(expr, Lit) and _same(expr.value, value.value) and not looks_computed(value.value)
    return None if plain else expr


def _same(left: Any, right: Any) -> bool:
    """Equal scalars of one type, so that 1 is not true and 1.0 keeps its point."""
    return type(left) is type(right) and not isinstance(left, dict | list) and left == right
