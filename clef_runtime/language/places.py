"""Lines and columns of a text, both 1-based."""

from __future__ import annotations


def place(text: str, at: int) -> tuple[int, int]:
    """Line and column of the character at index `at`."""
    start = text.rfind("\n", 0, at) + 1
    return text.count("\n", 0, at) + 1, at - start + 1


def line_text(text: str, line: int) -> str:
    """One line, without its end."""
    start = 0
    for _ in range(line - 1):
        start = text.find("\n", start) + 1
    end = text.find("\n", start)
    return text[start : end if end >= 0 else len(text)].rstrip("\r")
