"""A history, told once by flow, firing, invocation and execution: what all checkers look things up in.

One pass over the events. A firing goes by its sync's name and its sorted completion ids, not by the runtime's
derived id: two matches that a wrong derivation gives one id stay two here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import msgspec

from clef_runtime.model import Completion, Firing, Invocation, completion_id
from clef_sim.history import Event

Key: TypeAlias = tuple[str, tuple[str, ...]]
"""A match: the sync's name and its completion ids, sorted."""


_CONDITIONS = (
    "ConditionalCheckFailedException",
    "TransactionCanceledException",
    "AlreadyExists",
    "FailedPrecondition",
)
"""Errors that are an answer: somebody else was first."""

_READS = frozenset(
    {
        "dynamodb.GetItem",
        "dynamodb.BatchGetItem",
        "dynamodb.Query",
        "dynamodb.Scan",
        "firestore.BatchGetDocuments",
        "firestore.RunQuery",
        "firestore.BeginTransaction",
        "firestore.Rollback",
        "sql.Connect",
        "sql.Read",
        "sql.Begin",
        "sql.Execute",
        "sql.Rollback",
        "redis.Connect",
        *(f"{service}.{read}" for service in ("redis", "upstash") for read in ("Get", "Hget", "Hscan")),
    }
)
"""Calls that change nothing, or nothing yet: that one was answered says nothing of what was to be written."""


def key_of(sync: str | None, matched: Iterable[str]) -> Key:
    return (sync or "", tuple(sorted(matched)))


class Recorded(msgspec.Struct):
    """A completion of the log. `index` is the earliest place in the history that shows it was there, `at` its
    time; it may have been there from `early_at` on, where the append got its answer late."""

    completion: Completion
    index: int
    at: float
    who: str
    early_at: float | None


class Sending(msgspec.Struct, frozen=True):
    """One dispatch, as far as it concerns one firing."""

    index: int
    event: Event
    invocations: tuple[Invocation, ...]

    @property
    def began(self) -> float:
        return float(self.event.data.get("began", self.event.at))


class Turn(msgspec.Struct, frozen=True):
    """An event and its place in the history; `done`: it happened, whatever its caller was told."""

    index: int
    event: Event
    done: bool


class FiringStory(msgspec.Struct):
    """Everything that was done about one match."""

    key: Key
    acquires: list[Turn] = []
    claims: list[Turn] = []
    fired: list[Turn] = []
    sent: list[Sending] = []
    edges: list[Turn] = []


class Run(msgspec.Struct):
    """One execution of an invocation's action. `writes` are its own storage writes that were applied, `staged`
    those that were to commit with its completion, `offered` is the completion that was made of it."""

    index: int
    event: Event
    ended: Event | None = None
    writes: list[Event] = []
    staged: Event | None = None
    committed: Event | None = None
    offered: Completion | None = None

    @property
    def invocation(self) -> str:
        return str(self.event.data["invocation"])

    @property
    def took_effect(self) -> bool:
        return bool(self.writes) or self.committed is not None


class Told(msgspec.Struct, frozen=True):
    """What the storage or a reading action answered a *where*."""

    index: int
    who: str
    asked: dict[str, Any]
    rows: list[dict[str, Any]]
    variant: str = ""


class FlowStory(msgspec.Struct):
    id: str
    completions: dict[str, Recorded] = {}
    firings: list[FiringStory] = []
    loads: list[Turn] = []
    whos: dict[str, None] = {}


class Story:
    """Args: the events of a kept history, in order."""

    def __init__(self, events: Sequence[Event]) -> None:
        self.events = events
        self.flows: dict[str, FlowStory] = {}
        self.firings: dict[Key, FiringStory] = {}
        self.invocations: dict[str, Invocation] = {}
        self.changed: dict[str, tuple[Invocation, Turn]] = {}
        """Invocations that were seen with another content under the same id."""
        self.runs: dict[str, list[Run]] = {}
        self.sends: dict[str, list[Sending]] = {}
        self.appends: dict[str, list[Turn]] = {}
        """By completion id: every append that was made of it."""
        self.published: dict[str, list[Turn]] = {}
        self.completed: dict[str, list[Recorded]] = {}
        """By invocation id: its recorded completions; one, if all is well."""
        self.recorders: dict[str, None] = {}
        self.loaders: dict[str, None] = {}
        """Who appended completions, and who loaded flows."""
        self.told: dict[str, list[Told]] = {}
        self.flows_of: dict[str, dict[str, None]] = {}
        """By who: the flows it had to do with."""
        self.troubles: list[Event] = []
        """Faults, and what befell instances."""
        self.phases: list[Event] = []
        self.last_at: dict[str, float] = {}
        """By who: the virtual second of its last sign of life."""
        self.guarded = False
        """Whether a firing guard is in use."""
        self.logged = False
        """Whether there is an action log: then what is not appended to it is not on record."""
        self.denied: list[tuple[Event, Event]] = []
        """What was said to have failed for sure, and the service call that was applied all the same."""
        self.claimed_done: list[tuple[Event, Event]] = []
        """What was said to have been done, and the last service call for it, which failed."""
        self.answers: list[Event] = []
        """What clients were answered."""
        self._sdk: dict[str, Event] = {}
        self._change: dict[str, Event] = {}
        self._unheard: dict[str, Event] = {}
        self._running: dict[str, Run] = {}
        self._by_firing_id: dict[str, Key] = {}
        self._maybe: dict[str, tuple[Completion, int, Event]] = {}
        for index, event in enumerate(events):
            self._tell(index, event)
        self._settle_the_unsure()
        self._file_firings()

    # ---- one event

    def _tell(self, index: int, event: Event) -> None:
        self.last_at[event.who] = event.at
        if "began" in event.data:
            self._compare(event)
        match event.kind:
            case "sdk":
                self._sdk[event.who] = event
                if event.name not in _READS:
                    self._change[event.who] = event
                    if event.outcome == "unknown" and event.data.get("applied"):
                        self._unheard[event.who] = event
            case "started":
                run = Run(index, event)
                self.runs.setdefault(run.invocation, []).append(run)
                self._running[event.who] = run
                self._touch(event.data["flow"], event.who)
            case "returned":
                running = self._running.get(event.who)
                if running is not None and running.invocation == event.data["invocation"]:
                    running.ended = event
            case "stored":
                self._stored(event)
            case "staged":
                if event.who in self._running:
                    self._running[event.who].staged = event
            case "appended":
                self._appended(index, event)
            case "loaded":
                self._loaded(index, event)
            case "facts" | "asked":
                self._told(index, event)
            case "acquire":
                self.guarded = True
                firing = self._firing(key_of(event.name, event.data["matched"]))
                firing.acquires.append(self._turn(index, event))
            case "claim":
                self.guarded = True
                self._claimed(index, event)
            case "fired":
                found = self._by_firing_id.get(event.data["firing_id"])
                if found is not None:
                    self._firing(found).fired.append(self._turn(index, event))
            case "edge":
                firing = self._firing(key_of(event.name, event.data["matched"]))
                firing.edges.append(self._turn(index, event))
                self._touch(event.data["flow"], event.who)
            case "sent":
                self._sent(index, event)
            case "published":
                completion: Completion = event.data["record"]
                self.published.setdefault(completion.id, []).append(self._turn(index, event))
                self._touch(completion.flow, event.who)
            case "fault" | "instance":
                if event.kind == "fault" or event.name not in ("cold", "warm"):
                    self.troubles.append(event)
            case "response":
                self.answers.append(event)
            case "phase":
                self.phases.append(event)

    def _stored(self, event: Event) -> None:
        run = self._running.get(event.who)
        if run is not None and self._done(event) and event.data.get("count") != 0:
            run.writes.append(event)

    def _appended(self, index: int, event: Event) -> None:
        self.logged = True
        record: Completion | Invocation = event.data["record"]
        self._touch(record.flow, event.who)
        turn = self._turn(index, event)
        if isinstance(record, Invocation):
            self._learn(record, turn)
            return
        self.appends.setdefault(record.id, []).append(turn)
        self.recorders[event.who] = None
        if turn.done and event.data["new"] is not False:
            self._record(record, index, event)
        elif event.outcome == "unknown":
            self._maybe.setdefault(record.id, (record, index, event))
        run = self._running.get(event.who)
        if run is None or run.invocation != record.parent:
            return
        run.offered = record
        if turn.done and event.data["along"]:
            applied = event.data["new"] is True or event.outcome == "unknown"
            run.committed = event if applied else run.committed

    def _loaded(self, index: int, event: Event) -> None:
        self.logged = True
        flow = self._touch(event.name, event.who)
        if event.outcome != "ok":
            return
        flow.loads.append(Turn(index, event, True))
        self.loaders[event.who] = None
        if self._maybe:
            for each in event.data["ids"]:
                if each in self._maybe:
                    record, _, appended = self._maybe.pop(each)
                    self._record(record, index, appended)

    def _told(self, index: int, event: Event) -> None:
        if event.outcome != "ok":
            return
        data = event.data
        told = (
            Told(index, event.who, data["criteria"], data["rows"])
            if event.kind == "facts"
            else Told(index, event.who, data["input"], [data["output"]], data["variant"])
        )
        self.told.setdefault(event.name, []).append(told)

    def _claimed(self, index: int, event: Event) -> None:
        firing: Firing = event.data["firing"]
        key = key_of(firing.sync, firing.matched_ids)
        turn = self._turn(index, event)
        self._firing(key).claims.append(turn)
        self._by_firing_id[firing.id] = key
        self._touch(firing.flow, event.who)
        for invocation in firing.invocations:
            self.invocations.setdefault(invocation.id, invocation)

    def _sent(self, index: int, event: Event) -> None:
        by_key: dict[Key, list[Invocation]] = {}
        turn = self._turn(index, event)
        for invocation in event.data["invocations"]:
            self._learn(invocation, turn)
            by_key.setdefault(key_of(invocation.sync, invocation.matched_ids), []).append(invocation)
            self._touch(invocation.flow, event.who)
        for key, invocations in by_key.items():
            sending = Sending(index, event, tuple(invocations))
            self._firing(key).sent.append(sending)
            for invocation in invocations:
                self.sends.setdefault(invocation.id, []).append(sending)

    # ---- pieces

    def _done(self, event: Event) -> bool:
        """Whether it happened: for one that got no answer, the last service call of its caller that changes anything
        says so, or an earlier one that got no answer either."""
        if event.outcome != "unknown":
            return event.outcome == "ok"
        calls = (self._change.get(event.who), self._unheard.get(event.who))
        began = event.data.get("began", 0.0)
        return any(call is not None and bool(call.data.get("applied")) and call.at >= began for call in calls)

    def _compare(self, event: Event) -> None:
        """What a port said, with what the last service call for it said."""
        call = self._sdk.get(event.who)
        if call is None or call.at < event.data["began"]:
            return
        if event.outcome == "failed" and call.outcome == "unknown" and call.data.get("applied"):
            self.denied.append((event, call))
        failed = call.outcome != "ok" or call.data.get("status", 0) >= 400
        if event.outcome == "ok" and failed and call.data.get("error") not in _CONDITIONS:
            self.claimed_done.append((event, call))

    def _turn(self, index: int, event: Event) -> Turn:
        return Turn(index, event, event.outcome == "ok" or self._done(event))

    def _firing(self, key: Key) -> FiringStory:
        firing = self.firings.get(key)
        if firing is None:
            firing = self.firings[key] = FiringStory(key)
        return firing

    def _touch(self, flow: str, who: str) -> FlowStory:
        story = self.flows.get(flow)
        if story is None:
            story = self.flows[flow] = FlowStory(flow)
        if who not in story.whos:
            story.whos[who] = None
            self.flows_of.setdefault(who, {})[flow] = None
        return story

    def _learn(self, invocation: Invocation, turn: Turn) -> None:
        known = self.invocations.setdefault(invocation.id, invocation)
        if known is not invocation and not _same(known, invocation):
            self.changed.setdefault(invocation.id, (invocation, turn))

    def _record(self, completion: Completion, index: int, event: Event) -> None:
        completions = self.flows[completion.flow].completions
        if completion.id not in completions:
            unheard = self._unheard.get(event.who)
            began = event.data.get("began", event.at)
            early_at = began if unheard is not None and began <= unheard.at else None
            recorded = completions[completion.id] = Recorded(completion, index, event.at, event.who, early_at)
            self.completed.setdefault(completion.parent or "", []).append(recorded)

    def _settle_the_unsure(self) -> None:
        """An append without an answer counts where anything shows later that it was applied. Where no log is
        used, what was published counts, or else what the actions returned."""
        for record, index, event in self._maybe.values():
            if any(turn.done for turn in self.appends[record.id]):
                self._record(record, index, event)
        if self.logged:
            return
        for turns in self.published.values():
            self._record(turns[0].event.data["record"], turns[0].index, turns[0].event)
        if not self.published:
            for runs in self.runs.values():
                run = next((each for each in runs if each.ended and each.ended.outcome == "ok"), None)
                if run is not None and run.ended is not None:
                    self._record(_completion_of(run.event, run.ended), run.index, run.ended)

    def _file_firings(self) -> None:
        flow_of = {each: flow for flow in self.flows.values() for each in flow.completions}
        for firing in self.firings.values():
            flow = next((flow_of[each] for each in firing.key[1] if each in flow_of), None)
            if flow is not None:
                flow.firings.append(firing)


def _same(left: Invocation, right: Invocation) -> bool:
    return left.concept == right.concept and left.action == right.action and left.input == right.input


def _completion_of(started: Event, returned: Event) -> Completion:
    data = started.data
    return Completion(
        id=completion_id(data["invocation"]),
        concept=data["concept"],
        action=data["action"],
        input=data["input"],
        variant=returned.data["variant"],
        output=returned.data["output"],
        flow=data["flow"],
        timestamp="",
        parent=data["invocation"],
    )
