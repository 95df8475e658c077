"""What a checker is given: the history, the compiled syncs, what is known of the app, what was asked for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import cached_property
from typing import Any, Protocol

import msgspec

from clef_runtime.app import App
from clef_runtime.language.compiled import CompiledSync
from clef_sim.checkers.accounts import Account, accounts_of
from clef_sim.checkers.reference import Reference
from clef_sim.checkers.story import Key, Story
from clef_sim.checkers.verdict import Verdict
from clef_sim.checkers.words import Words
from clef_sim.history import Event


class AppInfo(msgspec.Struct, frozen=True):
    """The functions that the app registered, and the URNs of its concepts (None: every concept exists)."""

    functions: Mapping[str, Callable[..., Any]] = {}
    concepts: Collection[str] | None = None

    @staticmethod
    def of(app: App) -> AppInfo:
        return AppInfo(app.functions, tuple(concept.urn for concept in app.catalogue))


class Settings(msgspec.Struct, frozen=True):
    """What a scenario asks for.

    `latency_targets` are limits in milliseconds by metric and percentile (`sync_step_ms_p95`, or `_max`).
    `faults` names the faults asked for. After they stop, the world must settle within `settle_within_s`.
    """

    latency_targets: Mapping[str, float] = {}
    faults: tuple[str, ...] = ()
    settle_within_s: float | None = None


class Case:
    """One finished run. What several checkers look at is worked out once."""

    def __init__(
        self, events: Iterable[Event], syncs: Iterable[CompiledSync], app: AppInfo, settings: Settings
    ) -> None:
        self.events = list(events)
        self.syncs = tuple(syncs)
        self.app = app
        self.settings = settings

    @cached_property
    def story(self) -> Story:
        return Story(self.events)

    @cached_property
    def words(self) -> Words:
        return Words(self.story)

    @cached_property
    def accounts(self) -> list[Account]:
        return accounts_of(self.story, Reference(self.syncs, self.app.functions, self.app.concepts))

    @cached_property
    def account_of(self) -> dict[Key, Account]:
        return {account.match.key: account for account in self.accounts}

    @cached_property
    def by_name(self) -> dict[str, CompiledSync]:
        return {sync.name: sync for sync in self.syncs}


class Checker(Protocol):
    """Judges one invariant family. Sees the case alone, never the live world."""

    def __call__(self, case: Case) -> Verdict: ...
