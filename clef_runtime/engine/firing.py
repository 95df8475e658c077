"""What to do with a match: decide who fires it, prepare it once, send it, record that it fired.

Two protocols. `once` is the design document's: acquire, then prepare and send. Whoever dies in between takes
the firing along: at most once. `lease` prepares first and stores the invocations with the claim; whoever takes
an expired claim over sends the stored ones. Receivers recognise invocation ids.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Literal, Protocol, TypeAlias

from clef_runtime.action_log.base import ActionLog
from clef_runtime.context import Clock, Ids
from clef_runtime.engine.flow import Match
from clef_runtime.engine.prepare import prepare
from clef_runtime.engine.where import Facts
from clef_runtime.errors import BadInput, ClefError, Conflict, Held, Indeterminate, Throttled, Unreachable
from clef_runtime.guard.base import Claim, FiringGuard
from clef_runtime.model import Completion, Firing, SyncEdge
from clef_runtime.transport.base import Dispatcher

Protocols: TypeAlias = Literal["once", "lease"]

_HELD_PAUSES_S = (0.02, 0.05, 0.1, 0.2, 0.4)
"""Pauses between claims of a firing that another instance is sending: most are sent within a few calls."""


class Fires(Protocol):
    def fire(self, match: Match, fired: Collection[str] = ()) -> list[Completion]:
        """Fires the match unless that has been done. `fired` holds the ids of firings known as done.

        Returns:
            The completions that came back with the answers and still want evaluating.

        Raises:
            Held: another instance is at it and not known to be done; evaluate the completion again later.
            Indeterminate, Throttled, Refused: not surely all was sent; evaluate the completion again.
        """


class Firer:
    """Fires matches over the ports.

    Args:
        guard: None where one process alone fires (option A): then its own memory of `fired` decides.
        log: where edges are recorded; None keeps no record.
        owner: names one attempt, unlike every other's; called for each claim.
        lease_s: > 0; longer than sending a firing takes.
        available: whether a concept (URN) can be reached; a sync that needs one that can't is degraded.
    """

    def __init__(
        self,
        *,
        dispatcher: Dispatcher,
        facts: Facts,
        clock: Clock,
        ids: Ids,
        guard: FiringGuard | None,
        protocol: Protocols,
        log: ActionLog | None,
        lease_s: float = 30.0,
    ) -> None:
        if lease_s <= 0:
            raise BadInput(f"lease_s(={lease_s}) must be > 0")
        self._dispatcher, self._facts, self._clock, self._ids = dispatcher, facts, clock, ids
        self._guard, self._protocol, self._log, self._lease_s = guard, protocol, log, lease_s

    def fire(self, match: Match, fired: Collection[str] = ()) -> list[Completion]:
        if self._guard is None:
            return [] if match.firing_id in fired else self._send(self._prepare(match))
        if self._protocol == "once":
            return self._once(match, self._guard)
        # The log's edges outlive the guard's row: a message that comes back after days finds them.
        return [] if match.firing_id in fired else self._leased(match, self._guard)

    def _once(self, match: Match, guard: FiringGuard) -> list[Completion]:
        if not guard.try_acquire([each.id for each in match.completions], match.sync.name):
            return []
        return self._send(self._prepare(match))

    def _leased(self, match: Match, guard: FiringGuard) -> list[Completion]:
        firing = self._prepare(match)
        if not firing.invocations:
            return []
        claim = self._claim(firing, guard)
        if claim.state == "fired":
            return []
        back = self._send(claim.firing)
        try:  # noqa: SIM105  contextlib.suppress is three calls, once a firing
            guard.mark_fired(claim)
        except (Conflict, Throttled, Unreachable, Indeterminate):
            # Fenced off: whoever took the claim over sends the same and marks it. Or not known to be marked: a claim
            # that is not is taken over after its lease, while what came back would be lost to the engine for good
            # where the mark is there, since a fired claim is not sent again.
            pass
        return back

    def _claim(self, firing: Firing, guard: FiringGuard) -> Claim:
        owner = self._ids.new()
        claim = guard.claim(firing, owner=owner, lease_s=self._lease_s)
        for pause_s in _HELD_PAUSES_S:
            if claim.state != "held":
                return claim
            self._clock.sleep(pause_s)
            claim = guard.claim(firing, owner=owner, lease_s=self._lease_s)
        if claim.state == "held":
            raise Held(
                f"firing {firing.id} of sync {firing.sync} is claimed by {claim.owner} and not yet sent",
                retry_after_s=claim.expires_at - self._clock.now(),
            )
        return claim

    def _prepare(self, match: Match) -> Firing:
        return prepare(match, self._facts, self._clock, self._ids)

    def _send(self, firing: Firing) -> list[Completion]:
        if not firing.invocations:
            return []
        back = self._dispatcher.send(firing.invocations)
        if self._log is not None:
            self._log.add_sync_edge(edge_of(firing))
        return back


def edge_of(firing: Firing) -> SyncEdge:
    return SyncEdge(
        sync=firing.sync,
        matched_ids=firing.matched_ids,
        invocation_ids=tuple([invocation.id for invocation in firing.invocations]),
        flow=firing.flow,
    )


Gather: TypeAlias = Callable[[Sequence[Callable[[], list[Completion]]]], list[list[Completion] | ClefError]]
"""Runs every call, side by side or one after another; an error of the runtime stands in its call's place."""


def in_turn(calls: Sequence[Callable[[], list[Completion]]]) -> list[list[Completion] | ClefError]:
    """One call after another. A failing one does not keep the others from running."""
    ended: list[list[Completion] | ClefError] = []
    for call in calls:
        try:
            ended.append(call())
        except ClefError as error:
            ended.append(error)
    return ended


def fire_all(
    firer: Fires, matches: Sequence[Match], fired: Collection[str], gather: Gather = in_turn
) -> list[Completion]:
    """Fires each match, then raises the first failure: one failing sync never keeps another from firing."""
    calls = [lambda match=match: firer.fire(match, fired) for match in matches]
    back: list[Completion] = []
    failure: ClefError | None = None
    for ended in gather(calls):
        if isinstance(ended, ClefError):
            failure = failure or ended
        else:
            back += ended
    if failure is not None:
        raise failure
    return back
