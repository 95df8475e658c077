"""The SQS model under the kernel: long polls and arrivals, at their exact virtual instants."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from clef_sim.kernel.clock import SimClock
from clef_sim.kernel.threads import Kernel
from clef_sim.services import SQS

Log = list[tuple[float, str, list[str]]]


@pytest.fixture
def kernel() -> Kernel:
    return Kernel()


@pytest.fixture
def sqs(kernel: Kernel) -> SQS:
    sqs = SQS(SimClock(kernel).now, kernel)
    sqs.create_queue(QueueName="q", Attributes={"VisibilityTimeout": "30"})
    sqs.create_queue(QueueName="q.fifo", Attributes={"FifoQueue": "true", "VisibilityTimeout": "30"})
    return sqs


def poll(kernel: Kernel, sqs: SQS, log: Log, who: str, wait_s: int = 20, queue: str = "q", **more: Any) -> None:
    answer = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=wait_s, MaxNumberOfMessages=10, **more)
    bodies = [message["Body"] for message in answer.get("Messages", [])]
    log.append((round(kernel.now, 3), who, bodies))


def send(sqs: SQS, body: str, **more: Any) -> None:
    sqs.send_message(QueueUrl="q", MessageBody=body, **more)


def test_long_poll_is_answered_at_the_instant_of_the_message(kernel: Kernel, sqs: SQS) -> None:
    log: Log = []
    kernel.spawn(lambda: poll(kernel, sqs, log, "a"), who="a")
    kernel.call_later(3.0, lambda: send(sqs, "hello"))
    kernel.run()
    assert log == [(3.0, "a", ["hello"])]


def test_long_poll_ends_empty_after_its_wait(kernel: Kernel, sqs: SQS) -> None:
    log: Log = []
    kernel.spawn(lambda: poll(kernel, sqs, log, "a", wait_s=7), who="a")
    kernel.run()
    assert log == [(7.0, "a", [])]
    assert sqs._arrivals["q"]._polls == []


def test_each_message_answers_one_poll_in_the_order_in_which_they_began(kernel: Kernel, sqs: SQS) -> None:
    log: Log = []
    for who in "abc":
        kernel.spawn(partial(poll, kernel, sqs, log, who), who=who)
    kernel.call_later(1.0, lambda: send(sqs, "one"))
    kernel.call_later(2.0, lambda: send(sqs, "two"))
    kernel.run()
    assert log == [(1.0, "a", ["one"]), (2.0, "b", ["two"]), (20.0, "c", [])]


def test_long_poll_sees_delay_and_visibility_end(kernel: Kernel, sqs: SQS) -> None:
    log: Log = []

    def consumer() -> None:
        for _ in range(3):
            poll(kernel, sqs, log, "a", VisibilityTimeout=4)

    send(sqs, "late", DelaySeconds=5)
    kernel.spawn(consumer, who="a")
    kernel.run()
    assert log == [(5.0, "a", ["late"]), (9.0, "a", ["late"]), (13.0, "a", ["late"])]


def test_poll_whose_thread_was_killed_takes_nothing(kernel: Kernel, sqs: SQS) -> None:
    log: Log = []
    dying = kernel.spawn(lambda: poll(kernel, sqs, log, "dying"), who="dying")
    kernel.spawn(lambda: poll(kernel, sqs, log, "living"), who="living", delay_s=0.5)
    kernel.call_later(1.0, dying.kill)
    kernel.call_later(2.0, lambda: send(sqs, "one"))
    kernel.run()
    assert log == [(2.0, "living", ["one"])]


def test_poll_killed_after_its_answer_leaves_the_message_in_flight(kernel: Kernel, sqs: SQS) -> None:
    log: Log = []
    dying = kernel.spawn(lambda: poll(kernel, sqs, log, "dying"), who="dying")

    def answer_and_kill() -> None:
        send(sqs, "one")
        dying.kill()

    kernel.call_later(1.0, answer_and_kill)
    kernel.spawn(lambda: poll(kernel, sqs, log, "next"), who="next", delay_s=15.0)
    kernel.run()
    assert log == [(31.0, "next", ["one"])]


def test_listener_hears_every_arrival_and_takes_what_it_wants(kernel: Kernel, sqs: SQS) -> None:
    heard: list[tuple[float, list[str]]] = []

    def listen() -> None:
        received = sqs.receive("q", 2, visibility_timeout_s=10)
        heard.append((round(kernel.now, 3), [each.body for each in received]))

    stop = sqs.on_arrival("q", listen)
    kernel.call_later(1.0, lambda: send(sqs, "a"))
    kernel.call_later(2.0, lambda: send(sqs, "b", DelaySeconds=3))
    kernel.call_later(12.0, stop)
    kernel.run()
    assert heard == [(1.0, ["a"]), (5.0, ["b"]), (11.0, ["a"])]


def test_listener_hears_that_a_group_is_free_again(kernel: Kernel, sqs: SQS) -> None:
    heard: list[tuple[float, list[str]]] = []

    def delete(handle: str) -> None:
        sqs.delete_message(QueueUrl="q.fifo", ReceiptHandle=handle)

    def listen() -> None:
        received = sqs.receive("q.fifo", 1)
        if received:
            heard.append((round(kernel.now, 3), [each.body for each in received]))
            handle = received[0].receipt_handle
            kernel.call_later(2.0, partial(delete, handle))

    sqs.on_arrival("q.fifo", listen)
    for body in ("1", "2", "3"):
        sqs.send_message(QueueUrl="q.fifo", MessageBody=body, MessageGroupId="g", MessageDeduplicationId=body)
    kernel.run()
    assert heard == [(0.0, ["1"]), (2.0, ["2"]), (4.0, ["3"])]


def test_waiting_costs_one_timer_not_one_per_message(kernel: Kernel, sqs: SQS) -> None:
    timers: list[float] = []
    call_later = kernel.call_later

    def counted(delay_s: float, function: Any) -> Any:
        timers.append(delay_s)
        return call_later(delay_s, function)

    kernel.call_later = counted  # type: ignore[method-assign]  # counts the calls
    seen: list[str] = []
    sqs.on_arrival("q", lambda: seen.extend(each.body for each in sqs.receive("q", 1000)))
    for number in range(100):
        send(sqs, str(number))
    kernel.run(until=29.0)
    assert len(seen) == 100
    assert len(timers) == 1
    kernel.run(until=31.0)
    assert len(seen) == 200
    assert len(timers) <= 3


def test_long_poll_without_a_kernel_answers_at_once() -> None:
    sqs = SQS(lambda: 0.0)
    sqs.create_queue(QueueName="q")
    assert "Messages" not in sqs.receive_message(QueueUrl="q", WaitTimeSeconds=20)
