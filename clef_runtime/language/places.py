"""Lines and columns of a text, both 1-based."""

from __future__ import annotations

from functools import lru_cache


@lru_cache(maxsize=2)
def line_starts(text: str) -> list[int]:
    """Where each line starts. Kept for the text in hand, since every finding about it asks."""
    starts = [0]
    while end := text.find("\n", starts[-1]) + 1:
        starts.append(end)
    return starts


def place(text: str, at: int) -> tuple[int, int]:
    """Line and column of the character at index `at`."""
    start = text.rfind("\n", 0, at) + 1
    return text.count("\n", 0, at) + 1, at - start + 1


def line_text(text: str, line: int) -> str:
    """One line, without its end."""
    start = line_starts(text)[line - 1]
    end = text.find("\n", start)
    return text[start : end if end >= 0 else len(text)].rstrip("\r")
