"""Firestore's emulator in virtual time: locks, deaths, expiry, times, and an emulator that goes away."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from google.api_core import exceptions

from clef_runtime.google import ONCE
from clef_sim.emulated import firestore as emulated
from clef_sim.emulated.backends import Backend, BackendFailed
from clef_sim.emulated.firestore import EmulatedFirestore
from clef_sim.history import History
from clef_sim.kernel.clock import EPOCH_S
from clef_sim.kernel.instance import Instance
from clef_sim.kernel.threads import Kernel
from clef_sim.services.firestore import Firestore
from emulators import Running, start

pytestmark = pytest.mark.emulated


class Box:
    """A database in virtual time, and what those who use it saw."""

    def __init__(self, service: Running | None) -> None:
        self.kernel = Kernel()
        self.history = History(self.kernel)
        self.waits: list[float] = []
        self.seen: list[tuple[float, str, str]] = []
        now = lambda: EPOCH_S + self.kernel.now  # noqa: E731  a clock
        if service is None:
            self.api: Any = Firestore(now, self.kernel, self.waits.append)
        else:
            backend = Backend("firestore", service.way, service.urls["firestore"], {})
            self.api = EmulatedFirestore(backend, now, self.kernel, self.waits.append)
        self.database = f"projects/{self.api.project}/databases/(default)"

    def name(self, id_: str) -> str:
        return f"{self.database}/documents/things/{id_}"

    def begin(self) -> bytes:
        id_: bytes = self.api.begin_transaction(request={"database": self.database}, **ONCE).transaction
        return id_

    def read(self, id_: str, transaction: bytes | None = None) -> Any:
        request = {"database": self.database, "documents": [self.name(id_)]}
        if transaction:
            request["transaction"] = transaction
        (answer,) = self.api.batch_get_documents(request=request, **ONCE)
        return answer

    def value(self, id_: str) -> int | None:
        answer = self.read(id_)
        return answer._pb.found.fields["v"].integer_value if answer._pb.HasField("found") else None

    def write(self, id_: str, value: int, transaction: bytes | None = None, **condition: Any) -> Any:
        from google.cloud.firestore_v1.types.write import Write

        write = {"update": {"name": self.name(id_), "fields": {"v": {"integer_value": value}}}}
        if condition:
            write["current_document"] = condition
        request: dict[str, Any] = {"database": self.database, "writes": [Write(write)]}
        if transaction:
            request["transaction"] = transaction
        return self.api.commit(request=request, **ONCE)

    def rollback(self, transaction: bytes) -> None:
        self.api.rollback(request={"database": self.database, "transaction": transaction}, **ONCE)

    def go(self, who: str, work: Callable[[], Any], at_s: float = 0.0, instance: Instance | None = None) -> None:
        """Runs `work` in a virtual thread and notes how it ended and when."""

        def run() -> None:
            try:
                work()
                ended = "ok"
            except exceptions.GoogleAPICallError as error:
                ended = f"{type(error).__name__}: {error.message}"
            self.seen.append((round(self.kernel.now, 3), who, ended))

        self.kernel.spawn(run, who=who, delay_s=at_s, instance=instance)

    def transact(self, value: int, between_s: float) -> Callable[[], None]:
        def work() -> None:
            transaction = self.begin()
            self.read("x", transaction)
            self.kernel.sleep(between_s)
            self.write("x", value, transaction)

        return work


@pytest.fixture(params=["model", "emulator"])
def box(request: pytest.FixtureRequest) -> Box:
    """Both worlds keep to the same."""
    return Box(None if request.param == "model" else request.getfixturevalue("firestore_service"))


def test_suspended_transactions_on_one_document_have_one_winner_after_the_locks_patience(box: Box) -> None:
    box.go("a", box.transact(1, 0.5))
    box.go("b", box.transact(2, 0.75))
    box.kernel.run()
    assert sorted(box.seen) == [(2.5, "a", "Aborted: Transaction lock timeout."), (2.5, "b", "ok")]
    assert sorted(box.waits) == [pytest.approx(1.75), pytest.approx(2.0)]
    assert box.value("x") == 2


def suspended(service: Running) -> list[Any]:
    """Five transactions and two plain writes on one document, one of which lets go by itself."""
    box = Box(service)
    for number in range(4):
        box.go(f"t{number}", box.transact(number, 0.3 + 0.1 * number), 0.01 * number)
    box.go("w", lambda: box.write("x", 100), 0.2)
    box.go("v", lambda: box.write("x", 101), 1.0)
    box.kernel.run()
    return [box.seen, box.waits, box.value("x"), box.read("x").found.update_time]


@pytest.mark.slow
def test_suspended_transactions_end_the_same_each_time(firestore_service: Running) -> None:
    first = suspended(firestore_service)
    assert len(first[1]) == 6
    assert all(suspended(firestore_service) == first for _ in range(9))


def test_commit_that_waits_goes_on_at_the_instant_at_which_it_is_let(box: Box) -> None:
    def holder() -> None:
        transaction = box.begin()
        box.read("x", transaction)
        box.kernel.sleep(1.0)
        box.rollback(transaction)

    box.go("holder", holder)
    box.go("writer", lambda: box.write("x", 7), 0.25)
    box.go("reader", lambda: box.read("x"), 0.5)  # nobody else is held up
    box.kernel.run()
    assert box.seen == [(0.5, "reader", "ok"), (1.0, "holder", "ok"), (1.0, "writer", "ok")]
    assert (box.waits, box.value("x")) == ([pytest.approx(0.75)], 7)


def test_planted_commit_that_waits_on_the_worlds_own_thread_is_aborted_for_nothing(
    firestore_service: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Inline:
        def __init__(self, call: Callable[[], Any]) -> None:
            try:
                self.answer: Any = call()
            except exceptions.GoogleAPICallError as error:
                self.answer = error

        def answered(self, within_s: float) -> bool:
            return True

        def result(self) -> Any:
            if isinstance(self.answer, Exception):
                raise self.answer
            return self.answer

    monkeypatch.setattr(emulated, "OutsideCall", Inline)
    with pytest.raises(AssertionError, match="Transaction lock timeout"):
        test_commit_that_waits_goes_on_at_the_instant_at_which_it_is_let(Box(firestore_service))


def test_commit_of_a_killed_instance_is_made_once_the_document_is_free(box: Box) -> None:
    instance = Instance("victim")

    def holder() -> None:
        transaction = box.begin()
        box.read("x", transaction)
        box.kernel.sleep(1.0)
        box.rollback(transaction)

    box.go("holder", holder)
    box.go("victim", lambda: box.write("x", 9), 0.25, instance)
    box.kernel.call_later(0.5, lambda: instance.kill("planned"))
    box.kernel.run()
    assert box.seen == [(1.0, "holder", "ok")]
    assert box.value("x") == 9


def test_transaction_of_a_killed_instance_holds_others_up_until_it_runs_out(box: Box) -> None:
    instance = Instance("victim")
    box.go("victim", box.transact(1, 5.0), 0.0, instance)
    box.kernel.call_later(1.0, lambda: instance.kill("planned"))
    box.go("early", lambda: box.write("x", 2), 30.0)
    box.go("late", lambda: box.write("x", 3), 61.0)
    box.kernel.run()
    assert box.seen == [(32.0, "early", "Aborted: Transaction lock timeout."), (61.0, "late", "ok")]
    assert box.value("x") == 3


def test_commit_that_the_emulator_lets_pass_is_over_at_once(firestore_service: Running) -> None:
    """What it says counts, not what the world expects of it."""
    box = Box(firestore_service)

    def work() -> None:
        transaction = box.begin()
        box.read("x", transaction)
        request = {"database": box.database, "transaction": transaction}
        box.api._api.rollback(request=request, **ONCE)  # the world does not see this
        box.write("x", 5)

    box.go("writer", work)
    box.kernel.run()
    assert (box.seen, box.waits, box.value("x")) == ([(0.0, "writer", "ok")], [], 5)


def test_times_are_virtual_and_hold_as_preconditions(box: Box) -> None:
    found = []

    def work() -> None:
        box.kernel.sleep(1.0)
        made = box.write("x", 1).write_results[0].update_time
        box.kernel.sleep(1.0)
        assert box.write("x", 1).write_results[0].update_time == made  # it changed nothing
        box.write("x", 2, update_time=made)
        found.append((box.read("x").found.update_time, box.read("x").read_time, box.read("x").found.create_time))
        box.write("x", 3, update_time=made)

    box.go("writer", work)
    box.kernel.run()
    ((updated, read, created),) = found
    micros = int(EPOCH_S) * 10**6
    assert (created.timestamp(), updated.timestamp()) == (EPOCH_S + 1.0, pytest.approx(EPOCH_S + 2.0, abs=1e-5))
    assert read == updated
    words = (
        f"the stored version ({micros + 2_000_001}) does not match the required base version ({micros + 1_000_000})"
    )
    assert box.seen == [(2.0, "writer", f"FailedPrecondition: {words}")]


def test_errors_hold_no_name_that_another_run_does_not_have(firestore_service: Running) -> None:
    box = Box(firestore_service)
    box.write("x", 1)
    with pytest.raises(exceptions.AlreadyExists) as raised:
        box.write("x", 2, exists=False)
    assert box.api.project not in str(raised.value)
    assert "sim" in str(raised.value)


def test_emulator_that_is_killed_ends_the_run_and_says_who_it_was() -> None:
    fleet = start(["firestore"], environ={})
    try:
        box = Box(fleet["firestore"])
        box.go("one", lambda: box.write("x", 1))
        box.go("two", lambda: box.write("x", 2), 2.0)
        box.kernel.call_later(1.0, fleet.stop)
        begun_s = time.monotonic()
        with pytest.raises(BackendFailed, match=r"firestore \(.*\) at 127.*stopped answering: ServiceUnavailable"):
            box.kernel.run()
        assert box.seen == [(0.0, "one", "ok")]
        assert time.monotonic() - begun_s < 30
    finally:
        fleet.stop()
