"""What several concepts ask of an input. Plain functions; no concept knows another."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from clef_runtime.model import Outcome, Record

KEY_LENGTH_MAX = 120  # characters, so that four bytes each and a prefix stay below DynamoDB's 1,024 bytes


def text(value: Any) -> str:
    """A string without the white space around it; anything else as the empty string."""
    return value.strip() if isinstance(value, str) else ""


def texts(value: Any) -> list[str]:
    """The strings of a list that can be keys, each once, in their order."""
    items = value if isinstance(value, list) else []
    return list(dict.fromkeys(found for found in map(key, items) if found))


def key(value: Any) -> str:
    """Text that can be a row's key; the empty string where it can't: stores limit a key's length."""
    found = text(value)
    return found if len(found) <= KEY_LENGTH_MAX else ""


def blanks(record: Record, fields: Iterable[str], *, optional: bool = False) -> list[str]:
    """A message for each field that is blank. Where `optional`, null means that it was not given."""
    return [
        f"{field} can't be blank"
        for field in fields
        if not text(record.get(field)) and not (optional and record.get(field) is None)
    ]


def count(value: Any, default: int, least: int) -> int | None:
    """A whole number of at least `least`, written as a number or as text; None where it is not one."""
    if value is None:
        return default
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 16:
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= least else None


def error(*errors: str) -> Outcome:
    return Outcome("error", {"errors": list(errors)})


def notfound(message: str) -> Outcome:
    return Outcome("notfound", {"errors": [message]})


def forbidden(message: str) -> Outcome:
    return Outcome("forbidden", {"errors": [message]})
