"""The SQS event source: batches, failures, pollers, throttles."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from clef_runtime.errors import BadInput
from clef_sim.history import History
from clef_sim.kernel.choices import Seeded
from clef_sim.kernel.clock import SimClock
from clef_sim.kernel.threads import Kernel
from clef_sim.platform.event_source import EventSource, Mapping, Pollers
from clef_sim.platform.functions import Function, FunctionPlatform
from clef_sim.profiles import profile
from clef_sim.services.sqs import SQS


class World:
    """A queue, a function and their mapping. `handle` gets the event and says what the function returns."""

    def __init__(
        self,
        handle: Callable[[Any], Any] = lambda event: None,
        *,
        fifo: bool = False,
        concurrency: int = 1000,
        visibility_timeout_s: int = 30,
        seed: int = 1,
        **mapping: Any,
    ) -> None:
        self.kernel = Kernel()
        self.history = History(self.kernel)
        choices = Seeded(seed)
        self.sqs = SQS(SimClock(self.kernel).now, self.kernel)
        attributes = {"VisibilityTimeout": str(visibility_timeout_s)}
        if fifo:
            attributes |= {"FifoQueue": "true", "ContentBasedDeduplication": "true"}
        name = "work.fifo" if fifo else "work"
        self.url = self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        self.arn = f"arn:aws:sqs:us-east-1:123456789012:{name}"
        self.platform = FunctionPlatform(self.kernel, choices, self.history, profile("aws"), concurrency=concurrency)
        self.batches: list[tuple[float, list[str]]] = []

        def handler(event: Any, context: Any) -> Any:
            self.batches.append((self.kernel.now, [record["body"] for record in event["Records"]]))
            return handle(event)

        self.deployed = self.platform.deploy(
            Function(name="f", init=lambda instance: handler, bare_init=True, timeout_s=60)
        )
        self.source = EventSource(
            Mapping(queue=self.url, arn=self.arn, function="f", fifo=fifo, **mapping),
            self.kernel,
            choices,
            self.history,
            profile("aws"),
            self.sqs,
            self.platform,
        )

    def send(self, *bodies: str, at_s: float = 0.0, **options: Any) -> None:
        def send() -> None:
            for body in bodies:
                self.sqs.send_message(QueueUrl=self.url, MessageBody=body, **options)

        self.kernel.call_later(at_s, send)

    def warm_up(self) -> None:
        """One instance is warm at 90 s."""
        self.send("warm-up")
        self.kernel.run(until=90.0)
        self.batches.clear()

    def left(self) -> int:
        queue = self.sqs.queue(self.url)
        return int(queue.visible + queue.in_flight)

    def bodies(self) -> list[list[str]]:
        return [bodies for _, bodies in self.batches]


def failing(*bodies: str) -> Callable[[Any], Any]:
    """Says at the first delivery of these that they failed."""

    def handle(event: Any) -> Any:
        return {
            "batchItemFailures": [
                {"itemIdentifier": record["messageId"]}
                for record in event["Records"]
                if record["body"] in bodies and record["attributes"]["ApproximateReceiveCount"] == "1"
            ]
        }

    return handle


def test_messages_sent_together_are_one_batch_and_are_deleted() -> None:
    world = World()
    world.send(*(str(n) for n in range(12)))
    world.kernel.run()
    assert sorted(len(bodies) for bodies in world.bodies()) == [2, 10]
    assert world.left() == 0
    assert (world.source.delivered, world.source.deleted, world.source.in_flight) == (12, 12, 0)
    deliveries = [(e.name, e.data["count"]) for e in world.history if e.kind == "delivery"]
    assert deliveries == [("work", 1)] * 12


def test_record_has_the_shape_of_an_sqs_event() -> None:
    seen: list[Any] = []
    world = World(lambda event: seen.extend(event["Records"]))
    world.send("x", MessageAttributes={"kind": {"StringValue": "a", "DataType": "String"}})
    world.kernel.run()
    [record] = seen
    assert (record["body"], record["eventSource"], record["eventSourceARN"]) == ("x", "aws:sqs", world.arn)
    assert record["attributes"]["ApproximateReceiveCount"] == "1"
    assert record["messageAttributes"] == {"kind": {"stringValue": "a", "dataType": "String"}}
    assert {"messageId", "receiptHandle", "md5OfBody", "awsRegion"} <= record.keys()


def test_delivery_latency_of_a_warm_function_has_the_measured_quantiles() -> None:
    world = World()
    world.warm_up()
    for n in range(400):
        world.send(str(n), at_s=n * 1.0)
    world.kernel.run()
    waits_ms = sorted((at - 90.0 - n) * 1000 for n, (at, _) in enumerate(world.batches))
    assert waits_ms[200] == pytest.approx(16.2, abs=0.8)  # p50 16.2, p90 33.8 ms
    assert waits_ms[360] == pytest.approx(33.8, abs=6.0)


def test_partial_batch_response_brings_only_the_failed_messages_back_after_the_visibility_timeout() -> None:
    world = World(failing("b"))
    world.send("a", "b", "c")
    world.kernel.run()
    assert world.bodies() == [["a", "b", "c"], ["b"]]
    assert world.batches[1][0] == pytest.approx(30.0, abs=1.0)
    assert world.left() == 0


def test_partial_batch_response_is_ignored_where_it_is_not_switched_on() -> None:
    world = World(failing("b"), partial_batch_responses=False)
    world.send("a", "b", "c")
    world.kernel.run()
    assert world.bodies() == [["a", "b", "c"]]
    assert world.left() == 0


@pytest.mark.parametrize("partial", [True, False])
def test_exception_brings_the_whole_batch_back(partial: bool) -> None:
    def handle(event: Any) -> None:
        if event["Records"][0]["attributes"]["ApproximateReceiveCount"] == "1":
            raise ValueError("bad record")

    world = World(handle, partial_batch_responses=partial)
    world.send("a", "b")
    world.kernel.run()
    assert world.bodies() == [["a", "b"], ["a", "b"]]
    assert [e.data["count"] for e in world.history if e.kind == "delivery"] == [1, 1, 2, 2]


@pytest.mark.parametrize(
    ("answer", "again"),
    [
        (None, False),
        ({}, False),
        ({"batchItemFailures": []}, False),
        ({"batchItemFailures": None}, False),
        ("done", True),
        ({"batchItemFailures": [{"itemIdentifier": "unknown"}]}, True),
        ({"batchItemFailures": [{"itemIdentifier": ""}]}, True),
        ({"batchItemFailures": [{"wrong": "key"}]}, True),
        ({"batchItemFailures": "all"}, True),
    ],
)
def test_answer_that_names_no_known_message_fails_the_whole_batch(answer: Any, again: bool) -> None:
    calls = itertools.count()
    world = World(lambda event: answer if next(calls) == 0 else None)
    world.send("a", "b")
    world.kernel.run()
    assert world.bodies() == ([["a", "b"], ["a", "b"]] if again else [["a", "b"]])


def test_window_gathers_until_it_ends_or_the_batch_is_full() -> None:
    world = World(batch_size=3, window_s=5.0)
    world.warm_up()
    world.send("a")
    world.send("b", at_s=2.0)
    for n, body in enumerate("cdef"):
        world.send(body, at_s=20.0 + n * 0.1)
    world.kernel.run()
    assert world.bodies() == [["a", "b"], ["c", "d", "e"], ["f"]]
    assert world.batches[0][0] == pytest.approx(95.0, abs=0.5)
    assert world.batches[1][0] == pytest.approx(110.2, abs=0.5)
    assert world.batches[2][0] == pytest.approx(115.3, abs=0.5)


def test_fifo_keeps_the_order_within_a_group_and_blocks_it_while_in_flight() -> None:
    world = World(lambda event: world.kernel.sleep(1.0), fifo=True, batch_size=2)
    for n in range(4):
        world.send(f"a{n}", MessageGroupId="a", at_s=n * 0.001)
        world.send(f"b{n}", MessageGroupId="b", at_s=n * 0.001)
    world.kernel.run()
    flat = [body for _, bodies in world.batches for body in bodies]
    assert [body for body in flat if body[0] == "a"] == ["a0", "a1", "a2", "a3"]
    assert [body for body in flat if body[0] == "b"] == ["b0", "b1", "b2", "b3"]
    assert world.left() == 0


def test_pollers_start_at_five_and_grow_by_300_a_minute_under_a_backlog() -> None:
    world = World(lambda event: world.kernel.sleep(50.0), batch_size=1, visibility_timeout_s=600)
    world.send(*(str(n) for n in range(500)))
    in_flight: dict[float, int] = {}
    for at_s in (0.5, 10.1, 40.1):
        world.kernel.call_later(at_s, lambda at_s=at_s: in_flight.__setitem__(at_s, world.source.in_flight))
    world.kernel.run(until=41.0)
    assert in_flight == {0.5: 7, 10.1: 55, 40.1: 205}


def test_pollers_start_over_after_a_minute_without_messages() -> None:
    kernel = Kernel()
    pollers = Pollers(kernel, profile("aws"), None)
    kernel.call_later(0.0, lambda: pollers.wait_for_more(lambda: None))
    seen: list[int] = []
    kernel.call_later(10.0, lambda: (seen.append(pollers.now(5)), pollers.enough(0)))
    kernel.call_later(30.0, lambda: seen.append(pollers.now(0)))
    kernel.call_later(71.0, lambda: seen.append(pollers.now(0)))
    kernel.run()
    assert seen == [55, 55, 5]


def test_maximum_concurrency_caps_the_invocations() -> None:
    world = World(lambda event: world.kernel.sleep(1.0), batch_size=1, maximum_concurrency=2)
    world.send(*(str(n) for n in range(12)))
    world.kernel.run()
    assert world.deployed.pool.in_flight_max == 2
    assert world.left() == 0


def test_throttled_batch_is_left_to_its_visibility_timeout_and_the_source_pauses() -> None:
    world = World(lambda event: world.kernel.sleep(0.5), batch_size=1, concurrency=1, visibility_timeout_s=5)
    world.send("a", "b")
    world.kernel.run()
    assert sorted(world.bodies()) == [["a"], ["b"]]
    assert world.source.throttled >= 1
    counts = [e.data["count"] for e in world.history if e.kind == "delivery"]
    assert counts == [1, 2]
    assert world.batches[1][0] > 5.0
    assert world.left() == 0


def test_source_takes_nothing_from_the_queue_while_it_pauses() -> None:
    world = World(lambda event: world.kernel.sleep(3.0), batch_size=1, concurrency=1, visibility_timeout_s=60)
    world.warm_up()
    world.send("a", "b")
    for n in range(5):
        world.send(f"c{n}", at_s=0.3 + n * 0.1)  # the second was throttled at about 0.02
    world.kernel.run(until=90.9)
    assert world.source.throttled == 1
    assert world.sqs.queue(world.url).visible == 5
    world.kernel.run(until=91.5)
    assert world.sqs.queue(world.url).visible < 5


def test_batch_held_back_past_the_visibility_timeout_is_delivered_twice() -> None:
    late = iter([40.0])
    world = World(hold_back_s=lambda: next(late, 0.0), visibility_timeout_s=30)
    world.send("a")
    world.kernel.run()
    assert world.bodies() == [["a"], ["a"]]
    assert [round(at) for at, _ in world.batches] == [30, 40]
    assert world.left() == 0


def test_source_over_a_killed_instance_delivers_the_batch_again() -> None:
    kills = iter([True])

    def handle(event: Any) -> None:
        if next(kills, False):
            thread = world.kernel.current
            assert thread is not None
            assert thread.instance is not None
            thread.instance.kill("crash")

    world = World(handle)
    world.send("a")
    world.kernel.run()
    assert world.bodies() == [["a"], ["a"]]
    assert world.left() == 0


def test_same_seed_gives_the_same_digest() -> None:
    def digest(seed: int) -> str:
        world = World(failing("3", "7"), seed=seed)
        for n in range(50):
            world.send(str(n), at_s=n * 0.01)
        world.kernel.run()
        return world.history.digest

    assert digest(1) == digest(1)
    assert digest(1) != digest(2)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"batch_size": 0}, r"batch_size\(=0\) must be in 1..10000"),
        ({"batch_size": 11, "fifo": True}, r"batch_size\(=11\) must be in 1..10"),
        ({"batch_size": 100}, r"window_s\(=0.0\) must be >= 1"),
        ({"window_s": 301.0}, r"window_s\(=301.0\) must be in 0..300"),
        ({"window_s": 1.0, "fifo": True}, r"window_s\(=1.0\) must be in 0..0"),
        ({"maximum_concurrency": 1}, r"maximum_concurrency\(=1\) must be >= 2"),
    ],
)
def test_mapping_that_could_not_be_created_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        World(**options)
