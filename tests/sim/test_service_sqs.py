"""The SQS model: delivery, visibility, dead letters, FIFO, and errors. Time is moved by hand."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError, ParamValidationError

from clef_sim.services import SQS, Unmodelled


class Clock:
    def __init__(self) -> None:
        self.now_s = 1_767_225_600.0

    def __call__(self) -> float:
        return self.now_s


class Box:
    """One queue, and the calls that the tests make of it."""

    def __init__(self, sqs: SQS, name: str, **attributes: str) -> None:
        self.sqs = sqs
        self.url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        self.arn = sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]

    def send(self, body: str, group: str | None = None, dedup: str | None = None, **more: Any) -> dict[str, Any]:
        if group is not None:
            more["MessageGroupId"] = group
            more["MessageDeduplicationId"] = dedup or body
        answer: dict[str, Any] = self.sqs.send_message(QueueUrl=self.url, MessageBody=body, **more)
        return answer

    def receive(self, most: int = 10, **more: Any) -> list[dict[str, Any]]:
        answer = self.sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=most, AttributeNames=["All"], **more)
        messages: list[dict[str, Any]] = answer.get("Messages", [])
        return messages

    def bodies(self, most: int = 10, **more: Any) -> list[str]:
        return [message["Body"] for message in self.receive(most, **more)]

    def delete(self, message: dict[str, Any]) -> None:
        self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])

    def change(self, message: dict[str, Any], timeout_s: int) -> None:
        self.sqs.change_message_visibility(
            QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=timeout_s
        )

    def counts(self) -> tuple[int, int, int]:
        """(visible, in flight, delayed)"""
        names = [f"ApproximateNumberOfMessages{kind}" for kind in ("", "NotVisible", "Delayed")]
        found = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)["Attributes"]
        visible, in_flight, delayed = (int(found[name]) for name in names)
        return visible, in_flight, delayed


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sqs(clock: Clock) -> SQS:
    return SQS(clock)


@pytest.fixture
def box(sqs: SQS) -> Box:
    return Box(sqs, "box")


@pytest.fixture
def fifo(sqs: SQS) -> Box:
    return Box(sqs, "box.fifo", FifoQueue="true")


def refused(code: str, call: Any, *arguments: Any, **request: Any) -> None:
    with pytest.raises(ClientError) as caught:
        call(*arguments, **request)
    assert caught.value.response["Error"]["Code"].removeprefix("AWS.SimpleQueueService.") == code


# standard queues


def test_message_comes_again_after_its_visibility_timeout_until_it_is_deleted(box: Box, clock: Clock) -> None:
    box.send("one")
    (first,) = box.receive()
    assert first["Attributes"]["ApproximateReceiveCount"] == "1"
    clock.now_s += 29.9
    assert box.receive() == []
    clock.now_s += 0.1
    (second,) = box.receive()
    assert second["Attributes"]["ApproximateReceiveCount"] == "2"
    assert second["MessageId"] == first["MessageId"]
    assert second["ReceiptHandle"] != first["ReceiptHandle"]
    box.delete(second)
    clock.now_s += 100
    assert box.receive() == []
    assert box.counts() == (0, 0, 0)
    box.delete(second)


def test_latest_handle_deletes_after_the_timeout_too(box: Box, clock: Clock) -> None:
    box.send("one")
    (message,) = box.receive()
    clock.now_s += 31
    box.delete(message)
    assert box.receive() == []


@pytest.mark.parametrize(("behaviour", "left"), [("ignored", 1), ("deletes", 0), ("refused", 1)])
def test_delete_with_a_stale_handle_does_what_was_chosen(clock: Clock, behaviour: Any, left: int) -> None:
    box = Box(SQS(clock, stale_delete=behaviour), "box")
    box.send("one")
    (stale,) = box.receive()
    clock.now_s += 30
    box.receive()
    if behaviour == "refused":
        refused("ReceiptHandleIsInvalid", box.delete, stale)
    else:
        box.delete(stale)
    assert sum(box.counts()) == left


def test_visibility_is_changed_for_the_latest_delivery_only(box: Box, clock: Clock) -> None:
    box.send("one")
    (first,) = box.receive()
    box.change(first, 100)
    clock.now_s += 99
    assert box.receive() == []
    clock.now_s += 1
    (second,) = box.receive()
    box.change(first, 0)
    assert box.receive() == []
    box.change(second, 0)
    assert box.bodies() == ["one"]
    clock.now_s += 31
    refused("MessageNotInflight", box.change, box.receive(VisibilityTimeout=0)[0], 10)


def test_delayed_message_waits_its_delay(box: Box, clock: Clock) -> None:
    box.send("late", DelaySeconds=10)
    box.send("now")
    assert box.counts() == (1, 0, 1)
    assert box.bodies() == ["now"]
    assert box.sqs.next_due_s("box") == 10
    clock.now_s += 10
    assert box.bodies() == ["late"]


def test_message_is_gone_after_its_retention(sqs: SQS, clock: Clock) -> None:
    box = Box(sqs, "short", MessageRetentionPeriod="60", VisibilityTimeout="5")
    box.send("seen")
    box.receive()
    clock.now_s += 30
    box.send("young")
    clock.now_s += 31
    assert box.bodies() == ["young"]
    assert box.counts() == (0, 1, 0)


def test_dead_letter_is_moved_at_the_receive_after_the_last_and_comes_back_as_new(sqs: SQS, clock: Clock) -> None:
    dead = Box(sqs, "dead")
    policy = f'{{"deadLetterTargetArn": "{dead.arn}", "maxReceiveCount": "2"}}'
    box = Box(sqs, "work", RedrivePolicy=policy)
    sent = box.send("bad")
    for _ in range(2):
        assert box.bodies() == ["bad"]
        clock.now_s += 30
    assert dead.counts() == (0, 0, 0)
    assert box.receive() == []
    (message,) = dead.receive(VisibilityTimeout=0)
    assert message["MessageId"] == sent["MessageId"]
    assert message["Attributes"]["DeadLetterQueueSourceArn"] == box.arn
    assert message["Attributes"]["ApproximateReceiveCount"] == "1"
    sqs.start_message_move_task(SourceArn=dead.arn)
    (message,) = box.receive()
    assert message["Attributes"]["ApproximateReceiveCount"] == "1"
    assert message["MessageId"] != sent["MessageId"]
    assert dead.counts() == (0, 0, 0)


def test_receive_goes_on_past_dead_letters(sqs: SQS, clock: Clock) -> None:
    dead = Box(sqs, "dead")
    policy = f'{{"deadLetterTargetArn": "{dead.arn}", "maxReceiveCount": 1}}'
    box = Box(sqs, "work", RedrivePolicy=policy)
    box.send("bad")
    box.receive()
    clock.now_s += 30
    box.send("good")
    assert box.bodies(1) == ["good"]
    assert dead.bodies() == ["bad"]


def test_duplicate_hook_delivers_a_message_once_more_though_the_first_is_deleted(box: Box, clock: Clock) -> None:
    strikes = iter([5.0, None, None])
    box.sqs.queue("box").duplicate = lambda received: next(strikes)
    box.send("one")
    (first,) = box.receive()
    box.delete(first)
    assert box.receive() == []
    clock.now_s += 5
    (second,) = box.receive()
    assert (second["MessageId"], second["Body"]) == (first["MessageId"], "one")
    box.delete(second)
    clock.now_s += 100
    assert box.receive() == []


def test_displace_hook_changes_the_order_of_delivery(box: Box) -> None:
    places = iter([2, 0, 0, 0])
    box.sqs.queue("box").displace = lambda: next(places)
    for body in "abcd":
        box.send(body)
    assert box.bodies() == ["b", "a", "c", "d"]


def test_in_flight_limit_refuses_a_short_poll(sqs: SQS, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clef_sim.services.sqs.queue.IN_FLIGHT_MAX", 3)
    monkeypatch.setattr("clef_sim.services.sqs.client.IN_FLIGHT_MAX", 3)
    box = Box(sqs, "box")
    for number in range(5):
        box.send(str(number))
    assert box.bodies() == ["0", "1", "2"]
    refused("OverLimit", box.receive)
    clock.now_s += 30
    assert len(box.receive()) == 3


# FIFO


def test_group_is_blocked_while_one_of_its_messages_is_in_flight(fifo: Box, clock: Clock) -> None:
    for body in ("a1", "a2", "a3"):
        fifo.send(body, "a")
    fifo.send("b1", "b")
    first = fifo.receive(2)
    assert [message["Body"] for message in first] == ["a1", "a2"]
    assert fifo.bodies(1) == ["b1"]
    assert fifo.receive() == []
    fifo.delete(first[0])
    assert fifo.receive() == []
    fifo.delete(first[1])
    assert fifo.bodies() == ["a3"]


def test_timed_out_batch_comes_again_whole_and_in_order(fifo: Box, clock: Clock) -> None:
    for body in ("1", "2", "3", "4"):
        fifo.send(body, "g")
    assert fifo.bodies(3) == ["1", "2", "3"]
    clock.now_s += 30
    assert fifo.bodies() == ["1", "2", "3", "4"]


def test_same_deduplication_id_is_one_message_for_five_minutes_even_when_deleted(fifo: Box, clock: Clock) -> None:
    first = fifo.send("one", "g", "id")
    fifo.delete(fifo.receive()[0])
    clock.now_s += 299
    again = fifo.send("other", "g", "id")
    assert (again["MessageId"], again["SequenceNumber"]) == (first["MessageId"], first["SequenceNumber"])
    assert fifo.receive() == []
    clock.now_s += 2
    assert fifo.send("other", "g", "id")["MessageId"] != first["MessageId"]
    assert fifo.bodies() == ["other"]


def test_content_is_the_deduplication_id_where_the_queue_says_so(sqs: SQS) -> None:
    box = Box(sqs, "content.fifo", FifoQueue="true", ContentBasedDeduplication="true")
    for body in ("same", "same", "other"):
        sqs.send_message(QueueUrl=box.url, MessageBody=body, MessageGroupId="g")
    assert box.bodies() == ["same", "other"]


def test_fifo_handle_is_worth_nothing_after_the_timeout(fifo: Box, clock: Clock) -> None:
    fifo.send("one", "g")
    (message,) = fifo.receive()
    clock.now_s += 30
    refused("InvalidParameterValue", fifo.delete, message)
    assert fifo.bodies() == ["one"]


def test_fifo_dead_letter_frees_its_group(sqs: SQS, clock: Clock) -> None:
    dead = Box(sqs, "dead.fifo", FifoQueue="true")
    policy = f'{{"deadLetterTargetArn": "{dead.arn}", "maxReceiveCount": 1}}'
    box = Box(sqs, "work.fifo", FifoQueue="true", RedrivePolicy=policy)
    box.send("bad", "g")
    box.send("good", "g")
    assert box.bodies(1) == ["bad"]
    clock.now_s += 30
    assert box.bodies() == ["good"]
    assert dead.bodies() == ["bad"]


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({}, "MissingParameter"),
        ({"MessageGroupId": "g"}, "InvalidParameterValue"),
        ({"MessageGroupId": "g", "MessageDeduplicationId": "d", "DelaySeconds": 5}, "InvalidParameterValue"),
    ],
)
def test_fifo_message_without_what_orders_it_is_refused(fifo: Box, request_: dict[str, Any], code: str) -> None:
    refused(code, fifo.sqs.send_message, QueueUrl=fifo.url, MessageBody="x", **request_)


# requests


def test_batch_reports_each_entry_for_itself(box: Box) -> None:
    entries = [{"Id": "good", "MessageBody": "x"}, {"Id": "bad", "MessageBody": "x", "DelaySeconds": 901}]
    answer = box.sqs.send_message_batch(QueueUrl=box.url, Entries=entries)
    assert [each["Id"] for each in answer["Successful"]] == ["good"]
    assert [(each["Id"], each["Code"], each["SenderFault"]) for each in answer["Failed"]] == [
        ("bad", "InvalidParameterValue", True)
    ]
    (message,) = box.receive()
    handles = [{"Id": "a", "ReceiptHandle": message["ReceiptHandle"]}, {"Id": "b", "ReceiptHandle": "nonsense"}]
    answer = box.sqs.delete_message_batch(QueueUrl=box.url, Entries=handles)
    assert [each["Id"] for each in answer["Successful"]] == ["a"]
    assert [each["Code"] for each in answer["Failed"]] == ["ReceiptHandleIsInvalid"]


@pytest.mark.parametrize(
    ("ids", "code"),
    [
        ([], "EmptyBatchRequest"),
        ([str(number) for number in range(11)], "TooManyEntriesInBatchRequest"),
        (["a", "a"], "BatchEntryIdsNotDistinct"),
    ],
)
def test_malformed_batch_is_refused_whole(box: Box, ids: list[str], code: str) -> None:
    entries = [{"Id": each, "MessageBody": "x"} for each in ids]
    refused(code, box.sqs.send_message_batch, QueueUrl=box.url, Entries=entries)
    assert box.counts() == (0, 0, 0)


def test_size_limits_hold_for_message_and_batch(sqs: SQS, clock: Clock, box: Box) -> None:
    box.send("x" * 262_144)
    refused("InvalidParameterValue", box.send, "x" * 262_145)
    halves = [{"Id": str(number), "MessageBody": "x" * 131_073} for number in range(2)]
    refused("BatchRequestTooLong", sqs.send_message_batch, QueueUrl=box.url, Entries=halves)
    large = Box(SQS(clock, message_bytes_max=1_048_576), "large")
    large.send("x" * 1_048_576)


def test_what_is_not_modelled_is_refused_by_name(sqs: SQS, box: Box) -> None:
    with pytest.raises(Unmodelled, match=r"SQS\.delete_queue is not modelled"):
        sqs.delete_queue(QueueUrl=box.url)
    with pytest.raises(Unmodelled, match="ReceiveRequestAttemptId"):
        sqs.receive_message(QueueUrl=box.url, ReceiveRequestAttemptId="x")
    with pytest.raises(Unmodelled, match="KmsMasterKeyId"):
        sqs.create_queue(QueueName="secret", Attributes={"KmsMasterKeyId": "key"})
    with pytest.raises(ParamValidationError, match="MessageBody"):
        sqs.send_message(QueueUrl=box.url)


def test_queues_are_found_created_once_and_refused_when_wrong(sqs: SQS, box: Box) -> None:
    assert sqs.get_queue_url(QueueName="box")["QueueUrl"] == box.url
    assert sqs.create_queue(QueueName="box")["QueueUrl"] == box.url
    refused("QueueAlreadyExists", sqs.create_queue, QueueName="box", Attributes={"DelaySeconds": "5"})
    refused("InvalidAttributeValue", sqs.create_queue, QueueName="b", Attributes={"DelaySeconds": "901"})
    refused("InvalidParameterValue", sqs.create_queue, QueueName="b", Attributes={"FifoQueue": "true"})
    with pytest.raises(sqs.exceptions.QueueDoesNotExist):
        sqs.send_message(QueueUrl=box.url + "x", MessageBody="x")
    missing = '{"deadLetterTargetArn": "arn:aws:sqs:us-east-1:123456789012:gone", "maxReceiveCount": 1}'
    refused("InvalidParameterValue", sqs.create_queue, QueueName="b", Attributes={"RedrivePolicy": missing})
    sqs.set_queue_attributes(QueueUrl=box.url, Attributes={"VisibilityTimeout": "77"})
    found = sqs.get_queue_attributes(QueueUrl=box.url, AttributeNames=["All"])["Attributes"]
    assert found["VisibilityTimeout"] == "77"


def test_purge_empties_the_queue_once_a_minute(box: Box, clock: Clock) -> None:
    box.send("ready")
    box.send("late", DelaySeconds=5)
    box.receive(1)
    box.send("ready too")
    box.sqs.purge_queue(QueueUrl=box.url)
    clock.now_s += 59
    assert box.receive() == []
    refused("PurgeQueueInProgress", box.sqs.purge_queue, QueueUrl=box.url)


def test_calls_are_billed_by_64_kilobytes(box: Box) -> None:
    queue = box.sqs.queue("box")
    box.send("x")
    assert queue.requests == 1
    box.send("x" * 65_537)
    assert queue.requests == 3
    box.receive()
    assert queue.requests == 5
    box.receive()
    assert queue.requests == 6


def test_memory_follows_what_is_stored_not_what_was_done(box: Box, fifo: Box, clock: Clock) -> None:
    hidden = {box: 0, fifo: 0}
    for number in range(3_000):
        box.send(str(number))
        fifo.send(str(number), f"g{number}")
        for each in (box, fifo):
            (message,) = each.receive()
            each.delete(message)
        clock.now_s += 1 if number > 2_000 else 0.001
        hidden.update({each: max(hidden[each], len(each.sqs.queue(each.url)._hidden)) for each in (box, fifo)})
    for each in (box, fifo):
        queue = each.sqs.queue(each.url)
        assert len(queue._messages) == 0
        assert hidden[each] <= 130
        assert len(queue.dedup._known) <= 301
        assert len(getattr(queue._ready, "_groups", {})) <= 1
