"""The function platform: cold starts, keep-alive, limits, time-outs, freeze, failures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from clef_runtime.errors import BadInput, NotFound
from clef_sim.history import History
from clef_sim.kernel.choices import Seeded
from clef_sim.kernel.threads import Kernel, Killed
from clef_sim.platform.errors import HandlerFailed, InstanceDied, TimedOut, TooManyRequests
from clef_sim.platform.functions import Function, FunctionPlatform, Handler
from clef_sim.platform.instances import FunctionInstance
from clef_sim.profiles import profile


class World:
    def __init__(self, seed: int = 1, concurrency: int | None = None) -> None:
        self.kernel = Kernel()
        self.history = History(self.kernel)
        self.platform = FunctionPlatform(
            self.kernel, Seeded(seed), self.history, profile("aws"), concurrency=concurrency
        )
        self.ended: list[Any] = []
        self.log: list[Any] = []

    def deploy(self, handler: Handler, init: Callable[[FunctionInstance], None] | None = None, **options: Any) -> Any:
        def initialise(instance: FunctionInstance) -> Handler:
            if init is not None:
                init(instance)
            return handler

        return self.platform.deploy(Function(name="f", init=initialise, **options))

    def submit(self, event: Any = None, at_s: float = 0.0) -> None:
        def done(result: Any, error: Exception | None) -> None:
            self.ended.append(result if error is None else error)

        self.kernel.call_later(at_s, lambda: self.platform.submit("f", event, done))

    def instance_events(self) -> list[tuple[str, str]]:
        return [(e.name, e.data["instance"]) for e in self.history if e.kind == "instance"]


def test_invoke_returns_the_handlers_result_after_a_cold_start_in_its_instance() -> None:
    world = World()
    world.deploy(
        lambda event, context: (event, world.kernel.who, context.aws_request_id, context.function_name),
        init=lambda instance: (world.log.append(world.kernel.who), world.kernel.sleep(0.5)),
        memory_mb=512,
    )

    def client() -> None:
        world.ended.append(world.platform.invoke("f", 7))
        world.log.append(world.kernel.now)

    world.kernel.spawn(client, who="client")
    world.kernel.run()
    assert world.ended == [(7, "f-1:1", "f-1:1", "f")]
    assert world.log[0] == "f-1:init"
    # placement 100-200 ms, INIT about 478 ms, the initialiser's own 500 ms, first call 45,000 / 512 = 88 ms
    assert 1.05 < world.log[1] < 1.45


def test_warm_instance_is_used_again_newest_first_and_costs_nothing_extra() -> None:
    world = World()

    def handler(event: Any, context: Any) -> str:
        world.kernel.sleep(0.1)
        world.log.append(world.kernel.now)
        return world.kernel.who

    deployed = world.deploy(handler)
    for at_s in (0.0, 0.0, 10.0, 20.0, 20.0):
        world.submit(at_s=at_s)
    world.kernel.run()
    first, second = world.ended[0].partition(":")[0], world.ended[1].partition(":")[0]
    assert {first, second} == {"f-1", "f-2"}
    assert world.ended[2:4] == [f"{second}:2", f"{second}:3"]
    assert world.ended[4] == f"{first}:2"
    assert (deployed.cold_starts, deployed.requests, deployed.in_flight, deployed.idle) == (2, 5, 0, 2)
    assert world.log[-1] == pytest.approx(20.1)


def test_keep_alive_halves_the_idle_instances_every_380_s() -> None:
    world = World(seed=4)
    deployed = world.platform.deploy(Function(name="f", service_ms=lambda r: 1000.0))
    for _ in range(900):
        world.submit()
    shares: dict[int, float] = {}
    for idle_s in (300, 370, 400, 750, 780, 1150):
        world.kernel.call_later(1.85 + idle_s, lambda idle_s=idle_s: shares.__setitem__(idle_s, deployed.idle / 900))
    world.kernel.run()
    assert deployed.cold_starts == 900
    assert (shares[300], shares[370]) == (1.0, 1.0)
    # three standard deviations of a binomial share
    assert shares[400] == pytest.approx(0.5, abs=0.05)
    assert shares[750] == shares[400]
    assert shares[780] == pytest.approx(0.25, abs=0.044)
    assert shares[1150] == pytest.approx(0.125, abs=0.034)


def test_instance_past_its_keep_alive_is_evicted_when_its_turn_comes() -> None:
    world = World()
    world.deploy(lambda event, context: world.kernel.who)
    world.submit()
    world.submit(at_s=100_000.0)
    world.kernel.run()
    assert world.ended == ["f-1:1", "f-2:1"]
    assert world.instance_events() == [("cold", "f-1"), ("evicted", "f-1"), ("cold", "f-2")]


def test_concurrency_limit_answers_429_and_runs_nothing() -> None:
    world = World(concurrency=3)
    deployed = world.deploy(lambda event, context: world.kernel.sleep(1.0))
    for _ in range(5):
        world.submit()
    world.kernel.run()
    assert Counter(type(each) for each in world.ended) == {TooManyRequests: 2, type(None): 3}
    assert all(each.definite and each.retryable for each in world.ended[:2])
    assert (deployed.throttled, deployed.cold_starts, deployed.pool.in_flight_max) == (2, 3, 3)


def test_reserved_concurrency_caps_its_function_and_leaves_the_rest_to_the_others() -> None:
    world = World(concurrency=10)
    reserved = world.platform.deploy(Function(name="r", reserved=4, service_ms=lambda r: 1000.0))
    shared = world.platform.deploy(Function(name="s", service_ms=lambda r: 1000.0))
    for name in ("r", "s"):
        for _ in range(9):
            world.platform.submit(name, None, lambda result, error: None)
    world.kernel.run()
    assert (reserved.throttled, shared.throttled) == (5, 3)


def test_scale_up_is_1000_at_once_and_then_100_a_second() -> None:
    world = World(concurrency=5000)
    deployed = world.platform.deploy(Function(name="f", service_ms=lambda r: 60_000.0, timeout_s=900))
    for at_s, count in ((100.0, 1500), (105.0, 1500)):  # 100 quiet seconds save nothing up
        for _ in range(count):
            world.submit(at_s=at_s)
    world.kernel.run(until=104.0)
    assert (deployed.cold_starts, deployed.throttled) == (1000, 500)
    world.kernel.run(until=106.0)
    assert deployed.cold_starts == 1500


def test_request_rate_is_ten_a_second_for_each_of_the_concurrency() -> None:
    world = World(concurrency=10)
    deployed = world.platform.deploy(Function(name="f", service_ms=lambda r: 1.0, bare_init=True))
    for n in range(2000):  # 200 a second for 10 s
        world.submit(at_s=n * 0.005)
    world.kernel.run()
    assert 1000 <= deployed.requests - deployed.throttled <= 1110


def test_timeout_kills_mid_call_and_the_instance_is_gone() -> None:
    world = World()

    def handler(event: Any, context: Any) -> None:
        world.log.append(context.get_remaining_time_in_millis())
        try:
            world.kernel.sleep(100.0)
        except Exception:
            world.log.append("swallowed")
        except Killed:
            world.log.append(("killed", world.kernel.now))
            raise

    deployed = world.deploy(handler, timeout_s=3.0, bare_init=True)
    world.submit()
    world.submit(at_s=10.0)
    world.kernel.run()
    assert [type(each) for each in world.ended] == [TimedOut, TimedOut]
    assert world.log[0] == 3000
    assert world.log[1][1] == pytest.approx(3.25, abs=0.1)
    assert (deployed.timed_out, deployed.cold_starts, deployed.in_flight) == (2, 2, 0)
    assert ("killed", "f-1") in world.instance_events()
    assert not world.ended[0].definite


def test_timeout_of_a_function_without_code_discards_its_instance() -> None:
    world = World()
    deployed = world.platform.deploy(Function(name="f", timeout_s=1.0, service_ms=lambda r: 5000.0))
    world.submit()
    world.kernel.run()
    assert type(world.ended[0]) is TimedOut
    assert (deployed.idle, deployed.in_flight) == (0, 0)


def test_handler_exception_fails_the_invocation_and_keeps_the_instance() -> None:
    world = World()

    def handler(event: Any, context: Any) -> str:
        if event == "bad":
            raise ValueError("bad event")
        return world.kernel.who

    world.deploy(handler)
    world.submit("bad")
    world.submit("good", at_s=10.0)
    world.kernel.run()
    assert isinstance(world.ended[0], HandlerFailed)
    assert str(world.ended[0]) == "f-1:1: ValueError: bad event"
    assert world.ended[1] == "f-1:2"
    assert ("failed", "f-1") in world.instance_events()


def test_initialiser_exception_fails_the_invocation_and_the_next_starts_cold() -> None:
    world = World()

    def init(instance: FunctionInstance) -> None:
        if instance.name == "f-1":
            raise RuntimeError("no config")

    world.deploy(lambda event, context: world.kernel.who, init=init)
    world.submit()
    world.submit(at_s=10.0)
    world.kernel.run()
    assert isinstance(world.ended[0], HandlerFailed)
    assert world.ended[1] == "f-2:1"


def test_crash_of_an_instance_mid_call_fails_the_invocation_and_runs_its_finally() -> None:
    world = World()
    instances: list[FunctionInstance] = []

    def handler(event: Any, context: Any) -> None:
        try:
            world.kernel.sleep(5.0)
        finally:
            world.log.append(world.kernel.who)

    world.deploy(handler, init=instances.append)
    world.submit()
    world.submit(at_s=50.0)
    world.kernel.call_later(2.0, lambda: instances[0].kill("crash"))
    world.kernel.run()
    assert isinstance(world.ended[0], InstanceDied)
    assert world.ended[1] is None
    assert world.log == ["f-1:1", "f-2:1"]
    assert world.instance_events()[:2] == [("cold", "f-1"), ("killed", "f-1")]


def test_idle_instance_that_was_killed_is_not_used_again() -> None:
    world = World()
    instances: list[FunctionInstance] = []
    world.deploy(lambda event, context: world.kernel.who, init=instances.append)
    world.submit()
    world.kernel.call_later(10.0, lambda: instances[0].kill("host failure"))
    world.submit(at_s=20.0)
    world.kernel.run()
    assert world.ended == ["f-1:1", "f-2:1"]


def test_background_thread_stands_still_between_invocations() -> None:
    world = World()

    def handler(event: Any, context: Any) -> None:
        if event == "start":

            def ticks() -> None:
                for _ in range(4):
                    world.kernel.sleep(1.0)
                    world.log.append(round(world.kernel.now - started[0], 6))

            started.append(world.kernel.now)
            world.kernel.spawn(ticks, who="f-1:ticks", instance=instances[0])
        world.kernel.sleep(1.5)

    started: list[float] = []
    instances: list[FunctionInstance] = []
    world.deploy(handler, init=instances.append, bare_init=True)
    world.submit("start")
    world.kernel.call_later(100.0, lambda: world.platform.submit("f", "next", lambda result, error: None))
    world.kernel.run(until=200.0)
    thawed = world.log[1]  # the tick of 2.0, which came due while nothing ran
    assert thawed > 90.0
    assert world.log == [1.0, thawed, thawed + 1.0]


def test_billed_time_holds_init_and_execution_in_whole_ms() -> None:
    world = World()
    deployed = world.deploy(lambda event, context: world.kernel.sleep(0.1001), memory_mb=2048, bare_init=True)
    world.submit()
    world.submit(at_s=10.0)
    world.kernel.run()
    cold_ms = next(e.data["ms"] for e in world.history if e.name == "cold")
    assert 2 * 101 + 60 < deployed.billed_ms < 2 * 101 + cold_ms
    assert deployed.gb_s == pytest.approx(deployed.billed_ms * 2 / 1000)


def test_same_seed_gives_the_same_digest() -> None:
    def digest(seed: int) -> str:
        world = World(seed=seed, concurrency=20)
        world.deploy(lambda event, context: world.kernel.sleep(0.2))
        for n in range(100):
            world.submit(at_s=n * 0.01)
        world.kernel.run()
        return world.history.digest

    assert digest(1) == digest(1)
    assert digest(1) != digest(2)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"memory_mb": 64}, r"memory_mb\(=64\)"),
        ({"timeout_s": 0.0}, r"timeout_s\(=0.0\)"),
        ({"timeout_s": 901.0}, r"timeout_s\(=901.0\)"),
        ({"reserved": 0}, r"reserved\(=0\)"),
        ({"reserved": 1000}, r"reserved\(=1000\)"),
        ({"service_ms": None}, "either init"),
    ],
)
def test_deploy_of_a_bad_function_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        World().platform.deploy(Function(**{"name": "f", "service_ms": lambda r: 1.0, **options}))


def test_invoke_of_an_unknown_function_is_refused_and_names_those_there_are() -> None:
    world = World()
    world.platform.deploy(Function(name="known", service_ms=lambda r: 1.0))
    with pytest.raises(NotFound, match=r"function\(='f'\) is not deployed; there are: known"):
        world.platform.submit("f", None, lambda result, error: None)
