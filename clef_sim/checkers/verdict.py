"""What a checker says: a verdict, how many offences, and the first of them in words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, TypeAlias

import msgspec

Result: TypeAlias = Literal["valid", "not exercised", "unknown", "invalid"]

_RANK: dict[Result, int] = {"valid": 0, "not exercised": 1, "unknown": 2, "invalid": 3}

OFFENCES_KEPT = 20
"""Offences kept in words; all of them are counted."""


class Verdict(msgspec.Struct, frozen=True, rename={"checker": "name"}):
    """How one checker judges a run; in JSON its name is `name`.

    `count` is the number of offences, `first` the first of them in words (or why the verdict is unknown),
    `offences` the first few, `examined` how many things were looked at: valid of nothing says nothing.
    """

    checker: str
    verdict: Result
    count: int = 0
    first: str = ""
    offences: tuple[str, ...] = ()
    examined: int = 0


def worst(verdicts: Iterable[Verdict]) -> Result:
    """invalid, else unknown, else not exercised, else valid. Unknown where nothing was checked."""
    return max((each.verdict for each in verdicts), key=_RANK.__getitem__, default="unknown")


class Offences:
    """Collects the offences of one checker."""

    def __init__(self) -> None:
        self.count = 0
        self.kept: list[str] = []

    def add(self, words: str) -> None:
        self.count += 1
        if len(self.kept) < OFFENCES_KEPT:
            self.kept.append(words)

    def verdict(self, checker: str, examined: int) -> Verdict:
        """Invalid where there was an offence."""
        result: Result = "invalid" if self.count else "valid"
        first = self.kept[0] if self.kept else ""
        return Verdict(checker, result, self.count, first, tuple(self.kept), examined)
