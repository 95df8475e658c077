"""The firing guard in this process's memory: for tests, and where one process alone fires."""

from __future__ import annotations

import threading
from collections.abc import Iterable

import msgspec

from clef_runtime.context import Clock
from clef_runtime.errors import BadInput, Conflict
from clef_runtime.guard.base import Claim
from clef_runtime.model import Firing, firing_id


class MemoryFiringGuard:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._acquired: set[str] = set()
        self._claims: dict[str, Claim] = {}
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
                claim = Claim("won", firing, owner, 1, now_s + lease_s)
            elif there.state == "fired" or (there.expires_at > now_s and there.owner != owner):
                return there
            elif there.expires_at > now_s:
                return msgspec.structs.replace(there, state="won")
            else:
                fencing = there.fencing + (there.owner != owner)
                claim = Claim("won", there.firing, owner, fencing, now_s + lease_s)
            self._claims[firing.id] = msgspec.structs.replace(claim, state="held")
            return claim

    def mark_fired(self, claim: Claim) -> None:
        with self._lock:
            there = self._claims.get(claim.firing.id)
            if there is None or (there.owner, there.fencing) != (claim.owner, claim.fencing):
                raise fenced_off(claim)
            self._claims[claim.firing.id] = msgspec.structs.replace(there, state="fired")


def check_lease(lease_s: float) -> None:
    if lease_s <= 0:
        raise BadInput(f"lease_s(={lease_s}) must be > 0")


def fenced_off(claim: Claim) -> Conflict:
    return Conflict(
        f"firing {claim.firing.id}: owner {claim.owner!r} with fencing {claim.fencing} no longer holds the claim; "
        f"a later holder sends and marks"
    )
