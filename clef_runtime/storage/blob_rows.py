"""The index row of a value that is an object: the object's name, and the fields by which the index can answer.

It keeps null, booleans, numbers and short text of the value's top level. What equals a kept value is kept itself, so
that a criterion of equality with one is decided by the row alone.
"""

from __future__ import annotations

import re
from typing import Any

from clef_runtime.errors import TooLarge
from clef_runtime.model import Record
from clef_runtime.storage.base import Criteria, Is
from clef_runtime.storage.criteria import KEY
from clef_runtime.storage.rows import encode_row

BLOB = "__blob"
"""The field of an index row that has its object's name."""

KEPT_LENGTH = 128
"""Text up to so many characters stays in the row of an offloaded value."""

KEPT_INT_BITS = 1024
"""As long as the longest integer that equals a float: 1e300 is kept, however it is written."""

KEPT_BYTES = 131_072
"""What stays in the row of an offloaded value may take so much, as JSON."""


def offloaded(value: Record, name: str) -> Record:
    """The index row of a value whose object has this name.

    Raises:
        TooLarge: what must stay in it takes more than `KEPT_BYTES`.
    """
    kept = {field: each for field, each in value.items() if field not in (BLOB, KEY) and _is_kept(each)}
    row = {**kept, BLOB: name}
    if len(encode_row(row)) > KEPT_BYTES:
        raise TooLarge(
            f"value: its short fields and their names take more than {KEPT_BYTES} bytes, which stay in the index; "
            "put them into a field of their own"
        )
    return row


def object_of(row: Record | None) -> str:
    """The name of the object that has the row's value; empty where it is the row itself."""
    return str(row.get(BLOB, "")) if row else ""


def _is_kept(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= KEPT_LENGTH
    if isinstance(value, bool) or value is None or isinstance(value, float):
        return True
    return isinstance(value, int) and value.bit_length() <= KEPT_INT_BITS


def exact(criteria: Criteria) -> Criteria:
    """Those that an index row answers as the whole value would: what equals a kept value is kept itself."""
    return {field: wanted for field, wanted in criteria.items() if field == KEY or _is_exact(field, wanted)}


def _is_exact(field: str, wanted: Any) -> bool:
    if field == BLOB:
        return False
    if not isinstance(wanted, Is):
        return _is_kept(wanted)
    if wanted.op == "eq":
        return _is_kept(wanted.value)
    return wanted.op == "in" and all(map(_is_kept, wanted.value))


def part(name: str) -> str:
    """A part of an object's name for any name: letters, digits, `_` and `-` as they are, others as `~<hex>~`."""
    return re.sub(r"[^A-Za-z0-9_-]", lambda found: f"~{ord(found[0]):x}~", name) or "~"
