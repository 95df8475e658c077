"""Each recorded port is the port, and writes what happened: done, surely not done, or perhaps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from clef_runtime.action_log.memory import MemoryActionLog
from clef_runtime.concept import Catalogue, Concept, Tools
from clef_runtime.errors import Conflict, Indeterminate
from clef_runtime.guard.memory import MemoryFiringGuard
from clef_runtime.model import Completion, Firing, Invocation, Outcome, Record, SyncEdge, complete, ok
from clef_runtime.storage.base import Write
from clef_runtime.storage.memory import MemoryStorage
from clef_sim.history import Event, History
from clef_sim.recorded import (
    RecordedActionLog,
    RecordedDispatcher,
    RecordedFacts,
    RecordedGuard,
    RecordedPublisher,
    RecordedStorage,
    recorded_catalogue,
)


class Killed(BaseException):
    """As the kernel's: not an Exception."""


class Place:
    who = "web#1:1"

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class WallClock:
    def __init__(self, place: Place) -> None:
        self._place = place
        self.sleep = place.sleep
        self.monotonic = place.monotonic

    def now(self) -> float:
        return self._place.now


class Ids:
    def new(self) -> str:
        return "id"


INVOCATION = Invocation(
    id="i1", concept="urn:clef/Mail", action="send", input={"to": "ann"}, flow="f1", timestamp="t", sync="Greet"
)
COMPLETION = complete(INVOCATION, ok(), "t")
FIRING = Firing(id="x", sync="Greet", flow="f1", matched_ids=("c1",), invocations=(INVOCATION,))


@pytest.fixture
def history() -> History:
    return History(Place())


def last(history: History) -> Event:
    return list(history)[-1]


def failing(error: BaseException) -> Callable[..., Any]:
    def fail(*_: Any, **__: Any) -> Any:
        raise error

    return fail


def test_recorded_storage_writes_are_recorded_and_reads_are_not(history: History) -> None:
    storage = RecordedStorage(MemoryStorage(), history, "urn:clef/User")
    storage.put("user", "u1", {"name": "ann"})
    assert storage.get("user", "u1") == {"name": "ann"}
    assert storage.find("user") == [{"name": "ann", "__key": "u1"}]
    assert storage.get_versioned("user", "u1")[0] == {"name": "ann"}
    assert storage.delete_many("user", {"name": "ann"}) == 1
    storage.delete("user", "u1")
    assert [(each.kind, each.name, each.outcome, each.data["op"]) for each in history] == [
        ("stored", "urn:clef/User", "ok", "put"),
        ("stored", "urn:clef/User", "ok", "delete"),
        ("stored", "urn:clef/User", "ok", "delete"),
    ]
    assert [each.data.get("count") for each in history] == [None, 1, None]
    assert storage.transactional is MemoryStorage().transactional


@pytest.mark.parametrize(
    ("error", "outcome"),
    [(Conflict("no"), "failed"), (Indeterminate("?"), "unknown"), (Killed(), "unknown"), (TypeError(), "unknown")],
)
def test_recorded_call_that_raises_says_whether_it_was_done(
    history: History, error: BaseException, outcome: str
) -> None:
    log = MemoryActionLog(WallClock(Place()))
    log.append = failing(error)  # type: ignore[method-assign]
    with pytest.raises(type(error)):
        RecordedActionLog(log, history).append(COMPLETION)
    event = last(history)
    assert (event.kind, event.outcome, event.data["new"]) == ("appended", outcome, None)
    assert event.data["record"] is COMPLETION and event.data["error"] == type(error).__name__


def test_recorded_action_log_appends_loads_and_edges(history: History) -> None:
    clock = WallClock(Place())
    storage = MemoryStorage()
    log = RecordedActionLog(MemoryActionLog(clock), history)
    recorded = RecordedStorage(storage, history, "urn:clef/User")
    assert recorded.get_versioned("user", "u1") == (None, 0)
    along = recorded.stage([Write("user", "u1", {"name": "ann"})])
    assert log.append(COMPLETION, along) is True
    assert log.append(COMPLETION) is False
    assert log.append(INVOCATION) is True
    assert log.load_flow("f1").completions == [COMPLETION]
    log.add_sync_edge(SyncEdge(sync="Greet", matched_ids=("c1",), invocation_ids=("i1",), flow="f1"))
    assert log.has_sync_edge("Greet", ["c1"], "f1") and log.for_match("Greet", ["c1"], "f1") is not None
    assert len(list(log.scan())) == 2 and log.get("f1", COMPLETION.id) == COMPLETION
    staged, *events = history
    assert (staged.kind, staged.name) == ("staged", "urn:clef/User")
    assert [row[:3] for row in staged.data["reads"]] == [("user", "u1", 0)]
    assert staged.data["writes"] == (("user", "u1", False),)
    assert [each.kind for each in events] == ["appended", "appended", "appended", "loaded", "edge"]
    assert [(each.name, each.data["new"], each.data["along"]) for each in events[:3]] == [
        ("completion", True, 1),
        ("completion", False, 0),
        ("invocation", True, 0),
    ]
    assert events[3].name == "f1" and events[3].data["ids"] == (COMPLETION.id,)
    assert events[4].data["invocations"] == ("i1",)


def test_recorded_guard_says_who_won_under_which_number(history: History) -> None:
    guard = RecordedGuard(MemoryFiringGuard(WallClock(Place())), history)
    assert guard.try_acquire(iter(["c1"]), "Greet")
    claim = guard.claim(FIRING, owner="a", lease_s=1.0)
    assert guard.claim(FIRING, owner="b", lease_s=1.0).state == "held"
    guard.mark_fired(claim)
    acquire, won, held, fired = history
    assert (acquire.data["matched"], acquire.data["won"]) == (("c1",), True)
    assert (won.data["state"], won.data["owner"], won.data["fencing"]) == ("won", "a", 1)
    assert (held.data["state"], held.data["owner"]) == ("held", "a")
    assert (fired.name, fired.data["firing_id"], fired.data["fencing"]) == ("Greet", "x", 1)


def test_recorded_claim_without_an_answer_keeps_what_was_proposed(history: History) -> None:
    guard = MemoryFiringGuard(WallClock(Place()))
    guard.claim = failing(Killed())  # type: ignore[method-assign]
    with pytest.raises(Killed):
        RecordedGuard(guard, history).claim(FIRING, owner="a", lease_s=1.0)
    event = last(history)
    assert (event.outcome, event.data["state"], event.data["owner"]) == ("unknown", None, "a")
    assert event.data["firing"] is FIRING


def test_recorded_transport_names_what_was_sent(history: History) -> None:
    class Queue:
        def send(self, invocations: object) -> list[Completion]:
            return [COMPLETION]

        def publish(self, completion: Completion) -> None:
            raise Indeterminate("?")

    assert RecordedDispatcher(Queue(), history).send([INVOCATION]) == [COMPLETION]
    assert (last(history).name, last(history).data["invocations"]) == ("Queue", (INVOCATION,))
    with pytest.raises(Indeterminate):
        RecordedPublisher(Queue(), history).publish(COMPLETION)
    assert (last(history).kind, last(history).outcome) == ("published", "unknown")


def test_recorded_facts_keep_question_and_answer(history: History) -> None:
    class Facts:
        def query(self, concept: str, criteria: Record) -> list[Record]:
            return [{"__key": "u1"}]

        def ask(self, concept: str, action: str, input: Record) -> Outcome:
            return ok(n=1)

    facts = RecordedFacts(Facts(), history)
    facts.query("urn:clef/User", {"name": "ann"})
    facts.ask("urn:clef/User", "count", {})
    query, ask = history
    assert (query.kind, query.data["criteria"], query.data["rows"]) == ("facts", {"name": "ann"}, [{"__key": "u1"}])
    assert (ask.kind, ask.name, ask.data["variant"], ask.data["output"]) == (
        "asked",
        "urn:clef/User/count",
        "ok",
        {"n": 1},
    )


def catalogue_of(place: Place, action: Callable[[Record, Tools], Outcome]) -> tuple[Catalogue, History, Tools]:
    concept = Concept("Mail", facts="mails")
    concept.actions["send"] = action
    concept.reading.add("send")
    history, clock = History(place), WallClock(place)
    wrapped = recorded_catalogue(Catalogue([concept]), history, clock, lambda urn, action: 0.25)
    return wrapped, history, Tools(MemoryStorage(), clock, Ids(), INVOCATION)


def test_recorded_catalogue_actions_take_their_time_and_are_recorded() -> None:
    place = Place()
    wrapped, history, tools = catalogue_of(place, lambda input, tools: ok(seen=input["to"]))
    concept = wrapped.get("urn:clef/Mail")
    assert (concept.facts, concept.reading) == ("mails", {"send"})
    assert concept.actions["send"]({"to": "ann"}, tools) == ok(seen="ann")
    started, returned = history
    assert (started.at, started.name, started.data["sync"]) == (0.0, "urn:clef/Mail/send", "Greet")
    assert (returned.at, returned.outcome, returned.data["variant"]) == (0.25, "ok", "ok")
    assert started.data["invocation"] == returned.data["invocation"] == "i1"


def test_recorded_catalogue_action_that_is_asked_is_no_invocation() -> None:
    place = Place()
    wrapped, history, tools = catalogue_of(place, lambda input, tools: ok())
    wrapped.get("urn:clef/Mail").actions["send"]({}, Tools(tools.storage, tools.clock, tools.ids))
    assert list(history) == [] and place.now == 0.25


@pytest.mark.parametrize(
    ("error", "outcome"), [(Killed(), "unknown"), (Indeterminate("?"), "unknown"), (Conflict("no"), "failed")]
)
def test_recorded_catalogue_action_that_raises_is_recorded_and_raises(error: BaseException, outcome: str) -> None:
    wrapped, history, tools = catalogue_of(Place(), failing(error))
    with pytest.raises(type(error)):
        wrapped.get("urn:clef/Mail").actions["send"]({}, tools)
    event = last(history)
    assert (event.kind, event.outcome, event.data["variant"]) == ("returned", outcome, None)
