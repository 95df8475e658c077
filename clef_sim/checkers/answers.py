"""The answers of a history to the queries of a *where*: who was told what, and when."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import msgspec

from clef_runtime.model import Record
from clef_sim.checkers.expressions import Unknown, fits, has_unknown
from clef_sim.checkers.story import Story, Told

_encode = msgspec.json.Encoder(order="sorted").encode


class AllAnswers:
    """Every answer of the history, found by what was asked and who asked."""

    def __init__(self, story: Story) -> None:
        self._told = story.told
        self._by_asked: dict[str, dict[bytes, dict[str, list[Told]]]] = {}

    def fitting(self, name: str, asked: Record, who: str) -> list[Told]:
        """The answers to this question that `who` got (an execution, or any of an instance), in order."""
        if has_unknown(asked):
            return [told for told in self._told.get(name, []) if _is(told, who) and _may_fit(asked, told)]
        by_asked = self._by_asked.get(name)
        if by_asked is None:
            by_asked = self._by_asked[name] = {}
            for told in self._told.get(name, []):
                by_who = by_asked.setdefault(_encode(told.asked), {})
                for each in dict.fromkeys((told.who, told.who.partition(":")[0])):
                    by_who.setdefault(each, []).append(told)
        return by_asked.get(_encode(asked), {}).get(who, [])

    def askers(self, names: Collection[str]) -> Iterator[str]:
        """Who asked any of these, in order."""
        yield from dict.fromkeys(told.who for name in names for told in self._told.get(name, []))


def _is(told: Told, who: str) -> bool:
    return who in (told.who, told.who.partition(":")[0])


def _may_fit(asked: Record, told: Told) -> bool:
    drawn: list[Unknown] = []
    may = fits(asked, told.asked, drawn)
    for unknown in drawn:
        unknown.known = False
    return may


class Seen:
    """What one execution, or one instance, had been told by a place in the history: the last answer counts."""

    def __init__(self, answers: AllAnswers, who: str, until: int) -> None:
        self._answers, self._who, self._until = answers, who, until

    def rows(self, concept: str, criteria: Record) -> list[Record] | None:
        told = self._last(concept, criteria)
        return None if told is None else told.rows

    def outcome(self, name: str, input: Record) -> tuple[str, Record] | None:
        told = self._last(name, input)
        return None if told is None else (told.variant, told.rows[0])

    def _last(self, name: str, asked: Record) -> Told | None:
        found = self._answers.fitting(name, asked, self._who)
        return next((told for told in reversed(found) if told.index < self._until), None)
