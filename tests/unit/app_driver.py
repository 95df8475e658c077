"""Runs a flow of an app to its end, in this process and in order: for the tests of the apps."""

from __future__ import annotations

from collections import Counter, deque
from typing import Any

from clef_runtime.app import App
from clef_runtime.concept import Tools
from clef_runtime.context import iso
from clef_runtime.engine.flow import FlowState
from clef_runtime.engine.index import SyncIndex
from clef_runtime.engine.prepare import prepare
from clef_runtime.engine.where import StorageFacts
from clef_runtime.language import load_paths
from clef_runtime.model import Completion, Invocation, complete, concept_name, concept_urn
from clef_runtime.storage.memory import MemoryStorage
from clef_runtime.web import HttpRequest, HttpResponse, answer_of, open_flow

START_S = 1_767_225_600.0  # 2026-01-01


class CountingClock:
    """A second passes between two readings."""

    def __init__(self) -> None:
        self.at = START_S

    def now(self) -> float:
        self.at += 1
        return self.at

    def monotonic(self) -> float:
        return self.now()

    def sleep(self, seconds: float) -> None:
        self.at += seconds


class CountingIds:
    def __init__(self) -> None:
        self.drawn = 0

    def new(self) -> str:
        self.drawn += 1
        return f"id-{self.drawn}"


class Driver:
    """An app and its state.

    `last_first` runs the invocation that came last before those that wait: another order of the same flow.
    """

    def __init__(self, app: App, *, last_first: bool = False) -> None:
        self.app, self.last_first = app, last_first
        self.clock, self.ids = CountingClock(), CountingIds()
        self.storages = {concept.urn: MemoryStorage() for concept in app.catalogue}
        self.index = SyncIndex(load_paths(app.syncs, app.functions), app.functions)
        self.facts = StorageFacts(app.catalogue, self.storages.__getitem__, self.clock, self.ids)
        self.requests = 0
        self.completions: list[Completion] = []
        """Of the newest flow."""
        self.fired: Counter[str] = Counter()
        """Firings with at least one invocation, by sync, of all flows."""

    def send(self, request: HttpRequest) -> HttpResponse | None:
        """The flow's answer; a flow with several answers fails."""
        self.requests += 1
        opening = open_flow(
            request, self.app.routes, request_id=f"request-{self.requests}", timestamp=iso(self.clock.now())
        )
        flow, waiting = FlowState(self.index), deque([opening])
        self.completions = []
        while waiting:
            completion = self._run(waiting.pop() if self.last_first else waiting.popleft())
            self.completions.append(completion)
            assert flow.add(completion)
            for match in flow.matches(completion):
                firing = prepare(match, self.facts, self.clock, self.ids)
                self.fired[firing.sync] += bool(firing.invocations)
                waiting.extend(firing.invocations)
        assert self.count("Web", "respond") <= 1, [each.input for each in self.completions]
        return answer_of(self.completions)

    def ask(self, method: str, path: str, body: Any = None, token: str | None = None) -> HttpResponse:
        """As `send`; a flow without an answer fails."""
        path, _, query = path.partition("?")
        request = HttpRequest(
            method,
            path,
            query=dict(pair.split("=") for pair in query.split("&") if pair),
            headers={"authorization": f"Token {token}"} if token else {},
            body=body,
        )
        answer = self.send(request)
        assert answer is not None, [f"{each.concept}/{each.action} {each.variant}" for each in self.completions]
        return answer

    def rows(self, concept: str) -> list[dict[str, Any]]:
        found = self.app.catalogue.get(concept_urn(concept))
        return self.storages[found.urn].find(found.facts)

    def count(self, concept: str, action: str, variant: str | None = None) -> int:
        """Completions of the newest flow."""
        return sum(
            (concept_name(each.concept), each.action) == (concept, action) and variant in (None, each.variant)
            for each in self.completions
        )

    def _run(self, invocation: Invocation) -> Completion:
        # An action that raises is a bug in the concept: it fails the test.
        action = self.app.catalogue.get(invocation.concept).actions[invocation.action]
        tools = Tools(self.storages[invocation.concept], self.clock, self.ids, invocation)
        return complete(invocation, action(invocation.input, tools), iso(self.clock.now()))
