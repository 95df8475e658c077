"""What `find` means, once, for every adapter that filters or sorts outside its backend."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from clef_runtime.errors import BadInput
from clef_runtime.model import Record
from clef_runtime.storage.base import Criteria, Is

KEY = "__key"


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def test(stored: Any, wanted: Any) -> bool:
        try:
            return compare(stored, wanted)
        except TypeError:
            return False

    return test


def same(stored: Any, wanted: Any) -> bool:
    """JSON equality: true is not 1."""
    return bool(stored == wanted) and isinstance(stored, bool) == isinstance(wanted, bool)


_TESTS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": same,
    "ne": lambda stored, wanted: not same(stored, wanted),
    "gt": _ordered(lambda stored, wanted: stored > wanted),
    "ge": _ordered(lambda stored, wanted: stored >= wanted),
    "lt": _ordered(lambda stored, wanted: stored < wanted),
    "le": _ordered(lambda stored, wanted: stored <= wanted),
    "in": lambda stored, wanted: any(same(stored, each) for each in wanted),
    "contains": _ordered(lambda stored, wanted: wanted in stored),
}


def meets(row: Record, criteria: Criteria | None) -> bool:
    """Whether a row (with its `__key`) meets all criteria."""
    for field, wanted in (criteria or {}).items():
        if field not in row:
            return False
        if isinstance(wanted, Is):
            if not _TESTS[wanted.op](row[field], wanted.value):
                return False
        elif not same(row[field], wanted):
            return False
    return True


def check_bounds(limit: int | None, offset: int) -> None:
    if offset < 0 or (limit is not None and limit < 0):
        raise BadInput(f"offset(={offset}) and limit(={limit}) must be >= 0")


def arrange(rows: Iterable[Record], sort: str | None, limit: int | None, offset: int) -> list[Record]:
    """Sorts, skips and cuts. Rows must come with their `__key`."""
    check_bounds(limit, offset)
    ordered = sorted(rows, key=lambda row: str(row[KEY]))
    if sort:
        field = sort.removeprefix("-")
        present = [row for row in ordered if row.get(field) is not None]
        absent = [row for row in ordered if row.get(field) is None]
        present.sort(key=lambda row: _rank(row[field]), reverse=sort.startswith("-"))
        ordered = present + absent
    return ordered[offset : None if limit is None else offset + limit]


def _rank(value: Any) -> tuple[int, Any]:
    """Orders values of mixed types: numbers, then text, then the rest by its text."""
    if isinstance(value, bool):
        return (0, int(value))
    if isinstance(value, int | float):
        return (1, value)
    return (2, value) if isinstance(value, str) else (3, str(value))
