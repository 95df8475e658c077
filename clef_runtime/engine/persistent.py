"""Option A: one long-lived engine. It keeps the flows in memory; a durable log, where there is one, brings them
back after a restart."""

from __future__ import annotations

from collections.abc import Sequence

from clef_runtime.action_log.base import ActionLog
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
    """Evaluates completions and all that follows from them.

    Args:
        appends: whether this engine records the completions in `log`; False where the receivers do.
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

    def replay(self) -> int:
        """Reads the durable log back and fires what had matched but not fired; says how many completions it
        read. Failures are left to the next completion or request of the flow.

        Raises:
            Throttled, Indeterminate: the log could not be read; start again.
        """
        if self._log is None:
            return 0
        count = 0
        found: dict[str, tuple[list[Completion], set[str]]] = {}
        for record in self._log.scan():
            completions, fired = found.setdefault(record.flow, ([], set()))
            if isinstance(record, SyncEdge):
                fired.add(record.firing)
            else:
                completions.append(record)
                count += 1
        for flow, (completions, fired) in found.items():
            state = self._touch(flow, load=False)
            state.fired |= fired
            for completion in completions:
                state.add(completion)
        for completions, _ in found.values():
            try:
                self.evaluate(completions)
            except ClefError:
                continue  # a client's retry or the next completion of the flow evaluates it again
        return count

    def evaluate(self, completions: Sequence[Completion]) -> list[Completion]:
        """Evaluates `completions` and, in waves, everything that comes back, until the flow is quiet.

        Returns:
            All completions of the flows concerned, so far.

        Raises:
            As `Fires.fire`, after everything else was tried: send the completions again.
        """
        flows = list(dict.fromkeys(completion.flow for completion in completions))
        for completion in completions:
            self._learn(completion)
        left = [match for match in self._queued.values() if match.completions[0].flow in flows]
        self._drain([*left, *self._matches(completions)])
        return [each for flow in flows for each in self._touch(flow).completions]

    def retry_queued(self) -> None:
        """Fires what failed before, and the eventual syncs that waited for a concept; to be called every few
        seconds. Raises as `evaluate`."""
        self._drain(list(self._queued.values()))

    def _drain(self, matches: Sequence[Match]) -> None:
        """Fires `matches` and, wave by wave, what follows. Raises the first failure when all else is done."""
        failure: ClefError | None = None
        while matches:
            back, failed = self._fire(matches)
            failure = failure or failed
            for completion in back:
                self._learn(completion)
            matches = self._matches(back)
        if failure is not None:
            raise failure

    def _learn(self, completion: Completion) -> None:
        if self._appends and self._log is not None:
            self._log.append(completion)
        self._touch(completion.flow).add(completion)

    def _matches(self, completions: Sequence[Completion]) -> list[Match]:
        return [match for each in completions for match in self._touch(each.flow).state.matches(each)]

    def _fire(self, matches: Sequence[Match]) -> tuple[list[Completion], ClefError | None]:
        """Fires what is neither fired nor being fired by another request of this process."""
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
            for match, ended in zip(due.values(), self._gather(calls), strict=True):
                if isinstance(ended, ClefError):
                    self._queued[match.firing_id] = match
                    if not isinstance(ended, Unavailable):
                        failure = failure or ended
                else:
                    self._queued.pop(match.firing_id, None)
                    self._flow_of(match).fired.add(match.firing_id)
                    back += ended
        finally:
            self._firing.difference_update(due)
        return back, failure

    def _flow_of(self, match: Match) -> _Flow:
        return self._touch(match.completions[0].flow)

    def _touch(self, flow: str, *, load: bool = True) -> _Flow:
        if flow not in self._flows:
            records = self._log.load_flow(flow) if load and self._log is not None else None
            # Another request may have brought the flow in while this one read the log.
            state = self._flows.setdefault(flow, _Flow(self._index))
            for completion in records.completions if records else ():
                state.add(completion)
            state.fired.update(edge.firing for edge in (records.edges if records else ()))
        state = self._flows.pop(flow)
        self._flows[flow] = state
        state.touched_s = self._clock.monotonic()
        self._drop_idle(state.touched_s)
        return state

    def _drop_idle(self, now_s: float) -> None:
        while self._flows:
            flow = next(iter(self._flows))
            if now_s - self._flows[flow].touched_s <= self._keep_s:
                return
            del self._flows[flow]
