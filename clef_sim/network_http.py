"""HTTP over the simulated network: an httpx transport, and endpoints made of plain functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import httpx

from clef_runtime.errors import BadInput
from clef_sim.history import EventOutcome
from clef_sim.kernel.instance import Instance
from clef_sim.kernel.threads import Died, Kernel, Killed
from clef_sim.network import Action, Call, Endpoint, Network

Answer: TypeAlias = Callable[[httpx.Response | Exception], None]


class SimTransport(httpx.BaseTransport):
    """What `instance` sends HTTP through: `httpx.Client(transport=SimTransport(network, instance))`.

    Raises (from a request):
        httpx.ConnectError: nobody answers for the host; nothing was sent.
        httpx.ReadTimeout: no answer within the request's read time-out; it may have been acted on.
        httpx.RemoteProtocolError: who should answer died; it may have been acted on.
    """

    def __init__(self, network: Network, instance: Instance | None = None) -> None:
        self.network = network
        self.instance = instance
        self.draw = network.latency_stream("http").draw
        self.refusal = network.sampler("http.service")
        self.cpu_ms = 0.0 if instance is None else network.profile.client_cpu_ms(instance.memory_mb)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Sends one request and waits, in virtual time, for its answer."""
        request.read()
        return _Exchange(self, request).run()


class _Exchange:
    """One request and its answer."""

    def __init__(self, transport: SimTransport, request: httpx.Request) -> None:
        self.transport = transport
        self.network = transport.network
        self.kernel = transport.network.kernel
        self.request = request
        self.host = request.url.host
        self.operation = f"{request.method} {request.url.path}"
        self.start_s = self.kernel.now
        self.delivered = False
        self.call: Call | None = None
        if self.network.faults.watches("http", self.operation):
            kwargs: dict[str, Any] = {"url": str(request.url), "content": request.content}
            self.call = self.network.next_call("http", self.operation, kwargs, transport.instance)

    def run(self) -> httpx.Response:
        network, faults, call = self.network, self.network.faults, self.call
        try:
            if call is not None:
                network.strike(call, faults.before(call), "before")
            outcome = self._travel()
            if call is not None:
                call.applied = self.delivered
                call.error = type(outcome).__name__ if isinstance(outcome, Exception) else ""
                network.strike(call, faults.after(call), "after")
        except Killed:
            self._record("unknown", "Killed", 0)
            raise
        if isinstance(outcome, Exception):
            self._record("unknown" if self.delivered else "failed", type(outcome).__name__, 0)
            raise outcome
        self._record("ok", "", outcome.status_code)
        return outcome

    def _travel(self) -> httpx.Response | Exception:
        """There and back. Whether the host answers is decided where the request arrives."""
        sample = self.network.hosts.get(self.host, (None, self.transport.refusal))[1]
        half_s = (self.transport.draw(sample) + self.transport.cpu_ms) * 0.0005
        self.kernel.sleep(half_s)
        outcome = self._arrive()
        if not isinstance(outcome, httpx.ReadTimeout):
            self.kernel.sleep(half_s)
        if isinstance(outcome, httpx.Response | httpx.RequestError):
            outcome.request = self.request
        return outcome

    def _arrive(self) -> httpx.Response | Exception:
        if self.host not in self.network.hosts:
            return httpx.ConnectError(f"connection refused by {self.host!r}")
        endpoint = self.network.hosts[self.host][0]
        action = None if self.call is None else self.network.faults.at(self.call)
        if self.call is not None and action is not None:
            self.network.struck(self.call, action, "at")
            return self._arrive_struck(endpoint, self.call, action)
        outcome = self._deliver(endpoint, self._read_timeout_s())
        self.delivered = not isinstance(outcome, httpx.ConnectError)
        return outcome

    def _arrive_struck(self, endpoint: Endpoint, call: Call, action: Action) -> httpx.Response | Exception:
        if action.kind == "throttle":
            return httpx.Response(429, text="Rate exceeded")
        if action.kind == "conflict":
            told = f"fault {action.fault!r}: kind(='conflict') cannot strike HTTP; strike a DynamoDB write"
            raise self.kernel.abort(BadInput(told))
        self.delivered = call.applied = True
        endpoint.submit(self.request, lambda _outcome: None)  # the answer gets lost
        if action.kind == "crash":
            self.network.crash(call, action)
        timeout_s = action.seconds or self._read_timeout_s()
        if timeout_s is None:
            timeout_s = self.network.profile.limit("client_read_timeout_s")
        self.kernel.sleep(timeout_s)
        return self._too_late(timeout_s)

    def _deliver(self, endpoint: Endpoint, timeout_s: float | None) -> httpx.Response | Exception:
        """Hands the request over and waits for the answer, for no longer than the read time-out."""
        heard = self.kernel.event()

        def hear(outcome: httpx.Response | Exception) -> None:
            if not heard.triggered:
                heard.succeed(outcome)

        timer = None
        if timeout_s is not None:
            timer = self.kernel.timer(timeout_s, lambda: hear(self._too_late(timeout_s)))
        self.delivered = True
        endpoint.submit(self.request, hear)
        try:
            outcome: httpx.Response | Exception = self.kernel.wait(heard)
        finally:
            if timer is not None:
                timer.cancel()
        return outcome

    def _read_timeout_s(self) -> float | None:
        timeout_s: float | None = self.request.extensions.get("timeout", {}).get("read")
        return timeout_s

    def _too_late(self, timeout_s: float) -> httpx.ReadTimeout:
        return httpx.ReadTimeout(f"no answer from {self.host!r} within {timeout_s} s")

    def _record(self, outcome: EventOutcome, error: str, status: int) -> None:
        ms = round((self.kernel.now - self.start_s) * 1000.0, 3)
        name = f"http.{self.operation}"
        self.network.history.add("sdk", name, outcome, ms=ms, error=error, applied=self.delivered, status=status)


class Served:
    """A plain function as an endpoint: each request runs in a virtual thread of `instance`."""

    def __init__(
        self,
        kernel: Kernel,
        handle: Callable[[httpx.Request], httpx.Response],
        *,
        name: str,
        instance: Instance | None = None,
    ) -> None:
        self._kernel = kernel
        self._handle = handle
        self._name = name
        self._instance = instance
        self._served = 0

    def submit(self, request: httpx.Request, answer: Answer) -> None:
        if self._instance is not None and not self._instance.alive:
            answer(httpx.ConnectError(f"connection refused: {self._name} is down"))
            return
        self._served += 1
        who = f"{self._name}:{self._served}"
        serve_request(self._kernel, self._handle, request, answer, who=who, instance=self._instance)


def serve_request(
    kernel: Kernel,
    handle: Callable[[httpx.Request], httpx.Response],
    request: httpx.Request,
    answer: Answer,
    *,
    who: str,
    instance: Instance | None,
) -> None:
    """Runs `handle` in a new virtual thread and answers with how it ended.

    An exception that it lets out is answered by status 500, as a server does. Where the thread is killed, the
    connection breaks: `httpx.RemoteProtocolError`.
    """

    def ended(event: Any) -> None:
        if event.ok:
            answer(event.value)
            return
        event.defused = True
        error = event.value
        if isinstance(error, Died):
            answer(httpx.RemoteProtocolError(f"{who} died; the connection broke"))
        else:
            answer(httpx.Response(500, text=f"{type(error).__name__}: {error}"))

    thread = kernel.spawn(lambda: handle(request), who=who, instance=instance)
    assert thread.done.callbacks is not None
    thread.done.callbacks.append(ended)
