"""The SQS model answers as moto does, call by call, with time moved by hand. What is left out: PARITY.md."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
import time_machine
from botocore.config import Config
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test
from moto import mock_aws

from clef_sim.services import SQS
from clef_sim.services.sqs.message import IN_FLIGHT

START_S = 1_767_225_600
_numbers = itertools.count()
_moto: list[Any] = []


@pytest.fixture(scope="module", autouse=True)
def moto() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch, mock_aws():
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "testing")
        config = Config(retries={"max_attempts": 0})
        _moto.append(boto3.client("sqs", region_name="us-east-1", config=config))
        yield
        _moto.clear()


class Both:
    """The same calls to the model and to moto; a delivery is known by its place in the order of receipts."""

    def __init__(self, clock: Any, fifo: bool) -> None:
        self.fifo, self.clock, self.elapsed_s, self.calls = fifo, clock, 0, 0
        self.clients = {"model": SQS(self.now, stale_delete="deletes"), "moto": _moto[0]}
        suffix = f"-{next(_numbers)}{'.fifo' if fifo else ''}"
        kind = {"FifoQueue": "true"} if fifo else {}
        self.urls: dict[str, dict[str, str]] = {}
        for which, client in self.clients.items():
            dead = client.create_queue(QueueName=f"dead{suffix}", Attributes=kind)["QueueUrl"]
            arn = client.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
            redrive = f'{{"deadLetterTargetArn": "{arn}", "maxReceiveCount": 3}}'
            attributes = {**kind, "VisibilityTimeout": "10", "RedrivePolicy": redrive}
            main = client.create_queue(QueueName=f"main{suffix}", Attributes=attributes)["QueueUrl"]
            self.urls[which] = {"main": main, "dead": dead}
        self.handles: list[dict[str, str]] = []

    def now(self) -> float:
        """Each call takes a millisecond, so that none falls on the very end of a time-out (PARITY 15)."""
        return START_S + self.elapsed_s + self.calls / 1000

    def pass_time(self, seconds: int) -> None:
        self.elapsed_s += seconds

    def stored(self) -> int:
        queue = self.clients["model"].queue(self.urls["model"]["main"])
        return int(queue.visible + queue.in_flight + queue.delayed)

    def in_flight(self) -> list[int]:
        """The deliveries whose handles are fresh and whose messages are in flight."""
        queue = self.clients["model"].queue(self.urls["model"]["main"])
        queue.release(self.now())
        mine = [n for n, each in enumerate(self.handles) if each["model"].startswith(queue.tag + ".")]
        found = [(n, *queue._find(self.handles[n]["model"])) for n in mine]
        return [n for n, message, latest in found if latest and message is not None and message.state == IN_FLIGHT]

    def call(self, operation: str, queue: str, *, delivery: int | None = None, **request: Any) -> Any:
        answers = {}
        self.calls += 1
        self.clock.move_to(self.now())
        for which, client in self.clients.items():
            handle = {} if delivery is None else {"ReceiptHandle": self.handles[delivery][which]}
            try:
                answers[which] = getattr(client, operation)(QueueUrl=self.urls[which][queue], **handle, **request)
            except ClientError as error:
                answers[which] = {"error": error.response["Error"]["Code"]}
        ours, theirs = (shown(answers[which]) for which in ("model", "moto"))
        assert ours == theirs, f"{operation}({queue}, {delivery}, {request})\nmodel {ours}\nmoto  {theirs}"
        for one, other in zip(*(answers[which].get("Messages", []) for which in ("model", "moto")), strict=True):
            self.handles.append({"model": one["ReceiptHandle"], "moto": other["ReceiptHandle"]})
        return ours


def shown(answer: dict[str, Any]) -> Any:
    """What does not depend on drawn ids."""
    if "Messages" in answer:
        messages = [
            {
                "Body": message["Body"],
                "MD5OfBody": message["MD5OfBody"],
                **{name: _shown(name, message["Attributes"].get(name)) for name in ATTRIBUTES},
            }
            for message in answer["Messages"]
        ]
        return sorted(messages, key=lambda each: each["MessageGroupId"] or "")
    if "Successful" in answer or "Failed" in answer:
        return {
            "done": [each["Id"] for each in answer.get("Successful", [])],
            "failed": [(each["Id"], each["Code"]) for each in answer.get("Failed", [])],
        }
    left_out = {"ResponseMetadata", "MessageId", "SequenceNumber"}
    return {name: value for name, value in answer.items() if name not in left_out}


def _shown(name: str, text: str | None) -> Any:
    """Moments to the second: moto cuts the milliseconds off, sometimes one too many."""
    return int(text) // 1000 if text and name.endswith("Timestamp") else text


ATTRIBUTES = (
    "ApproximateReceiveCount",
    "SentTimestamp",
    "ApproximateFirstReceiveTimestamp",
    "MessageGroupId",
    "MessageDeduplicationId",
)
COUNTS = [
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
]


def machine(groups: str, clock: Any) -> Any:
    fifo = bool(groups)
    names = st.sampled_from(list(groups or "-"))
    # PARITY 10, 14: a FIFO batch either holds one message, or everything and never times out.
    together = len(groups) > 1
    sizes = st.sampled_from([1, 2, 10] if not fifo else [10] if together else [1])
    timeouts = st.sampled_from([600] if together else [None, None, 0, 3])
    changes = st.sampled_from([600] if together else [0, 5, 20])

    class Machine(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            clock.move_to(START_S)
            self.both = Both(clock, fifo)
            self.sent = 0

        def message(self, group: str) -> dict[str, Any]:
            self.sent += 1
            fields: dict[str, Any] = {"MessageBody": f"body {self.sent}"}
            if fifo:
                fields |= {"MessageGroupId": group, "MessageDeduplicationId": f"d{self.sent}"}
            return fields

        @rule(group=names, delay_s=st.sampled_from([0, 0, 0, 5]))
        def send(self, group: str, delay_s: int) -> None:
            if self.both.stored() > 9:
                return
            delay = {} if fifo or not delay_s else {"DelaySeconds": delay_s}
            self.both.call("send_message", "main", **self.message(group), **delay)

        @rule(groups=st.lists(names, min_size=1, max_size=4))
        def send_batch(self, groups: list[str]) -> None:
            if self.both.stored() > 6:
                return  # one receive must be able to hold them all
            entries = [{"Id": str(number), **self.message(group)} for number, group in enumerate(groups)]
            self.both.call("send_message_batch", "main", Entries=entries)

        @rule()
        def repeat(self) -> None:
            """A FIFO message again, under the same id."""
            if fifo and self.sent and self.both.elapsed_s < 200:
                fields = self.message("g") | {"MessageDeduplicationId": f"d{self.sent}"}
                self.both.call("send_message", "main", **fields)
                self.both.call("send_message", "main", **fields)

        @rule(most=sizes, timeout_s=timeouts)
        def receive(self, most: int, timeout_s: int | None) -> None:
            timeout = {} if timeout_s is None else {"VisibilityTimeout": timeout_s}
            self.both.call("receive_message", "main", MaxNumberOfMessages=most, AttributeNames=["All"], **timeout)

        @rule()
        def receive_dead(self) -> None:
            for each in (
                self.both.call("receive_message", "dead", MaxNumberOfMessages=10, AttributeNames=["All"]) or []
            ):
                assert each["Body"]

        @rule(data=st.data())
        def delete(self, data: st.DataObject) -> None:
            known = self.both.in_flight() if fifo else list(range(len(self.both.handles)))  # PARITY 13
            if known:
                self.both.call("delete_message", "main", delivery=data.draw(st.sampled_from(known)))

        @rule(data=st.data(), timeout_s=changes)
        def change(self, data: st.DataObject, timeout_s: int) -> None:
            known = self.both.in_flight()  # PARITY 12
            if known:
                delivery = data.draw(st.sampled_from(known))
                self.both.call("change_message_visibility", "main", delivery=delivery, VisibilityTimeout=timeout_s)

        @rule(seconds=st.sampled_from([1, 4, 10, 30]))
        def wait(self, seconds: int) -> None:
            self.both.pass_time(seconds)

        @rule()
        def count(self) -> None:
            self.both.call("get_queue_attributes", "main", AttributeNames=COUNTS)

    return Machine


@pytest.mark.parametrize("groups", ["", "g", "gh"], ids=["standard", "one-group", "two-groups"])
def test_model_and_moto_agree_on_random_calls(groups: str) -> None:
    with time_machine.travel(START_S, tick=False) as clock:
        run_state_machine_as_test(
            machine(groups, clock),
            settings=settings(
                max_examples=25,
                stateful_step_count=20,
                deadline=None,
                derandomize=True,
                database=None,
                phases=[Phase.generate],  # a failure shows its call; shrinking against moto takes minutes
                report_multiple_bugs=False,
                suppress_health_check=list(HealthCheck),
            ),
        )
