"""The firing guard on Firestore: one document a firing, changed only under a precondition.

`claim` and `mark_fired` are exact and take no lock: `create()` has one winner, and a change is bound to the
version that was read. A claim that is won is one call, one that is refused two, a take-over three, a mark two.

`try_acquire` is the design's transaction that reads, then writes, in three calls. It never has two winners either,
but two that have both read wait for each other's locks. Measured on the emulator, whose locks are pessimistic as
production's are by default:

| contenders | `claim` | `try_acquire` | the same by the SDK's own `@transactional` |
| --- | --- | --- | --- |
| 2 to 4 | 0.01 s | 2.1 s | 2 s |
| 16 | 0.02 to 0.04 s | 2.1 s | up to 10 s, one race in ten without a winner |

Where the retries do not suffice, that is no answer about the holder: it is raised as Throttled, and the same call may
be made again.

Fields of a claim: `json` (the prepared firing), `owner`, `fencing`, `until` (when the lease ends, epoch seconds by
the holder's clock), `state` (`claimed` or `fired`); of both, `ttl` where they are to go by themselves, for a TTL
policy on the collection. The service deletes within a day of it: a lease it is not.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from clef_runtime.context import Clock
from clef_runtime.errors import BadInput, Conflict, Indeterminate
from clef_runtime.firestore import Change, Document, Documents, expiry
from clef_runtime.guard.base import Claim, ClaimState
from clef_runtime.guard.memory import check_lease, fenced_off
from clef_runtime.model import Firing, Record, firing_id
from clef_runtime.retry import Retry

_ONCE, _LEASE = "once-", "lease-"

_TRIES = 5
"""Others that changed the claim in between, before the caller is told to come again."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Firing).decode


class FirestoreFiringGuard:
    """`claim` and `mark_fired` are repeated within `retry` when their answer is lost; `try_acquire`, whose document
    does not say who holds it, only where it was surely not done.

    Args:
        client: a `google.cloud.firestore.Client`.
        collection: where the guard's documents are.
        ttl_s: after so many seconds (> 0) the service may delete a document, and the same match may then fire
            again: longer than any message may live, dead-letter redrive included. None keeps all.
    """

    def __init__(
        self,
        client: Any,
        collection: str,
        clock: Clock,
        *,
        ttl_s: float | None = None,
        retry: Retry = Retry(),  # noqa: B008 - frozen
    ) -> None:
        if ttl_s is not None and ttl_s <= 0:
            raise BadInput(f"ttl_s(={ttl_s}) must be > 0")
        self._documents = Documents(client, clock, retry)
        self._collection, self._clock, self._ttl_s = collection, clock, ttl_s

    def try_acquire(self, completion_ids: Iterable[str], sync: str) -> bool:
        path = self._path(_ONCE, firing_id(sync, completion_ids))
        return self._documents.create_unless_read(path, self._lasting({"state": "acquired"}))

    def claim(self, firing: Firing, *, owner: str, lease_s: float) -> Claim:
        """As the port has it. Raises TooLarge for a firing over 1 MiB."""
        check_lease(lease_s)
        now_s = self._clock.now()
        until_s = now_s + lease_s
        path = self._path(_LEASE, firing.id)
        fields = {"owner": owner, "fencing": 1, "until": until_s, "state": "claimed"}
        data = self._lasting({"json": _encode(firing).decode(), **fields})
        try:
            self._documents.commit([Change(path, data, 0)])
            return Claim("won", firing, owner, 1, until_s)
        except Conflict:
            pass
        for _ in range(_TRIES):
            there = self._read(path, firing.id)
            answer = _answer(there.data, owner, now_s)
            if answer is not None:
                return answer
            try:
                return self._take(there, owner, until_s)
            except Conflict:
                continue
        raise Indeterminate(f"firing {firing.id}: taken over by others {_TRIES} times; claim again")

    def mark_fired(self, claim: Claim) -> None:
        path = self._path(_LEASE, claim.firing.id)
        for _ in range(_TRIES):
            there = self._documents.get(path)
            if there is None or (there.data["owner"], there.data["fencing"]) != (claim.owner, claim.fencing):
                raise fenced_off(claim)
            if there.data["state"] == "fired":
                return
            try:
                self._documents.commit([Change(path, {"state": "fired"}, there.version)])
                return
            except Conflict:
                continue
        raise Indeterminate(f"firing {claim.firing.id}: its claim changed {_TRIES} times; mark again")

    def _take(self, there: Document, owner: str, until_s: float) -> Claim:
        """Takes an expired claim over, with the firing that is stored; its owner renews it."""
        was: int = there.data["fencing"]
        fencing = was if there.data["owner"] == owner else was + 1
        self._documents.commit(
            [Change(there.path, {"owner": owner, "fencing": fencing, "until": until_s}, there.version)]
        )
        return Claim("won", _decode(there.data["json"]), owner, fencing, until_s)

    def _read(self, path: str, firing: str) -> Document:
        found = self._documents.get(path)
        if found is None:
            # Deleted between the two calls (time to live): nothing is known of it.
            raise Indeterminate(f"firing {firing}: the claim is gone; claim again")
        return found

    def _lasting(self, data: Record) -> Record:
        if self._ttl_s is not None:
            data["ttl"] = expiry(self._clock.now(), self._ttl_s)
        return data

    def _path(self, protocol: str, firing: str) -> str:
        return f"{self._collection}/{protocol}{firing}"


def _answer(there: Record, owner: str, now_s: float) -> Claim | None:
    """What the stored claim answers; None where it has expired and may be taken."""
    state: ClaimState
    if there["state"] == "fired":
        state = "fired"
    elif there["until"] <= now_s:
        return None
    else:
        state = "won" if there["owner"] == owner else "held"
    return Claim(state, _decode(there["json"]), there["owner"], there["fencing"], there["until"])
