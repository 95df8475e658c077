"""Clients outside of a live deployment: they send requests over HTTP, wait for answers, and repeat what failed."""

from __future__ import annotations

import threading
from urllib.parse import urlencode

import httpx
import msgspec

from clef_runtime.context import SystemClock
from clef_runtime.model import derive_id
from clef_runtime.web import HttpRequest
from clef_sim.history import History
from clef_sim.live.history import Here
from clef_sim.outside import NO_ANSWER
from clef_sim.scenario import Client


class Outside:
    """Sends requests to `url`, each from a thread of its own.

    Attributes:
        waiting: requests without a last answer.
    """

    def __init__(self, url: str, here: Here, history: History) -> None:
        self._url, self._here, self._history = url, here, history
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
        self._http = httpx.Client(base_url=url, trust_env=False, limits=limits)
        self._clock = SystemClock()
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self.waiting = 0

    def start(self, name: str, request: HttpRequest, request_id: str, client: Client) -> None:
        """Sends a request and returns at once."""
        self._count(1)
        threading.Thread(
            target=self._send, args=(name, request, request_id, client), name=request_id, daemon=True
        ).start()

    def close(self) -> None:
        """No request is repeated any more, and those under way are given up."""
        self._stopped.set()
        self._http.close()

    def _count(self, more: int) -> None:
        with self._lock:
            self.waiting += more

    def _send(self, name: str, request: HttpRequest, request_id: str, client: Client) -> None:
        try:
            with self._here.acting(f"client:{request_id}"):
                for attempt in range(client.attempts):
                    if attempt and self._stopped.wait(client.pause_s * 2.0 ** (attempt - 1)):
                        return
                    status = self._attempt(name, request, request_id, client.timeout_s, attempt)
                    if status != NO_ANSWER and status < 500 and status != 429:
                        return
        finally:
            self._count(-1)

    def _attempt(self, name: str, request: HttpRequest, request_id: str, timeout_s: float, attempt: int) -> int:
        flow = derive_id("flow", request_id)
        self._history.add("request", name, flow=flow, attempt=attempt)
        headers = {**request.headers, "x-request-id": request_id, "content-type": "application/json"}
        path = request.path + (f"?{urlencode(request.query)}" if request.query else "")
        content = None if request.body is None else msgspec.json.encode(request.body)
        try:
            answer = self._http.request(request.method, path, headers=headers, content=content, timeout=timeout_s)
            status = answer.status_code
        except httpx.RequestError:
            status = NO_ANSWER
        except RuntimeError:  # given up
            return NO_ANSWER
        good = status != NO_ANSWER and status < 500
        self._history.add("response", name, "ok" if good else "unknown", flow=flow, status=status, attempt=attempt)
        return status
