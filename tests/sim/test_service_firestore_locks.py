"""Firestore's pessimistic transactions in virtual time, and the calls of the network around them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from google.api_core import exceptions

from clef_runtime.errors import ClefError, Throttled
from clef_runtime.firestore import Change, Documents, _Attempt
from clef_runtime.google import ONCE
from clef_runtime.guard.firestore import FirestoreFiringGuard
from clef_runtime.retry import NO_RETRY
from clef_sim.history import History
from clef_sim.kernel.choices import Seeded
from clef_sim.kernel.clock import SimClock
from clef_sim.kernel.instance import Instance
from clef_sim.kernel.threads import Kernel
from clef_sim.network import Action, Call, Kind, Network
from clef_sim.profiles import profile
from clef_sim.services.firestore import Firestore, sdk_client


class World:
    """A database, and threads that use it; `ended` says what each came to, and when."""

    def __init__(self) -> None:
        self.kernel = Kernel()
        self.clock = SimClock(self.kernel)
        self.firestore = Firestore(self.clock.now, self.kernel)
        self.client = sdk_client(self.firestore)
        self.document = self.client.document("c/d")
        self.ended: dict[str, tuple[Any, float]] = {}
        self.instance = Instance("f-1")

    def spawn(self, name: str, work: Callable[[], Any], at_s: float = 0.0) -> None:
        def run() -> None:
            try:
                how = work()
            except (exceptions.GoogleAPICallError, ClefError) as error:
                how = type(error).__name__
            self.ended[name] = (how, round(self.kernel.now, 3))

        self.kernel.spawn(run, who=name, instance=self.instance, delay_s=at_s)

    def transaction(self) -> _Attempt:
        attempt = _Attempt(self.client, max_attempts=1)
        attempt.begin()
        return attempt

    def read_then_set(self, value: int, hold_s: float = 0.0) -> str:
        attempt = self.transaction()
        self.document.get(transaction=attempt, **ONCE)
        self.kernel.sleep(hold_s)
        attempt.set(self.document, {"n": value})
        attempt.commit()
        return "done"

    def value(self) -> Any:
        return self.document.get(**ONCE).to_dict()


def test_firestore_two_that_have_both_read_have_one_winner_after_the_lock_wait() -> None:
    world = World()
    world.spawn("a", lambda: world.read_then_set(1, hold_s=1.0))
    world.spawn("b", lambda: world.read_then_set(2, hold_s=1.5))
    world.kernel.run()
    assert world.ended == {"a": ("Aborted", 3.0), "b": ("done", 3.0)}
    assert world.value() == {"n": 2}


def test_firestore_plain_write_waits_for_a_reader_and_goes_on_when_it_ends() -> None:
    world = World()
    world.spawn("reader", lambda: world.read_then_set(1, hold_s=1.5))
    world.spawn("writer", lambda: world.document.set({"n": 2}, **ONCE) and "done", at_s=0.5)
    world.spawn("plain reader", world.value, at_s=0.7)
    world.kernel.run()
    # The reader's own commit does not wait for a writer that holds nothing.
    assert world.ended == {"reader": ("done", 1.5), "writer": ("done", 1.5), "plain reader": (None, 0.7)}
    assert world.value() == {"n": 2}


def test_firestore_precondition_is_looked_at_after_the_wait() -> None:
    world = World()
    world.spawn("reader", lambda: world.read_then_set(1, hold_s=1.0))
    world.spawn("creator", lambda: world.document.create({"n": 2}, **ONCE), at_s=0.5)
    world.kernel.run()
    assert world.ended["creator"] == ("AlreadyExists", 1.0)


def test_firestore_abandoned_transaction_holds_its_documents_for_a_minute() -> None:
    world = World()
    world.spawn("abandons", lambda: bool(world.document.get(transaction=world.transaction(), **ONCE)))
    world.spawn("early", lambda: world.document.set({"n": 1}, **ONCE), at_s=50.0)
    world.spawn("late", lambda: world.document.set({"n": 2}, **ONCE) and "done", at_s=61.0)
    world.kernel.run()
    assert world.ended["early"] == ("Aborted", 52.0)
    assert world.ended["late"] == ("done", 61.0)


def test_firestore_ended_transaction_is_refused_and_rollback_of_it_does_nothing() -> None:
    world = World()
    attempt = world.transaction()
    world.document.get(transaction=attempt, **ONCE)
    attempt.rollback()
    attempt.rollback()
    attempt.set(world.document, {"n": 1})
    with pytest.raises(exceptions.InvalidArgument, match="invalid or closed"):
        attempt.commit()
    assert world.value() is None


def test_firestore_readers_do_not_wait_for_each_other_nor_for_waiting_writers() -> None:
    world = World()
    world.spawn("first", lambda: world.read_then_set(1, hold_s=1.0))
    world.spawn("writer", lambda: world.document.set({"n": 2}, **ONCE), at_s=0.1)
    world.spawn("second", lambda: bool(world.document.get(transaction=world.transaction(), **ONCE)), at_s=0.2)
    world.kernel.run()
    assert world.ended["second"][1] == 0.2
    assert world.ended["writer"] == ("Aborted", 2.1)
    assert world.ended["first"] == ("Aborted", 3.0)  # the second has read, and never ends


def test_firestore_write_whose_caller_dies_while_it_waits_is_made() -> None:
    world = World()
    world.spawn("reader", lambda: world.read_then_set(1, hold_s=1.0))
    writer = world.kernel.spawn(lambda: world.document.set({"n": 2}, **ONCE), who="writer", delay_s=0.5)
    world.kernel.call_later(0.7, writer.kill)
    world.kernel.run()
    assert world.value() == {"n": 2}


@pytest.mark.parametrize("contenders", [2, 4, 16])
def test_firestore_guard_by_transaction_has_one_winner_at_most_and_claims_are_at_once(contenders: int) -> None:
    world = World()
    guard = FirestoreFiringGuard(world.client, "guard", world.clock)
    for number in range(contenders):
        world.spawn(f"{number}", lambda: guard.try_acquire(["c1"], "Sync"))
    world.kernel.run()
    outcomes = [how for how, _ in world.ended.values()]
    assert outcomes.count(True) == 1
    assert set(outcomes) <= {True, False, "Throttled"}


# ---- through the network


class Struck:
    """Strikes one call in one way."""

    def __init__(self, operation: str, place: str, kind: Kind) -> None:
        self.operation, self.place, self.kind = operation, place, kind

    def watches(self, service: str, operation: str) -> bool:
        return (service, operation) == ("firestore", self.operation)

    def _at(self, place: str, call: Call) -> Action | None:
        return Action("planned", self.kind) if (place, call.number) == (self.place, 1) else None

    def before(self, call: Call) -> Action | None:
        return self._at("before", call)

    def at(self, call: Call) -> Action | None:
        return self._at("at", call)

    def after(self, call: Call) -> Action | None:
        return self._at("after", call)


class Networked(World):
    def __init__(self, faults: Struck | None = None) -> None:
        super().__init__()
        self.history = History(self.kernel)
        network = Network(self.kernel, Seeded(1), self.history, profile("gcp"), faults)
        self.client = sdk_client(network.client("firestore", self.firestore, self.instance))
        self.document = self.client.document("c/d")

    def calls(self) -> list[tuple[str, str, str, bool]]:
        return [(e.name, e.outcome, e.data["error"], e.data["applied"]) for e in self.history if e.kind == "sdk"]


def test_firestore_calls_take_their_time_and_leave_events() -> None:
    world = Networked()
    world.spawn("a", lambda: world.read_then_set(1))
    world.kernel.run()
    assert [name for name, *_ in world.calls()] == [
        "firestore.BeginTransaction",
        "firestore.BatchGetDocuments",
        "firestore.Commit",
    ]
    assert 0.02 < world.ended["a"][1] < 0.6


@pytest.mark.parametrize(
    ("place", "kind", "call", "done"),
    [
        ("before", "crash", ("firestore.Commit", "unknown", "Killed", False), False),
        ("at", "crash", ("firestore.Commit", "unknown", "Killed", True), True),
        ("after", "crash", ("firestore.Commit", "unknown", "Killed", True), True),
        ("at", "throttle", ("firestore.Commit", "failed", "ResourceExhausted", False), False),
        ("at", "conflict", ("firestore.Commit", "failed", "Aborted", False), False),
        ("at", "applied_then_timeout", ("firestore.Commit", "unknown", "DeadlineExceeded", True), True),
    ],
)
def test_firestore_call_is_struck_as_any_other(place: str, kind: Kind, call: Any, done: bool) -> None:
    world = Networked(Struck("Commit", place, kind))
    documents = Documents(world.client, world.clock, NO_RETRY)
    world.spawn("f", lambda: documents.commit([Change("c/d", {"n": 1}, 0)]))
    world.kernel.run()
    assert world.instance.alive == (kind != "crash")
    if kind in ("throttle", "conflict"):
        assert world.ended["f"][0] == Throttled.__name__
    if kind == "applied_then_timeout":
        assert world.ended["f"] == ("Indeterminate", 5.0)
    assert world.calls() == [call]
    assert (sdk_client(world.firestore).document("c/d").get(**ONCE).to_dict() is not None) == done
