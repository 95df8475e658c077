"""The port of the firing guard: it keeps two instances from firing the same sync twice.

Two protocols. `once` is a bare acquire: whoever gets it fires, and if it dies before it has sent the
invocations, nobody does: at most once. `lease` claims a firing together with its prepared
invocations, for a time; a later holder sends the stored invocations, under a higher fencing number:
at least once on the wire, and once for receivers that recognise invocation ids.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, Protocol, TypeAlias

import msgspec

from clef_runtime.model import Firing

ClaimState: TypeAlias = Literal["won", "held", "fired"]


class Claim(msgspec.Struct, frozen=True):
    """How a claim ended.

    `won`: the caller must send `firing` (its own, or an earlier holder's stored one) and then mark it fired.
    `held`: another owner has it until `expires_at` (epoch seconds by the guard's clock).
    `fired`: its invocations have been sent; nothing is left to do.
    `fencing` counts the holders of this firing, from 1.
    """

    state: ClaimState
    firing: Firing
    owner: str
    fencing: int
    expires_at: float


class FiringGuard(Protocol):
    """All methods raise `Throttled`, `Refused` or `Indeterminate`: none of these says who holds the guard."""

    def try_acquire(self, completion_ids: Iterable[str], sync: str) -> bool:
        """Protocol `once`: True for exactly one caller ever (until the row expires). Not retryable blindly:
        after `Indeterminate` the caller may hold it."""

    def claim(self, firing: Firing, *, owner: str, lease_s: float) -> Claim:
        """Protocol `lease`: claims the firing and stores it in one step. Idempotent for the same owner: a
        claim whose answer was lost is won again by its owner, with the same fencing number.

        Args:
            owner: the instance's own name for this attempt, unlike every other's.
            lease_s: seconds, > 0. Expiry decides only who sends; a wrong clock costs a second sending.
        """

    def mark_fired(self, claim: Claim) -> None:
        """Ends a claim that was won: all its invocations have been sent. Idempotent.

        Raises:
            Conflict: a later holder has taken over (fenced off); it sends and marks.
        """
