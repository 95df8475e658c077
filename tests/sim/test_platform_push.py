"""Pushes: what reaches the function and when, answers, deadlines, pauses, order, the window, faults' hooks."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from clef_runtime.transport.pubsub import pushed
from clef_sim.history import History
from clef_sim.kernel.choices import Seeded
from clef_sim.kernel.clock import SimClock
from clef_sim.kernel.threads import Kernel
from clef_sim.platform.functions import Function, FunctionPlatform
from clef_sim.platform.http_function import FunctionRequest, handler_of
from clef_sim.platform.push import PushSubscription, PushTarget
from clef_sim.profiles import profile
from clef_sim.services.pubsub import PubSub

OK: Any = ("", 204, {})
NO: Any = ("busy", 503, {})
TOPIC = "projects/sim/topics/work"


class World:
    """A topic that is pushed to a function. `handle` gets the kernel and a message's text and gives the answer."""

    def __init__(
        self,
        handle: Callable[[Kernel, str], Any] = lambda kernel, body: OK,
        *,
        hold_back_s: Callable[[], float] | None = None,
        concurrency: int = 1000,
        seed: int = 1,
        **settings: Any,
    ) -> None:
        self.kernel = Kernel()
        self.history = History(self.kernel)
        choices = Seeded(seed)
        self.pubsub = PubSub(SimClock(self.kernel).now, self.kernel)
        for name in ("dead", "work"):
            self.pubsub.create_topic(name=f"projects/sim/topics/{name}")
        self.pubsub.create_subscription(
            request={"name": "projects/sim/subscriptions/dead", "topic": "projects/sim/topics/dead"}
        )
        self.pubsub.create_subscription(
            request={
                "name": "projects/sim/subscriptions/work",
                "topic": TOPIC,
                "ack_deadline_seconds": 20,
                "dead_letter_policy": {"dead_letter_topic": "projects/sim/topics/dead", "max_delivery_attempts": 5},
                **settings,
            }
        )
        gcp = profile("gcp")
        self.platform = FunctionPlatform(self.kernel, choices, self.history, gcp, concurrency=concurrency)
        self.requests: list[FunctionRequest] = []
        self.came: list[tuple[float, str]] = []

        def handler(request: FunctionRequest) -> Any:
            body = pushed(json.loads(request.get_data())).body
            self.requests.append(request)
            self.came.append((self.kernel.now, body))
            return handle(self.kernel, body)

        self.platform.deploy(Function(name="f", init=lambda instance: handler_of(handler), timeout_s=60))
        self.subscription = self.pubsub.subscription("work")
        self.push = PushSubscription(
            self.subscription,
            PushTarget(function="f", path="/_clef/messages", hold_back_s=hold_back_s),
            self.kernel,
            choices,
            self.history,
            gcp,
            self.platform,
        )

    def publish(self, *bodies: str, at_s: float = 0.0, key: str = "") -> None:
        messages = [{"data": body.encode(), **({"ordering_key": key} if key else {})} for body in bodies]
        self.kernel.call_later(at_s, lambda: self.pubsub.publish(request={"topic": TOPIC, "messages": messages}))

    def warm_up(self) -> None:
        """The topic is not fresh and an instance is warm at 60 s."""
        self.publish("warm-up")
        self.publish("warm-up", at_s=50.0)
        self.kernel.run(until=60.0)
        self.came.clear()

    def bodies(self) -> list[str]:
        return [body for _, body in self.came]

    def left(self) -> int:
        queue = self.subscription.queue
        return queue.visible + queue.in_flight + queue.delayed


def retry(least_s: float, longest_s: float) -> dict[str, Any]:
    return {
        "retry_policy": {
            "minimum_backoff": timedelta(seconds=least_s),
            "maximum_backoff": timedelta(seconds=longest_s),
        }
    }


def refusing(times: int, body: str = "x") -> Callable[[Kernel, str], Any]:
    """Refuses a message the first few times."""
    left = [times]

    def handle(_: Kernel, given: str) -> Any:
        if given == body:
            left[0] -= 1
        return NO if given == body and left[0] >= 0 else OK

    return handle


def gaps(world: World, body: str = "x") -> list[float]:
    """Seconds between one push of a message and the next."""
    times = [at for at, given in world.came if given == body]
    return [later - earlier for earlier, later in itertools.pairwise(times)]


def test_push_sends_each_message_as_a_request_and_acknowledges_it() -> None:
    world = World()
    world.publish("a", "ü")
    world.kernel.run()
    assert sorted(world.bodies()) == ["a", "ü"]
    assert world.left() == 0
    assert (world.push.delivered, world.push.acknowledged, world.push.refused) == (2, 2, 0)
    request = world.requests[0]
    assert (request.method, request.path) == ("POST", "/_clef/messages")
    envelope = json.loads(request.get_data())
    assert envelope["subscription"] == "projects/sim/subscriptions/work"
    assert envelope["deliveryAttempt"] == 1
    deliveries = [(e.name, e.data["count"]) for e in world.history if e.kind == "delivery"]
    assert deliveries == [("work", 1)] * 2


def test_push_of_a_fresh_topic_takes_seconds_and_later_a_tenth_of_one() -> None:
    world = World()
    world.publish("first")
    world.kernel.run(until=50.0)
    ((first_s, _),) = world.came
    assert 3.5 < first_s < 9.0  # and a cold start
    world.came.clear()
    world.publish("later")
    world.kernel.run(until=60.0)
    assert 0.03 < world.came[0][0] - 50.0 < 1.1
    world.came.clear()
    world.publish("after long idleness", at_s=700.0)
    world.kernel.run(until=800.0)
    assert world.came[0][0] - 760.0 > 3.5


def test_push_that_is_refused_comes_again_after_the_retry_policys_pauses() -> None:
    world = World(refusing(3), **retry(10, 25))
    world.warm_up()
    world.publish("x")
    world.kernel.run(until=400.0)
    for gap, pause_s in zip(gaps(world), (10.0, 20.0, 25.0), strict=True):
        assert pause_s < gap < pause_s + 1.3
    assert (world.push.refused, world.left()) == (3, 0)


def test_push_without_a_retry_policy_backs_off_by_itself() -> None:
    world = World(refusing(3))
    world.warm_up()
    world.publish("x")
    world.kernel.run(until=400.0)
    assert len(gaps(world)) == 3
    assert sum(gaps(world)) < 6.0


def test_push_that_is_refused_on_a_fresh_topic_does_not_take_seconds_again() -> None:
    world = World(refusing(2))
    world.publish("x")
    world.kernel.run(until=100.0)
    assert len(gaps(world)) == 2
    assert max(gaps(world)) < 1.3


def test_push_not_answered_in_the_ack_deadline_comes_again_while_the_first_still_runs() -> None:
    def slow(kernel: Kernel, body: str) -> Any:
        if body == "x" and len(world.came) == 1:
            kernel.sleep(30.0)
        return OK

    world = World(slow)
    world.warm_up()
    world.publish("x")
    world.kernel.run(until=400.0)
    (gap,) = gaps(world)
    assert 20.0 < gap < 22.0
    assert (world.push.acknowledged, world.push.refused, world.left()) == (3, 1, 0)  # two warmed up


def test_push_refused_too_often_becomes_a_dead_letter() -> None:
    world = World(refusing(99))
    world.warm_up()
    world.publish("x", "y")
    world.kernel.run(until=400.0)
    assert sorted(world.bodies()) == ["x"] * 5 + ["y"]
    assert (world.left(), world.pubsub.subscription("dead").queue.visible) == (0, 1)


def test_push_waits_for_the_acknowledgement_of_the_one_before_of_its_key() -> None:
    world = World(refusing(1, "a1"), enable_message_ordering=True, **retry(10, 600))
    world.warm_up()
    world.publish("a1", "a2", "a3", key="a")
    world.publish("b1", "b2", key="b")
    world.kernel.run(until=400.0)
    assert [body for body in world.bodies() if body[0] == "a"] == ["a1", "a1", "a2", "a3"]
    assert [body for body in world.bodies() if body[0] == "b"] == ["b1", "b2"]
    assert world.bodies().index("b2") < 4  # a's failure held back a only


def test_push_window_grows_with_successes_and_shrinks_with_failures() -> None:
    running = [0, 0]

    def handle(kernel: Kernel, body: str) -> Any:
        running[0] += 1
        running[1] = max(running)
        kernel.sleep(1.0)
        running[0] -= 1
        return NO if body == "bad" else OK

    world = World(handle)
    world.publish(*(str(n) for n in range(200)))
    world.kernel.run(until=20.0)
    assert running[1] > 3
    assert world.push.window > 12
    before = world.push.window
    world.publish(*["bad"] * 3)
    world.kernel.run(until=200.0)
    assert world.push.window < before
    assert world.push.window >= 3


def test_push_never_has_more_requests_under_way_than_its_window() -> None:
    seen: list[tuple[int, int]] = []

    def handle(_: Kernel, body: str) -> Any:
        seen.append((world.push.in_flight, world.push.window))
        return OK

    world = World(handle)
    world.publish(*(str(n) for n in range(40)))
    world.kernel.run(until=100.0)
    assert len(seen) == 40
    assert all(in_flight <= window for in_flight, window in seen)
    assert max(in_flight for in_flight, _ in seen) >= 3


def test_push_to_a_function_that_has_no_instance_left_comes_again() -> None:
    def slow(kernel: Kernel, body: str) -> Any:
        kernel.sleep(2.0)
        return OK

    world = World(slow, concurrency=1, **retry(10, 600))
    world.warm_up()
    world.publish("a", "b")
    world.kernel.run(until=400.0)
    assert sorted(set(world.bodies())) == ["a", "b"]
    assert world.push.refused > 0
    assert world.left() == 0


def test_push_to_an_instance_that_dies_comes_again() -> None:
    def die(kernel: Kernel, body: str) -> Any:
        if body == "x" and world.bodies().count("x") == 1:
            assert kernel.current is not None
            kernel.current.instance.kill("planned")  # type: ignore[union-attr]  # a function's thread has one
        return OK

    world = World(die)
    world.warm_up()
    world.publish("x")
    world.kernel.run(until=400.0)
    assert (len(gaps(world)), world.push.refused, world.left()) == (1, 1, 0)


def test_push_late_on_its_way_arrives_beside_its_second_copy() -> None:
    held = iter([0.0, 0.0, 50.0])
    world = World(hold_back_s=lambda: next(held, 0.0))
    world.warm_up()
    world.publish("x")
    world.kernel.run(until=400.0)
    first_s, second_s = (at for at, body in world.came if body == "x")
    assert (20.0 < first_s - 60.0 < 22.0, 50.0 < second_s - 60.0 < 52.0) == (True, True)
    assert world.left() == 0


def test_push_duplicate_hook_delivers_a_message_twice() -> None:
    world = World()
    world.warm_up()
    world.subscription.queue.duplicate = lambda received: 5.0 if received.receive_count == 1 else None
    world.publish("x")
    world.kernel.call_later(4.0, lambda: setattr(world.subscription.queue, "duplicate", None))
    world.kernel.run(until=100.0)
    (gap,) = gaps(world)
    assert 4.5 < gap < 6.5
    assert [json.loads(each.get_data())["message"]["messageId"] for each in world.requests[-2:]] == [
        "10000000003"
    ] * 2


@pytest.mark.parametrize("seed", [1, 2])
def test_push_runs_alike_for_equal_seeds(seed: int) -> None:
    def run() -> str:
        world = World(refusing(2), seed=seed)
        world.publish("a", "x", "b")
        world.kernel.run(until=400.0)
        return world.history.digest

    assert run() == run()
