"""Transactions, and the documents they hold."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from google.api_core import exceptions

from clef_sim.services.google import refusal

IDLE_S, LONGEST_S = 60.0, 270.0
"""A transaction runs out after so long without a call, and so long after its beginning: Firestore's quotas."""


class Transaction:
    """A running transaction. Times in epoch seconds."""

    __slots__ = ("began_at", "documents", "id", "used_at")

    def __init__(self, id_: bytes, now: float) -> None:
        self.id = id_
        self.began_at = self.used_at = now
        self.documents: dict[str, None] = {}


class Locks:
    """Who has read what. Readers do not keep each other out, nor do those who wait to write keep out readers."""

    def __init__(self, clock_now: Callable[[], float]) -> None:
        self._now = clock_now
        self._number = 0
        self._running: dict[bytes, Transaction] = {}
        self._readers: dict[str, dict[bytes, Transaction]] = {}

    def begin(self, id_: bytes = b"") -> Transaction:
        """Under the id that a service gave it, or one of its own."""
        self._number += 1
        transaction = Transaction(id_ or f"transaction-{self._number}".encode(), self._now())
        self._running[transaction.id] = transaction
        return transaction

    def find(self, id_: bytes) -> Transaction | None:
        """The transaction, None where it has ended."""
        found = self._running.get(id_)
        if found is not None and self._ran_out(found):
            self.end(found)
            return None
        return found

    def get(self, id_: bytes) -> Transaction:
        """As `find`; the transaction is in use now.

        Raises:
            InvalidArgument: it has ended.
        """
        found = self.find(id_)
        if found is None:
            raise refusal(exceptions.InvalidArgument, "Transaction is invalid or closed.")
        found.used_at = self._now()
        return found

    def hold(self, transaction: Transaction, names: Iterable[str]) -> None:
        for name in names:
            transaction.documents[name] = None
            self._readers.setdefault(name, {})[transaction.id] = transaction

    def held_by_others(self, transaction: Transaction | None, names: Iterable[str]) -> bool:
        if not self._readers:
            return False
        for name in names:
            for other in list(self._readers.get(name, {}).values()):
                if other is transaction:
                    continue
                if not self._ran_out(other):
                    return True
                self.end(other)
        return False

    def end(self, transaction: Transaction) -> None:
        self._running.pop(transaction.id, None)
        for name in transaction.documents:
            readers = self._readers[name]
            del readers[transaction.id]
            if not readers:
                del self._readers[name]
        transaction.documents.clear()

    def _ran_out(self, transaction: Transaction) -> bool:
        now = self._now()
        return now - transaction.used_at > IDLE_S or now - transaction.began_at > LONGEST_S
