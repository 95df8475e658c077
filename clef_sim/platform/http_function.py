"""A Google Cloud function's front: requests as functions-framework hands them over, answers as Flask takes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

import httpx

from clef_sim.network_http import Answer
from clef_sim.platform.errors import TimedOut, TooManyRequests
from clef_sim.platform.functions import FunctionPlatform, Handler


class FunctionRequest:
    """What a handler asks of Flask's request. `path` is as it was sent."""

    def __init__(
        self, method: str, path: str, query: bytes, headers: Mapping[str, str], body: bytes, execution_id: str
    ) -> None:
        self.method, self.path, self.query_string = method, unquote(path), query
        self.headers: dict[str, str] = {**headers, "function-execution-id": execution_id}
        self.environ: dict[str, Any] = {"RAW_URI": path}
        self._body = body

    def get_data(self) -> bytes:
        return self._body


class HttpFunction:
    """An endpoint that invokes a function: mount it with the latency `http.function_url`.

    A request for which there is no instance is answered 429; one whose function timed out 504; one whose
    instance died 503.
    """

    def __init__(self, platform: FunctionPlatform, function: str) -> None:
        self._deployed = platform.deployed(function)
        self._function = function
        self._requests = 0

    def submit(self, request: httpx.Request, answer: Answer) -> None:
        self._requests += 1
        url = request.url
        event = FunctionRequest(
            request.method,
            url.raw_path.decode().partition("?")[0],
            url.query,
            dict(request.headers),
            request.read(),
            f"{self._function}-url-{self._requests}",
        )
        self._deployed.submit(event, lambda result, error: answer(_response(result, error)))


def handler_of(handle: Callable[[Any], Any]) -> Handler:
    """A handler of one argument as the platform calls it; Google's have no context."""
    return lambda event, _context: handle(event)


def status_of(result: Any, error: Exception | None) -> int:
    """The status by which an invocation's end is answered."""
    if isinstance(error, TooManyRequests):
        return 429
    if isinstance(error, TimedOut):
        return 504
    return int(result[1]) if error is None else 503


def _response(result: Any, error: Exception | None) -> httpx.Response:
    status = status_of(result, error)
    if error is not None:
        return httpx.Response(status, text=str(error))
    body, _, headers = result
    return httpx.Response(status, headers=headers, content=body.encode())
