"""What a parser's refusal says to the author of a file: what was found, and what was expected."""

from __future__ import annotations

import re

from lark import UnexpectedCharacters, UnexpectedInput, UnexpectedToken

_WORDS = {
    "SYNC": "`sync`",
    "WHEN": "`when`",
    "WHERE": "`where`",
    "THEN": "`then`",
    "PURPOSE": "`purpose`",
    "INVARIANT": "`invariant`",
    "BIND": "`bind(`",
    "FILTER": "`filter(`",
    "GUARD": "`guard(`",
    "ANY": "`any(`",
    "FOR": "`for each`",
    "FOR_EACH": "`for each`",
    "IN": "`in`",
    "AS": "`as`",
    "NAME": "a name",
    "WORD": "a word",
    "CONCEPT": "a concept with `:`",
    "FIELD": "a name with `:`",
    "FUNCTION": "a function",
    "VAR": "a `?variable`",
    "PATH": "a `?variable`",
    "STRING": "a string",
    "NUMBER": "a number",
    "UNSIGNED": "a number",
    "TRUTH": "`true` or `false`",
    "WILDCARD": "`_`",
    "COMPARE": "a comparison",
    "IS": "a comparison",
    "LPAR": "`(`",
    "RPAR": "`)`",
    "LSQB": "`[`",
    "RSQB": "`]`",
    "LBRACE": "`{`",
    "RBRACE": "`}`",
    "COLON": "`:`",
    "SLASH": "`/`",
    "DOT": "`.`",
    "MINUS": "`-`",
    "$END": "the end of the text",
}
"""The terminals worth naming. Separators, operators and what fills brackets would only hide the others."""
_ARROW = "`=>`"
_STRING = re.compile(r'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_FIRST = re.compile(r'"[^"\n]{0,30}"?|\?\s*[\w.-]+|[\w-]+|=>|\S')


def explain(error: UnexpectedInput, text: str) -> tuple[int, str]:
    """Where in `text`, and the message."""
    if isinstance(error, UnexpectedToken):
        end = error.token.type == "$END"
        at = len(text.rstrip()) if end else error.token.start_pos or 0
        expected = set(error.accepts or error.expected)
    else:
        end, at = False, error.pos_in_stream or 0
        expected = set(error.allowed or ()) if isinstance(error, UnexpectedCharacters) else set()
    if text[at : at + 1] == '"' and not _STRING.match(text, at):
        return at, "found a string without an end, expected a closing quote"
    found = "the end of the text" if end else f"`{_short(text[at : at + 80])}`"
    return at, f"found {found}, expected {_list(expected)}"


def _short(text: str) -> str:
    """The first word or sign; what stands behind it is not what is wrong."""
    match = _FIRST.match(text)
    return match[0] if match else text[:1]


def _list(terminals: set[str]) -> str:
    words = [word for name, word in _WORDS.items() if name in terminals]
    if any(name.startswith("__ANON") for name in terminals):
        words.insert(0, _ARROW)
    words = list(dict.fromkeys(words))
    return " or ".join((", ".join(words[:-1]), words[-1])) if len(words) > 1 else "".join(words) or "nothing more"
