"""Faults of queues: messages that come twice, out of turn or late, and dead letters that are sent back."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from clef_sim.faults import Armed, Faults
from clef_sim.history import History
from clef_sim.scenario import Duplicate, LateDelivery, Redrive, Reorder
from clef_sim.services.sqs import SQS, Received


class QueueFaults:
    """Hooks a run's queue faults into the model.

    Args:
        queue_urls: the queues there are, by name; filled until `attach`.
    """

    def __init__(self, faults: Faults, history: History, sqs: SQS, queue_urls: Mapping[str, str]) -> None:
        self._faults, self._history, self._sqs, self._urls = faults, history, sqs, queue_urls

    def attach(self) -> None:
        """All queues exist now."""
        for armed, duplicate in self._faults.of(Duplicate):
            for name in self._named(duplicate.queue):
                self._sqs.queue(name).duplicate = self._duplicating(armed, duplicate.after_s, name)
        for armed, reorder in self._faults.of(Reorder):
            for name in self._named(reorder.queue):
                self._sqs.queue(name).displace = self._displacing(armed, reorder.places, name)

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
            for name in self._urls:
                dead = self._sqs.queue(name).settings.dead_letters
                count = self._sqs.queue(dead).visible
                if count:
                    self._sqs.start_message_move_task(SourceArn=dead)
                    self._struck(armed, name, messages=count)

    def _duplicating(self, armed: Armed, after_s: float, queue: str) -> Callable[[Received], float | None]:
        def duplicate(received: Received) -> float | None:
            if not armed.strikes():
                return None
            self._struck(armed, queue, message=received.message_id)
            return after_s

        return duplicate

    def _displacing(self, armed: Armed, places: int, queue: str) -> Callable[[], int]:
        def displace() -> int:
            if not armed.strikes():
                return 0
            later = 1 + armed.below(places)
            self._struck(armed, queue, places=later)
            return later

        return displace

    def _named(self, part: str) -> list[str]:
        return [name for name in self._urls if part in name]

    def _struck(self, armed: Armed, queue: str, **what: object) -> None:
        self._history.add("fault", armed.name, target=queue, does=armed.kind, **what)
