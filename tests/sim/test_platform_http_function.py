"""Google's functions: their front over HTTP, and how long an idle instance of theirs is kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx

from clef_sim.history import History
from clef_sim.kernel.choices import Seeded
from clef_sim.kernel.threads import Kernel
from clef_sim.network import Network
from clef_sim.network_http import SimTransport
from clef_sim.platform.functions import Function, FunctionPlatform
from clef_sim.platform.http_function import HttpFunction, handler_of
from clef_sim.profiles import profile


class World:
    def __init__(self, handle: Callable[[Any], Any], *, concurrency: int = 10, seed: int = 1) -> None:
        self.kernel, choices = Kernel(), Seeded(seed)
        self.history = History(self.kernel)
        network = Network(self.kernel, choices, self.history, profile("gcp"))
        self.platform = FunctionPlatform(self.kernel, choices, self.history, profile("gcp"), concurrency=concurrency)
        self.platform.deploy(Function(name="f", init=lambda instance: handler_of(handle), timeout_s=5.0))
        network.mount("f", HttpFunction(self.platform, "f"), "http.function_url")
        self.client = httpx.Client(transport=SimTransport(network), timeout=60.0)
        self.answers: list[tuple[int, str]] = []

    def post(self, url: str, at_s: float = 0.0, **options: Any) -> None:
        def send() -> None:
            answer = self.client.post(url, **options)
            self.answers.append((answer.status_code, answer.text))

        self.kernel.spawn(send, who="client", delay_s=at_s)

    @property
    def cold_starts(self) -> int:
        return self.platform.deployed("f").cold_starts


def test_http_function_gets_the_request_as_flask_has_it() -> None:
    seen: list[Any] = []

    def handle(request: Any) -> Any:
        seen.append(request)
        return "made", 201, {"x-a": "b"}

    world = World(handle)
    world.post("http://f/a%20b?x=1&y=", json={"n": 1}, headers={"x-request-id": "r"})
    world.kernel.run(until=60.0)
    assert world.answers == [(201, "made")]
    (request,) = seen
    assert (request.method, request.path, request.environ["RAW_URI"]) == ("POST", "/a b", "/a%20b")
    assert (request.query_string, request.get_data()) == (b"x=1&y=", b'{"n":1}')
    headers = dict(request.headers.items())
    assert (headers["x-request-id"], headers["function-execution-id"]) == ("r", "f-url-1")


def test_http_function_that_does_not_answer_is_told_by_status() -> None:
    def handle(request: Any) -> Any:
        current = world.kernel.current
        assert current is not None and current.instance is not None
        if request.path == "/dies":
            current.instance.kill("planned")
        world.kernel.sleep(10.0 if request.path == "/slow" else 0.1)
        return "", 204, {}

    world = World(handle, concurrency=1)
    world.post("http://f/dies")
    world.post("http://f/slow", at_s=20.0)
    world.post("http://f/no-instance", at_s=21.0)
    world.post("http://f/well", at_s=60.0)
    world.kernel.run(until=100.0)
    assert [status for status, _ in world.answers] == [503, 429, 504, 204]


def test_http_function_starts_cold_in_one_to_four_seconds() -> None:
    for seed in range(5):
        world = World(lambda request: ("", 204, {}), seed=seed)
        world.post("http://f/")
        world.kernel.run(until=60.0)
        (cold,) = [event for event in world.history if event.name == "cold"]
        assert 600.0 < cold.data["ms"] < 4500.0


def test_http_functions_idle_instance_is_kept_for_five_minutes_and_no_more_than_fifteen() -> None:
    kept = [4 * 60.0, 16 * 60.0]
    for idle_s, cold_starts in zip(kept, (1, 2), strict=True):
        world = World(lambda request: ("", 204, {}))
        world.post("http://f/")
        world.post("http://f/", at_s=10.0 + idle_s)
        world.kernel.run(until=2000.0)
        assert world.cold_starts == cold_starts, idle_s
