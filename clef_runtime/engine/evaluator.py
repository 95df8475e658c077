"""Option C: the function that a queue of completions feeds."""

from __future__ import annotations

from collections.abc import Sequence

from clef_runtime.engine.durable import DurableEngine
from clef_runtime.errors import BadInput, ClefError
from clef_runtime.model import Completion, Invocation, completion_from
from clef_runtime.web import HttpRequest, HttpResponse


class Evaluator:
    """Evaluates batches of completion messages; completions of one flow are evaluated together."""

    def __init__(self, engine: DurableEngine) -> None:
        self._engine = engine

    def batch(self, bodies: Sequence[bytes | str]) -> list[ClefError | None]:
        """Evaluates each message. An error in a message's place means: deliver it again."""
        ended: list[ClefError | None] = [None] * len(bodies)
        flows: dict[str, list[tuple[int, Completion]]] = {}
        for number, body in enumerate(bodies):
            try:
                completion = completion_from(body)
            except BadInput as error:
                ended[number] = error
            else:
                flows.setdefault(completion.flow, []).append((number, completion))
        for members in flows.values():
            try:
                # What a queue accepts comes back as a message of its own: nothing is left to evaluate.
                self._engine.evaluate([completion for _, completion in members])
            except ClefError as error:
                for number, _ in members:
                    ended[number] = error
        return ended

    def request(self, request: HttpRequest, request_id: str) -> HttpResponse:  # noqa: ARG002 - a function's port
        return HttpResponse(404, {"errors": {"path": ["this function evaluates messages of a queue"]}})

    def invoke(self, invocations: Sequence[Invocation]) -> list[Completion]:
        raise BadInput(f"{len(invocations)} invocation(s) reached the evaluator, which runs no concepts")
