"""The append-only history of a run: who did what, when in virtual time, and how it ended.

Checkers see only this and the compiled syncs. It is written by `network.py` (kind `sdk`, `fault`), by the
platform (`instance`, `delivery`, `request`, `response`) and by the ports of `recorded.py` (the rest).

| kind | name | data |
| --- | --- | --- |
| request, response | route | flow; status |
| started | `urn:clef/C/action` | invocation (id); flow, sync, matched, concept, action, input |
| returned | `urn:clef/C/action` | invocation (id); variant, output, flow |
| stored | concept urn | op (put, delete), relation, key, value; for the invocation that `who` runs |
| staged | concept urn | reads: relation, key, version, when it began; writes: relation, key, whether it deletes |
| appended | completion, invocation | record, new (bool), along (count of staged writes) |
| loaded | flow | ids (completion ids seen) |
| facts | concept urn | criteria, rows |
| asked | `urn:clef/C/action` | input, variant, output |
| acquire | sync | matched, won (bool) |
| claim | sync | firing (as stored), state, owner, fencing, offered (the invocation ids that the caller prepared) |
| fired | sync | firing_id, owner, fencing |
| edge | sync | matched, invocations (ids), flow |
| sent | dispatcher | invocations (tuple of Invocation) |
| published | completion | record |
| sdk | `dynamodb.PutItem` | ms, error (code), applied (bool) |
| waited | `firestore.Commit` | ms, for documents that another transaction held |
| fault | fault's name | target, and what the fault did |
| instance | cold, warm, failed, killed, frozen, thawed, evicted, restarted | function, instance, ms, reason, error |
| delivery | queue | message, count (receive count) |
| phase | workload, faults_stopped, settled, unsettled | |

What the ports did (from `stored` to `published`) also holds `began`, the virtual second the call began in.

`outcome`: `ok`; `failed` (surely not done, or an error answer); `unknown` (may have been done). Where an
outcome is `unknown`, `sdk` events of the same `who` say whether it was applied.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Any, Literal, Protocol, TypeAlias

import msgspec

from clef_runtime.model import Record

EventOutcome: TypeAlias = Literal["ok", "failed", "unknown"]


class Event(msgspec.Struct, frozen=True):
    """One line of the history. `at` is in virtual seconds; `who` is `instance` or `instance:execution`."""

    at: float
    who: str
    kind: str
    name: str
    outcome: EventOutcome
    data: Record

    @property
    def instance(self) -> str:
        return self.who.partition(":")[0]


class Where(Protocol):
    """What a history asks of the kernel: the time, and who runs."""

    @property
    def now(self) -> float: ...

    @property
    def who(self) -> str: ...


class History:
    """Collects events in order and keeps a running digest of them.

    Args:
        where: gives the time and who acts.
        keep: whether events are kept for checkers. Without, only the digest and the listeners see them,
            and memory does not grow with the run.
    """

    def __init__(self, where: Where, *, keep: bool = True) -> None:
        self.where = where
        self._keep = keep
        self._events: list[Event] = []
        self._hash = hashlib.sha256()  # in hardware on most machines
        self._encode_into = msgspec.json.Encoder(order="sorted", enc_hook=repr).encode_into
        self._buffer = bytearray()
        self.listeners: list[Callable[[Event], None]] = []

    def add(self, kind: str, name: str, outcome: EventOutcome = "ok", **data: Any) -> None:
        """Appends one event. `data` must not be changed afterwards."""
        self.note(kind, name, outcome, data)

    def note(self, kind: str, name: str, outcome: EventOutcome, data: Record) -> None:
        """As `add`, the data being given as a record."""
        where, buffer = self.where, self._buffer
        event = Event(where.now, where.who, kind, name, outcome, data)
        if self._keep:
            self._events.append(event)
        self._encode_into(event, buffer, -1)
        if len(buffer) > 1 << 16:
            self._flush()
        for listener in self.listeners:
            listener(event)

    def _flush(self) -> None:
        self._hash.update(self._buffer)
        self._buffer.clear()

    @property
    def now(self) -> float:
        """Virtual seconds."""
        return self.where.now

    @property
    def digest(self) -> str:
        """A digest of everything so far: equal histories have equal digests, on every machine."""
        self._flush()
        return self._hash.copy().hexdigest()[:32]

    def __iter__(self) -> Iterator[Event]:
        return iter(self._events)

    def __len__(self) -> int:
        return len(self._events)
