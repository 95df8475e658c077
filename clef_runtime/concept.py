"""Concepts: independent services with state and actions, and an app: concepts plus syncs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

import msgspec

from clef_runtime.context import Clock, Ids
from clef_runtime.errors import BadInput, NotFound
from clef_runtime.model import Invocation, Outcome, Record, concept_urn
from clef_runtime.storage.base import Storage


class Tools(msgspec.Struct, frozen=True):
    """What an action may use besides its input: its concept's storage, a clock and ids.

    `invocation` is what is being run; its id serves as an idempotency key towards third parties. None where
    a *where* asks through an action that only reads.
    """

    storage: Storage
    clock: Clock
    ids: Ids
    invocation: Invocation | None = None


Action: TypeAlias = Callable[[Record, Tools], Outcome]


class Concept:
    """A concept under construction.

    Args:
        name: `User`, `Phone.Profile`.
        facts: the relation that a sync's `User: { ?user email: ?email }` reads; the name in lower case
            unless given.
        relations: every relation that its actions use, where each has a table of its own (`layout:
            prefixed`); the facts' alone unless given.

    Use:
        user = Concept("User")

        @user.action
        def register(input, tools): ...
    """

    def __init__(self, name: str, *, facts: str | None = None, relations: Iterable[str] = ()) -> None:
        self.name = name
        self.urn = concept_urn(name)
        self.facts = facts or name.rpartition(".")[2].lower()
        self.relations = tuple(dict.fromkeys((self.facts, *relations)))
        self.actions: dict[str, Action] = {}
        self.reading: set[str] = set()

    def action(self, function: Action) -> Action:
        """Registers an action under the function's name (a trailing `_` is dropped: `delete_`, `import_`).
        `read_only` beside it marks actions that a *where* may ask."""
        name = function.__name__.rstrip("_")
        if name in self.actions:
            raise BadInput(f"concept {self.name}: action {name!r} is defined twice; give one another name")
        self.actions[name] = function
        return function

    def query(self, function: Action) -> Action:
        """As `action`, for one that only reads: a sync's *where* may ask it."""
        self.action(function)
        self.reading.add(function.__name__.rstrip("_"))
        return function

    def __repr__(self) -> str:
        return f"Concept({self.name!r})"


class Catalogue:
    """The concepts of an app by URN."""

    def __init__(self, concepts: Iterable[Concept]) -> None:
        self._by_urn: dict[str, Concept] = {}
        for concept in concepts:
            if concept.urn in self._by_urn:
                raise BadInput(f"concept {concept.name!r} is defined twice in this app")
            self._by_urn[concept.urn] = concept

    def __iter__(self) -> Iterator[Concept]:
        return iter(self._by_urn.values())

    def __contains__(self, urn: str) -> bool:
        return urn in self._by_urn

    def get(self, urn: str) -> Concept:
        """Raises NotFound, naming the concepts there are."""
        try:
            return self._by_urn[urn]
        except KeyError:
            raise NotFound(f"no concept {urn!r} here; there are {sorted(self._by_urn)}") from None

    def actions(self) -> dict[str, set[str]]:
        return {urn: set(concept.actions) for urn, concept in self._by_urn.items()}
