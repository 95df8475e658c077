"""Evaluating completions against the durable log: what the engines of options B and C share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

from clef_runtime.action_log.base import ActionLog
from clef_runtime.engine.firing import Fires, Gather, fire_all, in_turn
from clef_runtime.engine.flow import FlowState
from clef_runtime.engine.index import SyncIndex
from clef_runtime.model import Completion

Append: TypeAlias = Literal["first", "after_load", "receiver"]
"""Who appends a completion, and when: this engine before it reads the flow back, this engine after it (the design
document's order, which loses joins), or the receiver that recorded it before it was published."""


class DurableEngine:
    """Evaluates completions of any flow; keeps nothing between calls."""

    def __init__(
        self, index: SyncIndex, log: ActionLog, firer: Fires, *, append: Append, gather: Gather = in_turn
    ) -> None:
        self._index, self._log, self._firer = index, log, firer
        self._append, self._gather = append, gather

    def evaluate(self, completions: Sequence[Completion]) -> list[Completion]:
        """Fires every match that `completions`, all of one flow, are part of.

        Returns:
            The completions that came back with the answers of what was invoked, not yet evaluated.

        Raises:
            As `Fires.fire`. Every match was tried; evaluate the same completions again.
        """
        flow = completions[0].flow
        if self._append == "first":
            self._record(completions)
        records = self._log.load_flow(flow)
        if self._append == "after_load":
            self._record(completions)
        state = FlowState(self._index)
        for completion in records.completions:
            state.add(completion)
        for completion in completions:
            state.add(completion)
        matches = {match.firing_id: match for each in completions for match in state.matches(each)}
        return fire_all(self._firer, list(matches.values()), records.fired, self._gather)

    def _record(self, completions: Sequence[Completion]) -> None:
        for completion in completions:
            self._log.append(completion)
