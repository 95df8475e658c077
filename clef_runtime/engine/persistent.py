"""Option A: one long-lived engine. It keeps the flows in memory; a durable log, where there is one, brings them
back after a restart."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Sequence

from clef_runtime.action_log.base import ActionLog, FlowRecords
from clef_runtime.context import Clock
from clef_runtime.engine.firing import Fires, Gather, in_turn
from clef_runtime.engine.flow import FlowState, Match
from clef_runtime.engine.index import SyncIndex
from clef_runtime.errors import ClefError, Unavailable
from clef_runtime.model import Completion, SyncEdge

FLOW_KEEP_S = 300.0
"""How long a flow without news stays in memory. A later completion brings it back from the durable log."""


class _Flow:
    __slots__ = ("completions", "fired", "state", "touched_s")

    def __init__(self, index: SyncIndex) -> None:
        self.state = FlowState(index)
        self.completions: list[Completion] = []
        self.fired: set[str] = set()
        self.touched_s = 0.0

    def add(self, completion: Completion) -> None:
        if self.state.add(completion):
            self.completions.append(completion)


class PersistentEngine:
    """Evaluates completions and all that follows from them. May be called from several threads at once: its
    lock is never held across a call of a port.

    Args:
        appends: whether this engine records the completions in `log`; False where the receivers do.
        gather: how the firings of one wave run side by side.
    """

    def __init__(
        self,
        index: SyncIndex,
        firer: Fires,
        clock: Clock,
        *,
        log: ActionLog | None = None,
        appends: bool = False,
        gather: Gather = in_turn,
        flow_keep_s: float = FLOW_KEEP_S,
    ) -> None:
        self._index, self._firer, self._clock = index, firer, clock
        self._log, self._appends, self._gather = log, appends, gather
        self._keep_s = flow_keep_s
        self._flows: dict[str, _Flow] = {}  # least recently touched first
        self._firing: set[str] = set()
        self._queued: dict[str, Match] = {}
        self._lock = threading.Lock()

    def replay(self) -> int:
        """Reads the durable log back and fires what had matched but not fired; says how many completions it
        read. What fails stays queued.

        Raises:
            Throttled, Indeterminate: the log could not be read; start again.
        """
        if self._log is None:
            return 0
        flows: dict[str, FlowRecords] = {}
        for record in self._log.scan():
            found = flows.setdefault(record.flow, FlowRecords([], [], []))
            if isinstance(record, SyncEdge):
                found.edges.append(record)
            else:
                found.completions.append(record)
        for flow, found in flows.items():
            self._bring_in(flow, found)
            with contextlib.suppress(ClefError):
                self.evaluate(found.completions)
        return sum(len(found.completions) for found in flows.values())

    def evaluate(self, completions: Sequence[Completion]) -> list[Completion]:
        """Evaluates `completions` and, in waves, everything that comes back, until the flow is quiet.

        Returns:
            All completions of the flows concerned, so far.

        Raises:
            As `Fires.fire`, after everything else was tried: send the completions again.
        """
        flows = list(dict.fromkeys(completion.flow for completion in completions))
        matches = self._learn(completions)
        with self._lock:
            left = [match for match in self._queued.values() if match.completions[0].flow in flows]
        self._drain([*left, *matches])
        for flow in flows:
            self._need(flow)
        with self._lock:
            return [each for flow in flows for each in self._flow(flow).completions]

    @property
    def queued(self) -> int:
        """Firings that failed or wait for a concept, and are to be tried again."""
        return len(self._queued)

    def retry_queued(self) -> None:
        """Fires what failed before, and the eventual syncs that waited for a concept; to be called every few
        seconds. Raises as `evaluate`."""
        with self._lock:
            queued = list(self._queued.values())
        self._drain(queued)

    def _drain(self, matches: Sequence[Match]) -> None:
        """Fires `matches` and, wave by wave, what follows. Raises the first failure when all else is done."""
        failure: ClefError | None = None
        while matches:
            back, failed = self._fire(matches)
            failure = failure or failed
            matches = self._learn(back)
        if failure is not None:
            raise failure

    def _learn(self, completions: Sequence[Completion]) -> list[Match]:
        """Takes completions in; returns the matches that they are part of."""
        for completion in completions:
            if self._appends and self._log is not None:
                self._log.append(completion)
            self._need(completion.flow)
        with self._lock:
            for completion in completions:
                self._flow(completion.flow).add(completion)
            return [match for each in completions for match in self._flow(each.flow).state.matches(each)]

    def _fire(self, matches: Sequence[Match]) -> tuple[list[Completion], ClefError | None]:
        """Fires what is neither fired nor being fired by another request of this process."""
        for match in matches:
            self._need(match.completions[0].flow)
        with self._lock:
            due = {
                match.firing_id: match
                for match in matches
                if match.firing_id not in self._firing and match.firing_id not in self._flow_of(match).fired
            }
            self._firing.update(due)
        back: list[Completion] = []
        failure: ClefError | None = None
        try:
            calls = [lambda match=match: self._firer.fire(match) for match in due.values()]
            ended = self._gather(calls)
            with self._lock:
                for match, how in zip(due.values(), ended, strict=True):
                    if not isinstance(how, ClefError):
                        self._queued.pop(match.firing_id, None)
                        self._flow_of(match).fired.add(match.firing_id)
                        back += how
                        continue
                    self._queued[match.firing_id] = match
                    if not isinstance(how, Unavailable):
                        failure = failure or how
        finally:
            with self._lock:
                self._firing.difference_update(due)
        return back, failure

    def _need(self, flow: str) -> None:
        """Sees to it that the flow is in memory."""
        with self._lock:
            there = flow in self._flows
        if not there:
            records = self._log.load_flow(flow) if self._log is not None else FlowRecords([], [], [])
            self._bring_in(flow, records)

    def _bring_in(self, flow: str, records: FlowRecords) -> None:
        """Adds to a flow that another request may have brought in meanwhile."""
        with self._lock:
            state = self._flow(flow)
            for completion in records.completions:
                state.add(completion)
            state.fired.update(edge.firing for edge in records.edges)

    def _flow_of(self, match: Match) -> _Flow:
        return self._flow(match.completions[0].flow)

    def _flow(self, flow: str) -> _Flow:
        """The flow as it is in memory, from now on the most recently touched; under the lock only."""
        state = self._flows.pop(flow, None) or _Flow(self._index)
        self._flows[flow] = state
        state.touched_s = self._clock.monotonic()
        self._drop_idle(state.touched_s)
        return state

    def _drop_idle(self, now_s: float) -> None:
        while True:
            flow = next(iter(self._flows))
            if now_s - self._flows[flow].touched_s <= self._keep_s:
                return
            del self._flows[flow]
