"""The completions of one flow, and the matches among them."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import msgspec

from clef_runtime.engine.index import Fits, Place, Program, SyncIndex
from clef_runtime.engine.matching import Assigned, Entry, Values
from clef_runtime.errors import BadInput
from clef_runtime.language.compiled import CompiledSync
from clef_runtime.model import Completion, Record, firing_id


class Match(msgspec.Struct, frozen=True, gc=False):
    """Completions of a flow that stand in the places of a sync's *when*.

    `completions` are in the order of the patterns. The identity is `firing_id`: the sync's name and the
    set of completions, whichever stands where. Where the same set fits in several ways, the match is the
    way whose tuple of completion ids is the smallest, so that it does not depend on who arrived when.
    """

    program: Program
    completions: tuple[Completion, ...]
    bindings: Record
    firing_id: str

    @property
    def sync(self) -> CompiledSync:
        return self.program.sync


class FlowState:
    """The completions of one flow, joinable. Not for several threads at once.

    Time and memory of a completion go with the syncs that wait for it and the matches it makes.
    """

    __slots__ = ("_buckets", "_completions", "_flow", "_index", "_pending")

    def __init__(self, index: SyncIndex) -> None:
        self._index = index
        self._flow: str | None = None
        self._completions: dict[str, Completion] = {}
        self._buckets: dict[tuple[int, Hashable], list[Entry]] = {}
        # In no bucket yet: many a flow is loaded for a completion that joins with nothing.
        self._pending: list[Completion] = []

    def __len__(self) -> int:
        return len(self._completions)

    def add(self, completion: Completion) -> bool:
        """Takes a completion up; False, and nothing happens, where its id is known.

        Raises:
            BadInput: it is of another flow than those before it.
        """
        if completion.id in self._completions:
            return False
        if self._flow != completion.flow:
            if self._flow is not None:
                raise BadInput(
                    f"completion {completion.id!r} is of flow {completion.flow!r}, and this is the state of"
                    f" flow {self._flow!r}; completions match only within their flow"
                )
            self._flow = completion.flow
        self._completions[completion.id] = completion
        self._pending.append(completion)
        return True

    def _take_up(self, known: Completion, its_fits: Fits) -> None:
        """Puts what is pending into its buckets, in the order in which it was added."""
        for completion in self._pending:
            fits = its_fits if completion is known else self._index.fits(completion)
            for place, values in fits:
                for insert in place.inserts:
                    key = (insert.bucket, insert.key(values))
                    entries = self._buckets.get(key)
                    if entries is None:
                        self._buckets[key] = [(completion, values)]
                    else:
                        entries.append((completion, values))
        self._pending.clear()

    def matches(self, completion: Completion) -> list[Match]:
        """Every match that the completion takes part in, whichever of its completions came last; each once,
        in the order of the syncs.

        Raises:
            BadInput: the completion has not been added.
        """
        known = self._completions.get(completion.id)
        if known is None:
            raise BadInput(f"completion {completion.id!r} is not in this flow's state; add it first")
        fits = self._index.fits(known)
        found: list[Match] = []
        twins: dict[str, Match] = {}
        for place, values in fits:
            program = place.program
            if place.alone:
                bindings = dict(zip(place.names, values, strict=True))
                found.append(Match(program, (known,), bindings, firing_id(program.name, (known.id,))))
                continue
            if self._pending:
                self._take_up(known, fits)
            if not program.twins:
                found += [_match(program, assigned) for assigned in self._joined(place, known, values)]
            else:
                for assigned in self._joined(place, known, values):
                    match = _match(program, assigned)
                    twin = twins.get(match.firing_id)
                    if twin is None or _ids(match) < _ids(twin):
                        twins[match.firing_id] = match
        if twins:
            found += twins.values()
            found.sort(key=lambda match: match.program.number)
        return found

    def _joined(self, place: Place, completion: Completion, values: Values) -> list[Assigned]:
        """Every way to fill the sync's other patterns, with `completion` at `place`."""
        start: list[Any] = [None] * len(place.program.patterns)
        start[place.position] = (completion, values)
        partial: list[Assigned] = [start]
        for step in place.steps:
            longer: list[Assigned] = []
            for assigned in partial:
                for entry in self._buckets.get((step.bucket, step.key(assigned)), ()):
                    if place.program.twins and _holds(assigned, entry[0]):
                        continue
                    filled = assigned.copy()
                    filled[step.pattern] = entry
                    longer.append(filled)
            if not longer:
                return []
            partial = longer
        return partial


def _holds(assigned: Assigned, completion: Completion) -> bool:
    return any(entry is not None and entry[0] is completion for entry in assigned)


def _match(program: Program, assigned: Assigned) -> Match:
    completions = tuple([entry[0] for entry in assigned])
    identity = firing_id(program.name, [completion.id for completion in completions])
    return Match(program, completions, program.bindings(assigned), identity)


def _ids(match: Match) -> list[str]:
    return [completion.id for completion in match.completions]
