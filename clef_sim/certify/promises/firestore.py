"""Firestore: a precondition decides, a transaction commits only on what it has read, a read sees what was written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from google.api_core import exceptions

from clef_sim.certify.evidence import Seen

_Version = tuple[int, int] | None
"""An update time; None: there is no document."""

_REFUSALS = (exceptions.AlreadyExists, exceptions.FailedPrecondition, exceptions.NotFound)


def broken(calls: Sequence[Seen]) -> str:
    """See `promises.Judge`."""
    documents = _Documents(calls)
    for number, call in enumerate(calls):
        words = documents.see(number, call)
        if words:
            return words
    return ""


class _Documents:
    """`None` of `_versions` is no document; a name that is in `_unknown` is not judged."""

    def __init__(self, calls: Sequence[Seen]) -> None:
        self._versions: dict[str, _Version] = {}
        self._unknown: set[str] = set()
        self._read: dict[bytes, dict[str, _Version]] = {}
        # A commit that waited inside the service took effect somewhere between its call and its answer.
        self._waited: dict[int, list[str]] = {}
        for number, call in enumerate(calls):
            if call.operation == "Commit" and call.began != number:
                self._waited.setdefault(call.began, []).extend(_name(each) for each in _writes(call))

    def see(self, number: int, call: Seen) -> str:
        self._unknown.update(self._waited.get(number, ()))
        if call.operation == "Commit":
            return self._commit(number, call)
        if call.operation == "BatchGetDocuments" and call.error is None:
            return self._get(call)
        return ""

    def _get(self, call: Seen) -> str:
        transaction = call.request["request"].get("transaction")
        for answer in call.answer:
            name = answer.missing or answer.found.name
            version = None if answer.missing else _time(answer._pb.found.update_time)
            if transaction:
                self._read.setdefault(bytes(transaction), {})[name] = version
            if name not in self._unknown and self._versions.get(name) != version:
                return (
                    f"{_about(call, name)} gave version {version}, where {self._versions.get(name)} had been written"
                )
        return ""

    def _commit(self, number: int, call: Seen) -> str:
        writes, transaction = _writes(call), call.request["request"].get("transaction")
        waited = call.began != number
        names = [_name(each) for each in writes]
        judged = not waited and not self._unknown & set(names)
        off = (
            [name for each, name in zip(writes, names, strict=True) if not self._meets(each, name)] if judged else []
        )
        if call.error is None:
            if off:
                return f"{_about(call, off[0])} was done although its precondition did not hold"
            stale = self._stale(transaction) if not waited else ""
            if stale:
                return f"{_about(call, stale)} was done although that had changed since the transaction read it"
            for name, write, result in zip(names, writes, call.answer._pb.write_results, strict=True):
                self._versions[name] = None if write.delete else _time(result.update_time)
                self._unknown.discard(name)
            return ""
        if isinstance(call.error, _REFUSALS) and judged and not off:
            return f"{_about(call, ', '.join(names))} was refused although its preconditions held: {call.error}"
        if isinstance(call.error, exceptions.ServerError) and not isinstance(call.error, exceptions.Aborted):
            self._unknown.update(names)
        return ""

    def _stale(self, transaction: Any) -> str:
        """A document that has changed since the transaction read it."""
        for name, version in self._read.get(bytes(transaction or b""), {}).items():
            if name not in self._unknown and self._versions.get(name) != version:
                return name
        return ""

    def _meets(self, write: Any, name: str) -> bool:
        there, wanted = self._versions.get(name), write.current_document
        kind = wanted.WhichOneof("condition_type")
        if kind == "exists":
            return bool(wanted.exists) is (there is not None)
        return kind is None or there == _time(wanted.update_time)


def _writes(call: Seen) -> list[Any]:
    return [getattr(each, "_pb", each) for each in call.request["request"]["writes"]]


def _name(write: Any) -> str:
    name: str = write.update.name or write.delete
    return name


def _time(timestamp: Any) -> _Version:
    return timestamp.seconds, timestamp.nanos


def _about(call: Seen, name: str) -> str:
    return (
        f"firestore.{call.operation} of {name.partition('/documents/')[2] or name} by {call.who} at {call.at_s:.6f} s"
    )
