"""What a function does with what reaches it, by topology: runs concepts, and passes their completions on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from clef_runtime.action_log.base import ActionLog
from clef_runtime.context import Clock, timestamp
from clef_runtime.engine.per_request import PerRequestEngine
from clef_runtime.errors import BadInput, ClefError
from clef_runtime.model import Completion, Invocation, invocation_from
from clef_runtime.receiver import Receiver
from clef_runtime.transport.base import Publisher
from clef_runtime.web import HttpRequest, HttpResponse, Route, answer_of, open_flow

FLOW_PATH = "/_clef/flows/"
"""Under it, by flow id, waits the answer of a request that was accepted with 202."""


class Onward(Protocol):
    """Where a function's completions go."""

    def opened(self, completion: Completion) -> HttpResponse | None:
        """Takes the completion that opened a flow. Returns the flow's answer, or None where it comes later."""

    def invoked(self, completions: Sequence[Completion]) -> list[Completion]:
        """Takes the completions of invocations that came over HTTP. Returns those the caller has to evaluate."""


class ToEngine:
    """Option A: the persistent engine evaluates. Its own invocations are answered with their completions."""

    def __init__(self, evaluate: Callable[[Completion], list[Completion]]) -> None:
        self._evaluate = evaluate

    def opened(self, completion: Completion) -> HttpResponse | None:
        return answer_of(self._evaluate(completion))

    def invoked(self, completions: Sequence[Completion]) -> list[Completion]:
        return list(completions)


class Embedded:
    """Option B: this function evaluates what it completed."""

    def __init__(self, engine: PerRequestEngine, log: ActionLog) -> None:
        self._engine, self._log = engine, log

    def opened(self, completion: Completion) -> HttpResponse | None:
        self._engine.evaluate([completion])
        return answer_of(self._log.load_flow(completion.flow).completions)

    def invoked(self, completions: Sequence[Completion]) -> list[Completion]:
        self._engine.evaluate(completions)
        return []


class ToQueue:
    """Option C: a queue takes the completions to the evaluator."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    def opened(self, completion: Completion) -> HttpResponse | None:
        self._publisher.publish(completion)
        return None

    def invoked(self, completions: Sequence[Completion]) -> list[Completion]:
        for completion in completions:
            self._publisher.publish(completion)
        return []


class ConceptFunction:
    """A function that runs concepts.

    Args:
        log: where a flow's answer is looked up later; None where there is no durable log.
    """

    def __init__(
        self,
        receiver: Receiver,
        onward: Onward,
        clock: Clock,
        *,
        routes: Sequence[Route] = (),
        log: ActionLog | None = None,
    ) -> None:
        self._receiver, self._onward, self._clock = receiver, onward, clock
        self._routes, self._log = routes, log

    def request(self, request: HttpRequest, request_id: str) -> HttpResponse:
        """Opens a flow. The same `request_id` opens the same flow: repeat a request that failed.

        Returns:
            The flow's answer; 202 and the flow's id where it comes later, under `FLOW_PATH`; 404 for a
            path that no route fits.
        """
        if request.method == "GET" and request.path.startswith(FLOW_PATH):
            return self._answer_later(request.path.removeprefix(FLOW_PATH))
        try:
            opening = open_flow(request, self._routes, request_id=request_id, timestamp=timestamp(self._clock))
        except BadInput as error:
            return HttpResponse(404, {"errors": {"path": [str(error)]}})
        answer = self._onward.opened(self._receiver.run(opening))
        return answer or HttpResponse(202, {"flow": opening.flow})

    def _answer_later(self, flow: str) -> HttpResponse:
        answer = answer_of(self._log.load_flow(flow).completions) if self._log is not None else None
        return answer or HttpResponse(404, {"errors": {"flow": [f"no answer for {flow!r} (yet)"]}})

    def invoke(self, invocations: Sequence[Invocation]) -> list[Completion]:
        """Runs invocations that an engine sent over HTTP; returns what it has to evaluate."""
        return self._onward.invoked([self._receiver.run(invocation) for invocation in invocations])

    def batch(self, bodies: Sequence[bytes | str]) -> list[ClefError | None]:
        """Runs invocation messages. An error in a message's place means: deliver it again."""
        ended: list[ClefError | None] = []
        for body in bodies:
            try:
                self._onward.invoked([self._receiver.run(invocation_from(body))])
            except ClefError as error:
                ended.append(error)
            else:
                ended.append(None)
        return ended
