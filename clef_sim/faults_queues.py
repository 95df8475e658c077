"""Faults of queues: messages that come twice, out of turn or late, and dead letters that are sent back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from clef_sim.faults import Armed, Faults
from clef_sim.history import History
from clef_sim.scenario import Duplicate, LateDelivery, Redrive, Reorder
from clef_sim.services.sqs import Received
from clef_sim.services.sqs.queue import Queue


class QueueFaults:
    """Hooks a run's queue faults into the model.

    Args:
        queues: those that feed functions, by name; filled until `attach`. Of Pub/Sub, its subscriptions'.
        redrive: sends the dead letters of a queue, by its name, back to it; returns how many.
    """

    def __init__(
        self,
        faults: Faults,
        history: History,
        queues: Mapping[str, Queue],
        redrive: Callable[[str], int],
    ) -> None:
        self._faults, self._history, self._queues, self._redrive = faults, history, queues, redrive

    def attach(self) -> None:
        """All queues exist now."""
        duplicates, reorders = self._faults.of(Duplicate), self._faults.of(Reorder)
        for name, queue in self._queues.items():
            doubling = [(armed, spec.after_s) for armed, spec in duplicates if spec.queue in name]
            if doubling:
                queue.duplicate = self._duplicating(doubling, name)
            displacing = [(armed, spec.places) for armed, spec in reorders if spec.queue in name]
            if displacing:
                queue.displace = self._displacing(displacing, name)

    def hold_back(self, queue: str) -> Callable[[], float] | None:
        """What an event source asks for each batch: how much later (s) it reaches its function."""
        found = [(armed, spec) for armed, spec in self._faults.of(LateDelivery) if spec.queue in queue]
        if not found:
            return None

        def hold() -> float:
            for armed, spec in found:
                if armed.strikes():
                    self._struck(armed, queue, seconds=spec.for_s)
                    return spec.for_s
            return 0.0

        return hold

    def redrive(self) -> None:
        """Sends the dead letters of all queues back to where they came from."""
        for armed, _ in self._faults.of(Redrive):
            if not armed.strikes():
                continue
            for name in self._queues:
                count = self._redrive(name)
                if count:
                    self._struck(armed, name, messages=count)

    def _duplicating(self, faults: Sequence[tuple[Armed, float]], queue: str) -> Callable[[Received], float | None]:
        doubled: set[str] = set()  # a copy has its message's id

        def duplicate(received: Received) -> float | None:
            if received.message_id in doubled:
                return None
            for armed, after_s in faults:
                if armed.strikes():
                    doubled.add(received.message_id)
                    self._struck(armed, queue, message=received.message_id)
                    return after_s
            return None

        return duplicate

    def _displacing(self, faults: Sequence[tuple[Armed, int]], queue: str) -> Callable[[], int]:
        def displace() -> int:
            for armed, places in faults:
                if armed.strikes():
                    later = 1 + armed.below(places)
                    self._struck(armed, queue, places=later)
                    return later
            return 0

        return displace

    def _struck(self, armed: Armed, queue: str, **what: Any) -> None:
        self._history.add("fault", armed.name, target=queue, does=armed.kind, **what)
