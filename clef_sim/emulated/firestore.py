"""Firestore's emulator in virtual time, in the place of the model: see `services.firestore.client`.

Every call is a real one, over at the virtual instant at which a model would apply it. Two things keep the wall clock
out of the run. Documents' times are shown as virtual ones, and turned back where they come as a precondition. And a
commit that has to wait for another transaction's documents is made on an OS thread (`waiting`): which one has to is
known from who has read what, as in the model. Its answer, whatever it is, is taken when the documents are free, or
when the emulator's own patience has passed in virtual time; so the order of answers does not hang on the machine.
Only where the virtual world takes longer than that patience for fewer virtual seconds does the emulator abort a call
that would have got through.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from google.api_core import exceptions
from google.cloud.firestore_v1.services.firestore import FirestoreClient
from google.cloud.firestore_v1.services.firestore.transports import FirestoreGrpcTransport
from google.cloud.firestore_v1.types.write import Write

from clef_sim.emulated.backends import Backend
from clef_sim.emulated.google import REAL, Project, channel
from clef_sim.emulated.waiting import OutsideCall
from clef_sim.kernel.threads import Kernel
from clef_sim.services.firestore.client import LOCK_WAIT_S
from clef_sim.services.firestore.documents import Times
from clef_sim.services.firestore.locks import Locks, Transaction
from clef_sim.services.sdk import Unmodelled

GRACE_S = 0.2
"""Real seconds for a commit that should have to wait to be answered all the same. It also keeps apart those that wait
for each other: where the emulator gives up on one, the next must still have the patience to see it (0.03 did not
suffice on a busy machine: then both were aborted)."""


class EmulatedFirestore:
    """The run's own database. Only a commit that meets another transaction's lock blocks.

    Args:
        clock_now: epoch seconds, virtual.
        waited: told how long (virtual seconds) a commit waited.

    Raises (from every method):
        BackendFailed: the emulator does not answer; it ends the run.
    """

    def __init__(
        self, backend: Backend, clock_now: Callable[[], float], kernel: Kernel, waited: Callable[[float], None]
    ) -> None:
        self._api = FirestoreClient(transport=FirestoreGrpcTransport(channel=channel(backend.url)))
        self._project = Project(backend, kernel)
        self._kernel, self._waited = kernel, waited
        self._times = _ShownTimes(clock_now)
        self._locks = _Locks(clock_now, self._run_out)
        self._waiting: list[_Waiting] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise Unmodelled(f"Firestore.{name} is in neither world")

    @property
    def project(self) -> str:
        """For the SDK's client."""
        return self._project.id

    # ---- reads

    def batch_get_documents(self, request: Any, **options: Any) -> Iterator[Any]:
        id_ = request.get("transaction")
        if id_:
            self._locks.find(id_)  # one that has run out ends now
        answers = self._call(lambda: list(self._api.batch_get_documents(request=request, **{**options, **REAL})))
        if id_:
            self._locks.hold(self._locks.get(id_), list(request["documents"]))
        return self._shown(answers, "found")

    def run_query(self, request: Any, **options: Any) -> Iterator[Any]:
        answers = self._call(lambda: list(self._api.run_query(request=request, **{**options, **REAL})))
        return self._shown(answers, "document")

    def _shown(self, answers: Sequence[Any], field: str) -> Iterator[Any]:
        for each in answers:
            self._times.show_read(each._pb, field)
        return iter(answers)

    # ---- writes

    def begin_transaction(self, request: Any, **options: Any) -> Any:
        answer = self._call(lambda: self._api.begin_transaction(request=request, **{**options, **REAL}))
        self._locks.begin(answer.transaction)
        return answer

    def rollback(self, request: Any, **options: Any) -> None:
        self._call(lambda: self._api.rollback(request=request, **{**options, **REAL}))
        self._end(self._locks.find(request["transaction"]))

    def commit(self, request: Any, **options: Any) -> Any:
        """As the model's; what the preconditions say and who is aborted is the emulator's word."""
        transaction = self._locks.find(request["transaction"]) if request.get("transaction") else None
        writes = [each._pb for each in request["writes"]]
        names = [each.update.name or each.delete for each in writes]
        real = {**request, "writes": [self._times.asked(each) for each in writes]}
        send = partial(self._api.commit, request=real, **{**options, **REAL})
        if not self._locks.held_by_others(transaction, names):
            return self._commit(send, transaction)
        call = OutsideCall(send)
        if call.answered(GRACE_S):
            return self._commit(call.result, transaction)
        return self._wait(_Waiting(call, names, transaction, self._kernel.event()))

    def _commit(self, send: Callable[[], Any], transaction: Transaction | None) -> Any:
        micros = self._times.next()
        try:
            answer = self._call(send)
        except exceptions.GoogleAPICallError:
            self._end(transaction)
            raise
        self._times.show_commit(answer._pb, micros)
        self._end(transaction)
        return answer

    def _wait(self, waiting: _Waiting) -> Any:
        self._waiting.append(waiting)
        waiting.timer = self._kernel.timer(LOCK_WAIT_S, lambda: self._give_up(waiting))
        began_s = self._kernel.now
        try:
            return self._kernel.wait(waiting.event)
        finally:
            self._waited(self._kernel.now - began_s)

    def _give_up(self, waiting: _Waiting) -> None:
        self._blocked(waiting)  # those that have run out let go now
        self._settle(waiting)

    def _settle(self, waiting: _Waiting) -> None:
        """Takes its answer, whether or not its caller still lives."""
        self._waiting.remove(waiting)
        waiting.timer.cancel()
        try:
            answer = self._commit(waiting.call.result, waiting.transaction)
        except exceptions.GoogleAPICallError as error:
            waiting.event.fail(error)
            waiting.event.defused = True  # the caller may have died meanwhile
        else:
            waiting.event.succeed(answer)

    def _end(self, transaction: Transaction | None) -> None:
        """It has let go of its documents; those who waited for them go on, in the order of their coming."""
        if transaction is None:
            return
        self._locks.end(transaction)
        free = [each for each in self._waiting if not self._blocked(each)]
        for waiting in free:
            # The one before may have taken others with it.
            if waiting in self._waiting and not self._blocked(waiting):
                self._settle(waiting)

    def _blocked(self, waiting: _Waiting) -> bool:
        return self._locks.held_by_others(waiting.transaction, waiting.names)

    def _run_out(self, transaction: Transaction) -> None:
        """Time passes for the emulator as well."""
        database = f"projects/{self.project}/databases/(default)"
        self._call(lambda: self._api.rollback(request={"database": database, "transaction": transaction.id}, **REAL))

    def _call(self, method: Callable[[], Any]) -> Any:
        return self._project.call(method, self._times.shown)


class _Waiting:
    """A commit that waits for documents. It goes on even where its caller has died."""

    def __init__(self, call: OutsideCall, names: Sequence[str], transaction: Transaction | None, event: Any) -> None:
        self.call, self.names, self.transaction, self.event = call, names, transaction, event
        self.timer: Any = None


class _Locks(Locks):
    """As the model's, telling of transactions that have run out."""

    def __init__(self, clock_now: Callable[[], float], run_out: Callable[[Transaction], None]) -> None:
        super().__init__(clock_now)
        self._run_out = run_out

    def end(self, transaction: Transaction) -> None:
        if self._ran_out(transaction):
            self._run_out(transaction)
        super().end(transaction)


class _ShownTimes:
    """Virtual times for the emulator's own, both in microseconds. What a document was is told by its time of change,
    so each of the emulator's has one.

    Attributes:
        shown: the virtual for the real.
    """

    def __init__(self, clock_now: Callable[[], float]) -> None:
        self._times = Times(clock_now)
        self.shown: dict[int, int] = {}
        self._real: dict[int, int] = {}

    def next(self) -> int:
        """The time of a commit that begins."""
        return self._times.next()

    def _show(self, at: Any, micros: int | None = None) -> None:
        real = at.ToMicroseconds()
        shown = self.shown.get(real)
        if shown is None:
            shown = self.shown[real] = self._times.next() if micros is None else micros
            self._real[shown] = real
        at.FromMicroseconds(shown)

    def show_commit(self, answer: Any, micros: int) -> None:
        """A write that changed nothing has its document's earlier time."""
        for result in answer.write_results:
            if result.HasField("update_time"):
                self._show(result.update_time, micros)
        answer.commit_time.FromMicroseconds(micros)

    def show_read(self, answer: Any, field: str) -> None:
        if answer.HasField(field):
            document = getattr(answer, field)
            self._show(document.create_time)
            self._show(document.update_time)
        answer.read_time.FromMicroseconds(self._times.last)

    def asked(self, write: Any) -> Any:
        """A write as the emulator must have it; the one given stays as it is."""
        if write.current_document.WhichOneof("condition_type") != "update_time":
            return Write.wrap(write)
        real = Write.pb()()
        real.CopyFrom(write)
        micros = real.current_document.update_time.ToMicroseconds()
        real.current_document.update_time.FromMicroseconds(self._real.get(micros, micros))
        return Write.wrap(real)
