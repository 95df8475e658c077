"""HTTP from this process: timed, written down, and struck by faults, as other calls are."""

from __future__ import annotations

from typing import Any

import httpx

from clef_sim.history import EventOutcome
from clef_sim.live.calls import LiveNetwork
from clef_sim.live.instance import Crashed
from clef_sim.network import Action, Call


class LiveTransport(httpx.BaseTransport):
    """Sends for real. A throttled request is answered 429."""

    def __init__(self, network: LiveNetwork) -> None:
        self._network = network
        self._real = httpx.HTTPTransport(limits=httpx.Limits(max_connections=None, max_keepalive_connections=0))

    def close(self) -> None:
        self._real.close()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        network, instance = self._network, self._network.instance
        instance.check()
        operation = f"{request.method} {request.url.path}"
        call = network.call("http", operation, {"url": str(request.url), "content": request.content})
        began_s = network.now
        outcome: httpx.Response | httpx.RequestError | None = None
        try:
            network.strike(call, network.faults.before, "before")
            action = None if call is None else network.faults.at(call)
            if call is None or action is None:
                outcome = self._send(request)
            else:
                network.struck(call, action, "at")
                outcome = self._struck(request, action, began_s)
            instance.check()
            if call is not None:
                self._after(call, outcome)
        except Crashed:
            self._record(operation, began_s, "unknown", error="Killed", applied=_arrived(outcome), status=0)
            raise
        if isinstance(outcome, httpx.Response):
            self._record(operation, began_s, "ok", error="", applied=True, status=outcome.status_code)
            return outcome
        arrived = _arrived(outcome)
        name = type(outcome).__name__
        self._record(operation, began_s, "unknown" if arrived else "failed", error=name, applied=arrived, status=0)
        raise outcome

    def _after(self, call: Call, outcome: httpx.Response | httpx.RequestError) -> None:
        call.applied = _arrived(outcome)
        call.error = type(outcome).__name__ if isinstance(outcome, Exception) else ""
        self._network.strike(call, self._network.faults.after, "after")

    def _send(self, request: httpx.Request) -> httpx.Response | httpx.RequestError:
        try:
            response = self._real.handle_request(request)
            response.read()
        except httpx.RequestError as error:
            error.request = request
            return error
        return response

    def _struck(self, request: httpx.Request, action: Action, began_s: float) -> httpx.Response | httpx.RequestError:
        if action.kind == "throttle":
            return httpx.Response(429, text="Rate exceeded")
        self._send(request)  # the answer gets lost
        if action.kind == "crash":
            self._network.instance.crash(action.fault)
        self._network.lose(action, began_s)
        return httpx.ReadTimeout("the answer was lost", request=request)

    def _record(self, operation: str, began_s: float, outcome: EventOutcome, **data: Any) -> None:
        ms = round((self._network.now - began_s) * 1000.0, 3)
        self._network.history.note("sdk", f"http.{operation}", outcome, {"ms": ms, **data})


def _arrived(outcome: httpx.Response | httpx.RequestError | None) -> bool:
    """Whoever answers may have acted on it: all but a refused connection."""
    return outcome is not None and not isinstance(outcome, httpx.ConnectError | httpx.ConnectTimeout)
