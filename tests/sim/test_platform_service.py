"""Container service and function URL, reached over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from clef_runtime.errors import BadInput
from clef_sim.history import History
from clef_sim.kernel.choices import Seeded
from clef_sim.kernel.instance import Instance
from clef_sim.kernel.threads import Kernel
from clef_sim.network import Network
from clef_sim.network_http import SimTransport
from clef_sim.platform.functions import Function, FunctionPlatform
from clef_sim.platform.service import ContainerService, Service
from clef_sim.platform.url import FunctionUrl
from clef_sim.profiles import profile


class World:
    def __init__(self) -> None:
        self.kernel = Kernel()
        self.history = History(self.kernel)
        self.choices = Seeded(1)
        self.network = Network(self.kernel, self.choices, self.history, profile("aws"))
        self.http = httpx.Client(transport=SimTransport(self.network))
        self.ended: list[tuple[float, Any]] = []
        self.inits: list[float] = []

    def service(self, work_s: float = 0.0, replay_s: float = 0.0, **options: Any) -> ContainerService:
        def init(task: Instance) -> Callable[[httpx.Request], httpx.Response]:
            self.inits.append(self.kernel.now)
            self.kernel.sleep(replay_s)

            def serve(request: httpx.Request) -> httpx.Response:
                self.kernel.sleep(work_s)
                return httpx.Response(200, text=task.name)

            return serve

        service = ContainerService(
            Service(name="engine", init=init, start_ms=lambda r: 20_000.0, **options),
            self.kernel,
            self.choices,
            self.history,
            profile("aws"),
        )
        self.network.mount("engine", service)
        service.start()
        return service

    def get(self, at_s: float, url: str = "http://engine/x?q=1", **options: Any) -> None:
        def body() -> None:
            try:
                answer: Any = self.http.request("POST", url, timeout=None, **options)
                answer = (answer.status_code, answer.text)
            except httpx.HTTPError as error:
                answer = type(error)
            self.ended.append((self.kernel.now, answer))

        self.kernel.spawn(body, who="client", delay_s=at_s)

    def instance_events(self) -> list[tuple[str, str]]:
        return [(e.name, e.data["instance"]) for e in self.history if e.kind == "instance"]


def test_service_answers_and_computes_one_request_per_slot_at_a_time() -> None:
    world = World()
    world.service(cpu_ms=100.0, cpu_slots=2, work_s=1.0)
    for _ in range(4):
        world.get(1.0)
    world.kernel.run()
    assert [answer for _, answer in world.ended] == [(200, "engine-1")] * 4
    # two compute from 1.0 to 1.1, two from 1.1 to 1.2; waiting for others takes no slot
    assert [round(at, 1) for at, _ in world.ended] == [2.1, 2.1, 2.2, 2.2]


def test_restart_refuses_connections_until_the_initialiser_has_run_again() -> None:
    world = World()
    service = world.service(replay_s=3.0)
    world.kernel.call_later(10.0, lambda: service.restart("deploy"))
    for at_s in (1.0, 5.0, 20.0, 32.0, 34.0):
        world.get(at_s)
    world.kernel.run()
    assert [answer for _, answer in world.ended] == [
        httpx.ConnectError,  # starts up: 0 to 3
        (200, "engine-1"),
        httpx.ConnectError,  # down: 10 to 33
        httpx.ConnectError,
        (200, "engine-2"),
    ]
    assert world.inits == [0.0, 30.0]
    assert world.instance_events() == [("cold", "engine-1"), ("killed", "engine-1"), ("restarted", "engine-2")]
    assert [e.data.get("ms") for e in world.history if e.kind == "instance"] == [3000.0, None, 23_000.0]


def test_restart_breaks_the_connections_of_running_requests() -> None:
    world = World()
    service = world.service(work_s=5.0)
    world.kernel.call_later(2.0, lambda: service.restart("crash"))
    world.get(1.0)
    world.kernel.run()
    assert [answer for _, answer in world.ended] == [httpx.RemoteProtocolError]


def test_crashed_task_is_replaced_while_the_others_answer() -> None:
    world = World()
    service = world.service(tasks=2)
    world.kernel.call_later(1.0, lambda: service.tasks[0].kill("crash"))
    for at_s in (2.0, 3.0, 30.0, 31.0):
        world.get(at_s)
    world.kernel.run()
    answered = [answer[1] for _, answer in world.ended]
    assert answered[:2] == ["engine-2", "engine-2"]
    assert sorted(answered[2:]) == ["engine-2", "engine-3"]


def test_task_whose_initialiser_fails_is_started_again() -> None:
    world = World()
    tries: list[str] = []

    def init(task: Instance) -> Callable[[httpx.Request], httpx.Response]:
        tries.append(task.name)
        if len(tries) == 1:
            raise RuntimeError("log not readable")
        return lambda request: httpx.Response(204)

    service = ContainerService(
        Service(name="engine", init=init, start_ms=lambda r: 1000.0),
        world.kernel,
        world.choices,
        world.history,
        profile("aws"),
    )
    service.start()
    world.kernel.run()
    assert tries == ["engine-1", "engine-2"]
    assert [task.name for task in service.tasks] == ["engine-2"]
    assert world.instance_events()[0] == ("failed", "engine-1")


@pytest.mark.parametrize(
    ("options", "words"),
    [({"tasks": 0}, r"tasks\(=0\)"), ({"cpu_slots": 0}, "cpu_slots"), ({"cpu_ms": -1}, "cpu_ms")],
)
def test_service_with_a_value_out_of_range_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        World().service(**options)


def function_world(handler: Callable[[Any, Any], Any], **options: Any) -> World:
    world = World()
    platform = FunctionPlatform(world.kernel, world.choices, world.history, profile("aws"), concurrency=2)
    platform.deploy(Function(name="f", init=lambda instance: handler, **options))
    world.network.mount("f", FunctionUrl(platform, "f"), "http.function_url")
    return world


def test_function_url_makes_an_event_of_the_request_and_a_response_of_the_result() -> None:
    seen: list[Any] = []

    def handler(event: Any, context: Any) -> Any:
        seen.append(event)
        return {"statusCode": 201, "headers": {"x-a": "b"}, "body": "made", "cookies": ["c=1"]}

    world = function_world(handler)
    world.get(0.0, "http://f/articles?tag=x&n=2", json={"a": 1})
    world.kernel.run()
    assert world.ended[0][1] == (201, "made")
    event = seen[0]
    assert event["requestContext"]["http"] == {"method": "POST", "path": "/articles"}
    assert (event["rawQueryString"], event["body"]) == ("tag=x&n=2", '{"a":1}')
    assert event["headers"]["content-type"] == "application/json"


def test_function_url_answers_502_where_the_function_fails_and_429_where_it_is_throttled() -> None:
    def handler(event: Any, context: Any) -> Any:
        if event["rawPath"] == "/bad":
            raise ValueError("bad request")
        world.kernel.sleep(60.0)
        return {}

    world = function_world(handler, timeout_s=2.0)
    world.get(0.0, "http://f/bad")
    world.get(0.0, "http://f/slow")
    world.get(0.5, "http://f/third")
    world.kernel.run()
    by_status = {answer[0]: answer[1] for _, answer in world.ended}
    assert sorted(answer[0] for _, answer in world.ended) == [429, 502, 502]
    assert "concurrency limit of 2" in by_status[429]
    assert any("timeout_s(=2)" in answer[1] for _, answer in world.ended)


def test_function_url_passes_binary_bodies_in_base64() -> None:
    seen: list[Any] = []

    def handler(event: Any, context: Any) -> Any:
        seen.append((event["body"], event["isBase64Encoded"]))
        return {"statusCode": 200, "body": "aGk=", "isBase64Encoded": True}

    world = function_world(handler)
    world.get(0.0, "http://f/", content=b"\xff\xfe")
    world.kernel.run()
    assert seen == [("//4=", True)]
    assert world.ended[0][1] == (200, "hi")
