"""Clients outside of the deployment: they send requests, wait for answers, and repeat what failed."""

from __future__ import annotations

from typing import Any, Protocol
from urllib.parse import urlencode

import msgspec

from clef_runtime.model import derive_id
from clef_runtime.web import HttpRequest
from clef_sim.history import History
from clef_sim.kernel.threads import Kernel
from clef_sim.network import Network
from clef_sim.platform.errors import TooManyRequests
from clef_sim.platform.functions import FunctionPlatform
from clef_sim.scenario import Client

_encode = msgspec.json.Encoder().encode

NO_ANSWER = 0
"""The status of a request that was not answered in time."""


class Front(Protocol):
    """What makes requests events of a function, and its results answers."""

    def event(self, request: HttpRequest, body: str | None, request_id: str) -> Any: ...

    def status(self, result: Any, error: Exception | None) -> int: ...


class Outside:
    """Sends requests to the function that takes them in.

    Args:
        function: its name.
        front: what stands before it.
        latency: the profile's row for the way from the gateway to the function and back.
    """

    def __init__(
        self,
        kernel: Kernel,
        history: History,
        network: Network,
        platform: FunctionPlatform,
        function: str,
        front: Front,
        *,
        latency: str = "http.function_url",
    ) -> None:
        self._kernel, self._history = kernel, history
        self._platform, self._function, self._front = platform, function, front
        self._draw = network.latency_stream("gateway").draw
        self._sample = network.sampler(latency)
        self.waiting = 0

    def start(self, name: str, request: HttpRequest, request_id: str, client: Client) -> None:
        """Sends a request from a virtual thread of its own."""
        self._kernel.spawn(lambda: self.send(name, request, request_id, client), who=f"client:{request_id}")

    def send(self, name: str, request: HttpRequest, request_id: str, client: Client) -> int:
        """Sends a request until it is answered for good; returns the last status."""
        flow = derive_id("flow", request_id)
        headers = {**request.headers, "x-request-id": request_id, "content-type": "application/json"}
        body = None if request.body is None else _encode(request.body).decode()
        request = msgspec.structs.replace(request, headers=headers)
        self.waiting += 1
        status = NO_ANSWER
        for attempt in range(client.attempts):
            if attempt:
                self._kernel.sleep(client.pause_s * 2.0 ** (attempt - 1))
            # A gateway has another id for each try.
            event = self._front.event(request, body, f"{request_id}.{attempt}")
            status = self._attempt(name, flow, event, client.timeout_s, attempt)
            if status != NO_ANSWER and status < 500 and status != 429:
                break
        self.waiting -= 1
        return status

    def _attempt(self, name: str, flow: str, event: Any, timeout_s: float, attempt: int) -> int:
        half_s = self._draw(self._sample) * 0.0005
        self._kernel.sleep(half_s)
        self._history.add("request", name, flow=flow, attempt=attempt)
        heard = self._kernel.event()

        def hear(result: Any, error: Exception | None) -> None:
            if not heard.triggered:
                heard.succeed(self._front.status(result, error))

        def give_up() -> None:
            if not heard.triggered:
                heard.succeed(NO_ANSWER)

        timer = self._kernel.timer(timeout_s, give_up)
        self._platform.submit(self._function, event, hear)
        status: int = self._kernel.wait(heard)
        timer.cancel()
        self._kernel.sleep(half_s)
        good = status != NO_ANSWER and status < 500
        self._history.add("response", name, "ok" if good else "unknown", flow=flow, status=status, attempt=attempt)
        return status


class FunctionUrlFront:
    """What stands before a Lambda function."""

    @staticmethod
    def event(request: HttpRequest, body: str | None, request_id: str) -> Any:
        return url_event(request, body, request_id)

    @staticmethod
    def status(result: Any, error: Exception | None) -> int:
        """What the gateway answers for a function's result, or its failure."""
        if error is not None:
            return 429 if isinstance(error, TooManyRequests) else 502
        return int(result["statusCode"])


def url_event(request: HttpRequest, body: str | None, request_id: str) -> dict[str, Any]:
    """The event (format 2.0) by which a Function URL hands a request to its function."""
    return {
        "version": "2.0",
        "rawPath": request.path,
        "rawQueryString": urlencode(request.query),
        "headers": dict(request.headers),
        "requestContext": {
            "requestId": request_id,
            "stage": "$default",
            "http": {"method": request.method, "path": request.path},
        },
        "body": body,
        "isBase64Encoded": False,
    }
