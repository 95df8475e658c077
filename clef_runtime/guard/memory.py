"""The firing guard in this process's memory: for tests, and where one process alone fires."""

from __future__ import annotations

import threading
from collections.abc import Iterable

import msgspec

from clef_runtime.context import Clock
from clef_runtime.errors import BadInput, Conflict
from clef_runtime.guard.base import Claim, ClaimState
from clef_runtime.model import Firing, firing_id

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Firing).decode


class _Stored(msgspec.Struct):
    text: bytes  # the firing as JSON, so that nobody shares an object with the guard
    owner: str
    fencing: int
    until_s: float
    fired: bool = False

    def claim(self, state: ClaimState) -> Claim:
        return Claim(state, _decode(self.text), self.owner, self.fencing, self.until_s)


class MemoryFiringGuard:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._acquired: set[str] = set()
        self._claims: dict[str, _Stored] = {}
        self._lock = threading.RLock()

    def try_acquire(self, completion_ids: Iterable[str], sync: str) -> bool:
        key = firing_id(sync, completion_ids)
        with self._lock:
            if key in self._acquired:
                return False
            self._acquired.add(key)
            return True

    def claim(self, firing: Firing, *, owner: str, lease_s: float) -> Claim:
        check_lease(lease_s)
        now_s = self._clock.now()
        with self._lock:
            there = self._claims.get(firing.id)
            if there is None:
                self._claims[firing.id] = _Stored(_encode(firing), owner, 1, now_s + lease_s)
                return Claim("won", firing, owner, 1, now_s + lease_s)
            if there.fired:
                return there.claim("fired")
            if there.until_s > now_s:
                return there.claim("won" if there.owner == owner else "held")
            there.fencing += there.owner != owner
            there.owner, there.until_s = owner, now_s + lease_s
            return there.claim("won")

    def mark_fired(self, claim: Claim) -> None:
        with self._lock:
            there = self._claims.get(claim.firing.id)
            if there is None or (there.owner, there.fencing) != (claim.owner, claim.fencing):
                raise fenced_off(claim)
            there.fired = True


def check_lease(lease_s: float) -> None:
    if lease_s <= 0:
        raise BadInput(f"lease_s(={lease_s}) must be > 0")


def fenced_off(claim: Claim) -> Conflict:
    return Conflict(
        f"firing {claim.firing.id}: owner {claim.owner!r} with fencing {claim.fencing} no longer holds the claim; "
        f"a later holder sends and marks"
    )
