"""A model of Firestore, Standard edition in native mode, as the five RPCs that the SDK sends.

The SDK's own client runs over it (`sdk_client`), so that what is modelled is the service and not the SDK. Commits are
atomic and their preconditions exact; reads and queries are strong. Transactions are pessimistic: a read in one
holds the document until its end, everybody else's write to it waits, and after `LOCK_WAIT_S` is aborted. Errors
are `google.api_core.exceptions`.

Left out: read-only transactions, queries in transactions, reads in the past, transforms, indexes and the delay until
they are there, the advice of one sustained write a second and document, and the 500/50/5 ramp of a new collection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from google.api_core import exceptions
from google.cloud.firestore_v1.types import firestore as messages
from google.cloud.firestore_v1.types.write import WriteResult

from clef_sim.services.firestore.documents import Documents, Times, check_name
from clef_sim.services.firestore.locks import Locks, Transaction
from clef_sim.services.firestore.queries import run
from clef_sim.services.firestore.sdk import PROJECT
from clef_sim.services.google import check_fields, refusal
from clef_sim.services.sdk import Unmodelled

LOCK_WAIT_S = 2.0
"""How long a write waits for another transaction's documents; as the emulator."""

COMMIT_BYTES = 10 * 2**20
"""The service's limit for a request."""


class Waiter(Protocol):
    """What waiting takes: `clef_sim.kernel`'s Kernel has it."""

    now: float

    def event(self) -> Any: ...

    def wait(self, event: Any) -> Any: ...

    def timer(self, delay_s: float, function: Callable[[], None]) -> Any: ...


class Firestore:
    """An in-memory database. Only a write that meets another transaction's lock blocks.

    Args:
        clock_now: epoch seconds.
        kernel: what those who wait for a lock wait with. Without one nobody else could act meanwhile, and a write
            that would have to wait is aborted at once.
        waited: told how long (seconds) a commit waited.
    """

    project = PROJECT

    def __init__(
        self,
        clock_now: Callable[[], float],
        kernel: Waiter | None = None,
        waited: Callable[[float], None] = lambda _: None,
    ) -> None:
        self._kernel, self._now, self._waited = kernel, clock_now, waited
        self._times = Times(clock_now)
        self._locks = Locks(clock_now)
        self._waiting: list[_Waiting] = []
        self.documents = Documents()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise Unmodelled(f"Firestore.{name} is not modelled")

    # ---- reads

    def batch_get_documents(self, request: Any, **options: Any) -> Iterator[Any]:
        """In a transaction, the documents are held until its end; those that do not exist as well."""
        check_fields("BatchGetDocuments", request, options, ("database", "documents", "transaction"))
        names = list(request["documents"])
        for name in names:
            check_name(name)
        if request.get("transaction"):
            self._locks.hold(self._locks.get(request["transaction"]), names)
        read_time = self._times.pb(self._times.last)
        return iter([self._got(name, read_time) for name in names])

    def _got(self, name: str, read_time: Any) -> Any:
        found = self.documents.get(name)
        kind = messages.BatchGetDocumentsResponse
        if found is None:
            return kind.wrap(kind.pb()(missing=name, read_time=read_time))
        return kind.wrap(kind.pb()(found=found, read_time=read_time))

    def run_query(self, request: Any, **options: Any) -> Iterator[Any]:
        """Equality, `in`, in the order of names, a cursor, a limit: what `queries` has."""
        check_fields("RunQuery", request, options, ("parent", "structured_query"))
        query = request["structured_query"]._pb
        kind = messages.RunQueryResponse
        read_time = self._times.pb(self._times.last)
        found = run(self.documents, request["parent"], query)
        answers = [kind.wrap(kind.pb()(document=each, read_time=read_time)) for each in found]
        return iter(answers or [kind.wrap(kind.pb()(read_time=read_time))])

    # ---- writes

    def begin_transaction(self, request: Any, **options: Any) -> Any:
        check_fields("BeginTransaction", request, options, ("database", "options"))
        mode = request.get("options")
        if mode is not None and mode._pb.WhichOneof("mode") not in (None, "read_write"):
            raise Unmodelled("BeginTransaction: a read-only transaction is not modelled")
        return messages.BeginTransactionResponse(transaction=self._locks.begin().id)

    def rollback(self, request: Any, **options: Any) -> None:
        """Does nothing where the transaction has ended."""
        check_fields("Rollback", request, options, ("database", "transaction"))
        transaction = self._locks.find(request["transaction"])
        if transaction is not None:
            self._end(transaction)

    def commit(self, request: Any, **options: Any) -> Any:
        """All writes or none. Waits while other transactions hold a document of them.

        Raises:
            AlreadyExists, NotFound, FailedPrecondition: the precondition of a write does not hold; the first's.
            Aborted: others held a document for `LOCK_WAIT_S`; the transaction, where it is one, has ended.
            InvalidArgument: the transaction has ended before, or a document is too large.
        """
        check_fields("Commit", request, options, ("database", "writes", "transaction"))
        writes = [each._pb for each in request["writes"]]
        transaction = self._locks.get(request["transaction"]) if request.get("transaction") else None
        names = [each.update.name or each.delete for each in writes]
        if not self._locks.held_by_others(transaction, names):
            return self._commit(writes, transaction)
        if self._kernel is None:
            raise self._aborted(transaction)
        waiting = _Waiting(writes, names, transaction, self._kernel.event())
        self._waiting.append(waiting)
        waiting.timer = self._kernel.timer(LOCK_WAIT_S, lambda: self._give_up(waiting))
        began_s = self._kernel.now
        try:
            return self._kernel.wait(waiting.event)
        finally:
            self._waited(self._kernel.now - began_s)

    def _commit(self, writes: Sequence[Any], transaction: Transaction | None) -> Any:
        try:
            if sum(each.ByteSize() for each in writes) > COMMIT_BYTES:
                raise refusal(exceptions.InvalidArgument, "Transaction too big. Decrease transaction size.")
            at, results = self.documents.apply(writes, self._times)
        finally:
            if transaction is not None:
                self._end(transaction)
        wrap = WriteResult.wrap
        pb = messages.CommitResponse.pb()(write_results=[wrap(each)._pb for each in results], commit_time=at)
        return messages.CommitResponse.wrap(pb)

    def _end(self, transaction: Transaction) -> None:
        """Lets go of its documents; those who waited for them go on, in the order of their coming."""
        self._locks.end(transaction)
        free = [each for each in self._waiting if not self._blocked(each)]
        for waiting in free:
            # The one before may have taken others with it.
            if waiting in self._waiting and not self._blocked(waiting):
                self._go_on(waiting)

    def _blocked(self, waiting: _Waiting) -> bool:
        return self._locks.held_by_others(waiting.transaction, waiting.names)

    def _go_on(self, waiting: _Waiting) -> None:
        self._waiting.remove(waiting)
        waiting.timer.cancel()
        try:
            answer = self._commit(waiting.writes, waiting.transaction)
        except exceptions.GoogleAPICallError as error:
            waiting.fail(error)
        else:
            waiting.event.succeed(answer)

    def _give_up(self, waiting: _Waiting) -> None:
        if not self._blocked(waiting):  # a transaction that held it has run out
            self._go_on(waiting)
            return
        self._waiting.remove(waiting)
        waiting.fail(self._aborted(waiting.transaction))

    def _aborted(self, transaction: Transaction | None) -> exceptions.Aborted:
        if transaction is not None:
            self._end(transaction)
        return refusal(exceptions.Aborted, "Transaction lock timeout.")


class _Waiting:
    """A commit that waits for documents. It goes on even where its caller has died."""

    def __init__(
        self, writes: Sequence[Any], names: Sequence[str], transaction: Transaction | None, event: Any
    ) -> None:
        self.writes, self.names, self.transaction, self.event = writes, names, transaction, event
        self.timer: Any = None

    def fail(self, error: Exception) -> None:
        self.event.fail(error)
        self.event.defused = True  # the caller may have died meanwhile
