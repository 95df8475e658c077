"""HTTP over the network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from clef_sim.history import History
from clef_sim.kernel.choices import Seeded
from clef_sim.kernel.instance import Instance
from clef_sim.kernel.threads import Kernel, Killed
from clef_sim.network import Action, Call, Network
from clef_sim.network_http import Served, SimTransport
from clef_sim.profiles import profile


class CrashAt:
    """Strikes the first POST when it arrives."""

    def __init__(self, action: Action) -> None:
        self.action = action

    def watches(self, service: str, operation: str) -> bool:
        return (service, operation) == ("http", "POST /_clef/invoke")

    def before(self, call: Call) -> Action | None:
        return None

    def at(self, call: Call) -> Action | None:
        return self.action if call.number == 1 else None

    def after(self, call: Call) -> Action | None:
        return None


class World:
    def __init__(self, faults: Any = None) -> None:
        self.kernel = Kernel()
        self.history = History(self.kernel)
        self.network = Network(self.kernel, Seeded(1), self.history, profile("aws"), faults)
        self.caller, self.server = Instance("caller"), Instance("server")
        self.http = httpx.Client(transport=SimTransport(self.network, self.caller))
        self.served: list[tuple[str, str]] = []
        self.ended: list[Any] = []

    def serve(self, work_s: float = 0.01) -> None:
        def handle(request: httpx.Request) -> httpx.Response:
            self.served.append((self.kernel.who, request.content.decode()))
            self.kernel.sleep(work_s)
            if request.content == b"bad":
                raise ValueError("bad body")
            return httpx.Response(200, json={"at": self.kernel.now})

        self.network.mount("engine", Served(self.kernel, handle, name="server", instance=self.server))

    def run(self, body: Callable[[], Any]) -> None:
        def ends() -> None:
            try:
                self.ended.append(body())
            except BaseException as error:
                self.ended.append(error)
                if not isinstance(error, httpx.HTTPError):
                    raise

        self.kernel.spawn(ends, who="caller:1", instance=self.caller)
        self.kernel.run()

    def post(self, content: str = "x", timeout_s: float | None = 5.0) -> httpx.Response:
        return self.http.post("http://engine/_clef/invoke", content=content, timeout=timeout_s)

    def sdk(self) -> list[tuple[str, str, str, bool, int]]:
        return [
            (e.name, e.outcome, e.data["error"], e.data["applied"], e.data["status"])
            for e in self.history
            if e.kind == "sdk"
        ]


NAME = "http.POST /_clef/invoke"


def test_request_runs_in_a_thread_of_the_target_and_takes_its_time() -> None:
    world = World()
    world.serve(work_s=0.5)
    world.run(lambda: world.post("hello").json()["at"])
    assert world.served == [("server:1", "hello")]
    assert 0.5 < world.ended[0] < world.kernel.now
    assert world.sdk() == [(NAME, "ok", "", True, 200)]


def test_request_to_an_unknown_or_dead_host_is_refused_and_surely_not_done() -> None:
    world = World()
    world.run(world.post)
    world.serve()
    world.server.kill("crash")
    world.run(world.post)
    assert [type(e) for e in world.ended] == [httpx.ConnectError, httpx.ConnectError]
    assert world.sdk() == [(NAME, "failed", "ConnectError", False, 0)] * 2
    assert world.served == []


def test_request_that_takes_longer_than_its_timeout_raises_and_may_have_been_done() -> None:
    world = World()
    world.serve(work_s=9.0)
    world.run(lambda: world.post(timeout_s=2.0))
    assert type(world.ended[0]) is httpx.ReadTimeout
    assert world.sdk() == [(NAME, "unknown", "ReadTimeout", True, 0)]
    assert world.kernel.now > 9.0  # the target worked on


def test_request_whose_target_dies_breaks_the_connection() -> None:
    world = World()
    world.serve(work_s=9.0)
    world.kernel.call_later(1.0, lambda: world.server.kill("crash"))
    world.run(lambda: world.post(timeout_s=None))
    assert type(world.ended[0]) is httpx.RemoteProtocolError
    assert world.sdk() == [(NAME, "unknown", "RemoteProtocolError", True, 0)]


def test_request_whose_handler_fails_is_answered_500() -> None:
    world = World()
    world.serve()
    world.run(lambda: world.post("bad").text)
    assert world.ended == ["ValueError: bad body"]
    assert world.sdk() == [(NAME, "ok", "", True, 500)]


def test_crash_at_a_request_delivers_it_and_kills_the_caller() -> None:
    world = World(CrashAt(Action("dies", "crash")))
    world.serve()
    world.run(world.post)
    assert world.served == [("server:1", "x")]
    assert isinstance(world.ended[0], Killed)
    assert world.sdk() == [(NAME, "unknown", "Killed", True, 0)]


def test_applied_then_timeout_delivers_it_and_raises_read_timeout() -> None:
    world = World(CrashAt(Action("lost", "applied_then_timeout", 3.0)))
    world.serve()
    world.run(world.post)
    assert world.served == [("server:1", "x")]
    assert type(world.ended[0]) is httpx.ReadTimeout
    assert world.kernel.now == pytest.approx(3.0, abs=0.1)


def test_throttled_request_is_answered_429_and_not_delivered() -> None:
    world = World(CrashAt(Action("slow down", "throttle")))
    world.serve()
    world.run(lambda: world.post().status_code)
    assert world.ended == [429]
    assert world.served == []
