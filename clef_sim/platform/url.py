"""A function's URL: HTTP requests become Lambda events, results become responses."""

from __future__ import annotations

import base64
from typing import Any

import httpx

from clef_sim.network_http import Answer
from clef_sim.platform.errors import TooManyRequests
from clef_sim.platform.functions import FunctionPlatform


class FunctionUrl:
    """An endpoint that invokes a function: mount it with the latency `http.function_url`.

    A throttled request is answered 429; one whose function failed, timed out or died is answered 502.
    """

    def __init__(self, platform: FunctionPlatform, function: str) -> None:
        self._deployed = platform.deployed(function)
        self._function = function
        self._requests = 0

    def submit(self, request: httpx.Request, answer: Answer) -> None:
        self._requests += 1
        event = event_of(request, f"{self._function}-url-{self._requests}")
        self._deployed.submit(event, lambda result, error: answer(response_of(result, error)))


def event_of(request: httpx.Request, request_id: str) -> dict[str, Any]:
    """The event in format 2.0 (Function URL, API Gateway HTTP API)."""
    content = request.read()
    try:
        body, encoded = content.decode(), False
    except UnicodeDecodeError:
        body, encoded = base64.b64encode(content).decode(), True
    path = request.url.path
    return {
        "version": "2.0",
        "rawPath": path,
        "rawQueryString": request.url.query.decode(),
        "headers": dict(request.headers),
        "requestContext": {
            "http": {"method": request.method, "path": path},
            "requestId": request_id,
            "stage": "$default",
        },
        "body": body,
        "isBase64Encoded": encoded,
    }


def response_of(result: Any, error: Exception | None) -> httpx.Response:
    """What the caller sees of an invocation's end."""
    if error is not None:
        status = 429 if isinstance(error, TooManyRequests) else 502
        return httpx.Response(status, json={"Message": str(error)})
    if not isinstance(result, dict) or "statusCode" not in result:
        return httpx.Response(200, json=result)
    body = result.get("body") or ""
    content = base64.b64decode(body) if result.get("isBase64Encoded") else body.encode()
    headers = list((result.get("headers") or {}).items())
    headers += [("set-cookie", cookie) for cookie in result.get("cookies") or ()]
    return httpx.Response(result["statusCode"], headers=headers, content=content)
