"""An app on the real runtime over memory ports, in one process, with its history recorded: for checkers' tests."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Literal

from clef_runtime.action_log.memory import MemoryActionLog
from clef_runtime.app import App
from clef_runtime.context import iso
from clef_runtime.engine.durable import DurableEngine
from clef_runtime.engine.firing import Firer
from clef_runtime.engine.index import SyncIndex
from clef_runtime.engine.where import StorageFacts
from clef_runtime.guard.base import FiringGuard
from clef_runtime.guard.memory import MemoryFiringGuard
from clef_runtime.language import load_paths
from clef_runtime.model import Completion, Invocation
from clef_runtime.receiver import Delivery, Receiver
from clef_runtime.storage.memory import MemoryStorage
from clef_runtime.transport.base import Dispatcher
from clef_runtime.transport.memory import MemoryDispatcher
from clef_runtime.web import HttpRequest, open_flow
from clef_sim.checkers import AppInfo, Verdict, run_checkers
from clef_sim.history import History
from clef_sim.recorded import (
    RecordedActionLog,
    RecordedDispatcher,
    RecordedFacts,
    RecordedGuard,
    RecordedStorage,
    recorded_catalogue,
)
from clef_sim.requests import load_requests


class Counted:
    """Clock, ids and the place of a history: every event and every reading takes a tenth of a millisecond."""

    def __init__(self) -> None:
        self.at, self.who, self.drawn = 0.0, "platform", 0

    def now(self) -> float:
        self.at += 0.0001
        return 1_767_225_600.0 + self.at

    def monotonic(self) -> float:
        return self.now()

    def sleep(self, seconds: float) -> None:
        self.at += seconds

    def new(self) -> str:
        self.drawn += 1
        return f"id-{self.drawn}"


class Place:
    def __init__(self, counted: Counted) -> None:
        self._counted = counted

    @property
    def now(self) -> float:
        return round(self._counted.at, 6)

    @property
    def who(self) -> str:
        return self._counted.who


class RecordedApp:
    def __init__(
        self, app: App, *, protocol: Literal["once", "lease"] = "lease", delivery: Delivery = "recorded"
    ) -> None:
        self.app, self.counted = app, Counted()
        counted = self.counted
        self.history = History(Place(counted))
        self.syncs = load_paths(app.syncs, app.functions)
        self.log = RecordedActionLog(MemoryActionLog(counted), self.history)
        catalogue = recorded_catalogue(app.catalogue, self.history, counted, lambda *_: 0.002)
        storages = {concept.urn: RecordedStorage(MemoryStorage(), self.history, concept.urn) for concept in catalogue}
        self.receiver = Receiver(catalogue, storages.__getitem__, self.log, counted, counted, delivery)
        self.waiting: deque[Invocation] = deque()
        self.guard: FiringGuard = RecordedGuard(MemoryFiringGuard(counted), self.history)
        self.dispatcher: Dispatcher = RecordedDispatcher(MemoryDispatcher(self._accept), self.history)
        facts = RecordedFacts(StorageFacts(catalogue, storages.__getitem__, counted, counted), self.history)
        self.firer = Firer(
            dispatcher=self.dispatcher,
            facts=facts,
            clock=counted,
            ids=counted,
            guard=self.guard,
            protocol=protocol,
            log=self.log,
        )
        self.engine = DurableEngine(SyncIndex(self.syncs, app.functions), self.log, self.firer, append="receiver")
        self.requests = self.evaluations = 0

    def _accept(self, invocation: Invocation) -> Sequence[Completion]:
        self.waiting.append(invocation)
        return []

    def send(self, request: HttpRequest) -> None:
        self.requests += 1
        opening = open_flow(
            request, self.app.routes, request_id=f"r{self.requests}", timestamp=iso(self.counted.now())
        )
        self.counted.who = "platform"
        self.history.add("request", opening.input["route"], flow=opening.flow)
        self.waiting.append(opening)
        while self.waiting:
            self.deliver(self.waiting.popleft())

    def deliver(self, invocation: Invocation) -> None:
        self.evaluations += 1
        self.counted.who = f"{invocation.concept[9:].lower()}#1:{self.evaluations}"
        completion = self.receiver.run(invocation)
        self.counted.who = f"evaluator#1:{self.evaluations}"
        self.engine.evaluate([completion])

    def send_all(self, requests: str, each: int, *, setup: bool = True) -> None:
        """The app's set of requests: what prepares it, and `each` of every kind."""
        found = load_requests(f"scenarios.requests.{requests}")
        for step in found.setup if setup else ():
            for request in step.requests():
                self.send(request)
        for template in found.templates:
            for number in range(each):
                self.send(template.at(number))
        self.counted.who = "world"
        self.history.add("phase", "settled")

    def verdicts(self) -> dict[str, Verdict]:
        judged = run_checkers(self.history, self.syncs, AppInfo.of(self.app))
        return {verdict.checker: verdict for verdict in judged}
