"""Option A's engine as an HTTP service, free of any server framework.

| request | body | answer |
| --- | --- | --- |
| `POST /completions` | `{"completions": [..]}` | 200 `{"completions": [..]}`: all of the flows so far |
| `GET /health` | | 200 once the durable log has been replayed |
"""

from __future__ import annotations

from clef_runtime.engine.persistent import PersistentEngine
from clef_runtime.errors import BadInput
from clef_runtime.model import completion_from, to_wire
from clef_runtime.web import HttpRequest, HttpResponse


class EngineService:
    """Answers the engine's HTTP requests. Raises what the engine raises; the server maps it to a status."""

    def __init__(self, engine: PersistentEngine) -> None:
        self._engine = engine

    def handle(self, request: HttpRequest) -> HttpResponse:
        if (request.method, request.path) == ("GET", "/health"):
            return HttpResponse(200, {"status": "ready"})
        if (request.method, request.path) != ("POST", "/completions"):
            return HttpResponse(404, {"error": f"no {request.method} {request.path} here"})
        if not isinstance(request.body, dict) or not isinstance(request.body.get("completions"), list):
            raise BadInput('body must be {"completions": [..]}')
        completions = [completion_from(each) for each in request.body["completions"]]
        if not completions:
            raise BadInput("completions must not be empty")
        return HttpResponse(200, {"completions": [to_wire(each) for each in self._engine.evaluate(completions)]})
