"""The SQS model answers as moto, MiniStack and LocalStack do, call by call. What is left out, by target and line, and
who is right: clef_sim/services/PARITY.md.

moto runs in this process, always, and its time is moved by hand. The others are skipped where the environment does
not name them, and started where CLEF_REQUIRE_BACKENDS=1; their time is the wall clock's, so that what ends there
ends at once or not at all.
"""

from __future__ import annotations

import itertools
import time
import uuid
from collections.abc import Iterator
from typing import Any, Literal

import boto3
import msgspec
import pytest
import time_machine
from aws_places import places
from botocore.config import Config
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test
from moto import mock_aws

from clef_sim.services import SQS
from clef_sim.services.sqs.message import IN_FLIGHT

START_S = 1_767_225_600
LONG_S = 600
"""Longer than a test."""

_numbers = itertools.count()


class Target(msgspec.Struct):
    """`left_out`: lines of PARITY.md. `stale_delete`: line 13. `clock`: moves its time; None for the wall clock."""

    name: str
    client: Any
    left_out: frozenset[int]
    stale_delete: Literal["ignored", "deletes", "refused"]
    clock: Any = None
    prefix: str = msgspec.field(default_factory=lambda: f"agree-{uuid.uuid4().hex[:8]}-")


LEFT_OUT = {
    "moto": (frozenset({10, 14}), "deletes"),
    "ministack": (frozenset({35}), "refused"),
    "localstack": (frozenset({36}), "deletes"),
}


def client(url: str | None) -> Any:
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    config = Config(retries={"max_attempts": 0})
    return boto3.client("sqs", endpoint_url=url, region_name="us-east-1", config=config, **keys)


@pytest.fixture(scope="module", params=LEFT_OUT)
def target(request: pytest.FixtureRequest) -> Iterator[Target]:
    name = request.param
    left_out, stale = LEFT_OUT[name]
    if name == "moto":
        with mock_aws(), time_machine.travel(START_S, tick=False) as clock:
            yield Target(name, client(None), left_out, stale, clock)
        return
    with places(name, "sqs") as urls:
        yield Target(name, client(urls["sqs"]), left_out, stale)


class Both:
    """The same calls to the model and to the target; a delivery is known by its place in the order of receipts."""

    def __init__(self, target: Target, fifo: bool) -> None:
        self.fifo, self.target, self.elapsed_s, self.calls = fifo, target, 0, 0
        self.clients = {"model": SQS(self.now, stale_delete=target.stale_delete), target.name: target.client}
        suffix = f"-{target.prefix}{next(_numbers)}{'.fifo' if fifo else ''}"
        visible_s = LONG_S if target.clock is None else 10
        kind = {"FifoQueue": "true"} if fifo else {}
        self.urls: dict[str, dict[str, str]] = {}
        for which, client in self.clients.items():
            dead = client.create_queue(QueueName=f"dead{suffix}", Attributes=kind)["QueueUrl"]
            arn = client.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
            redrive = f'{{"deadLetterTargetArn": "{arn}", "maxReceiveCount": 3}}'
            attributes = {**kind, "VisibilityTimeout": str(visible_s), "RedrivePolicy": redrive}
            main = client.create_queue(QueueName=f"main{suffix}", Attributes=attributes)["QueueUrl"]
            self.urls[which] = {"main": main, "dead": dead}
        self.handles: list[dict[str, str]] = []

    def now(self) -> float:
        """Each call takes a millisecond, so that none falls on the very end of a time-out (PARITY 15)."""
        if self.target.clock is None:
            return time.time()
        return START_S + self.elapsed_s + self.calls / 1000

    def pass_time(self, seconds: int) -> None:
        self.elapsed_s += seconds

    def stored(self) -> int:
        queue = self.clients["model"].queue(self.urls["model"]["main"])
        return int(queue.visible + queue.in_flight + queue.delayed)

    def there(self) -> list[int]:
        """The deliveries whose messages are in the queue."""
        return [number for number, _, _ in self._found()]

    def in_flight(self) -> list[int]:
        """The deliveries whose handles are fresh and whose messages are in flight."""
        return [number for number, message, latest in self._found() if latest and message.state == IN_FLIGHT]

    def _found(self) -> list[tuple[int, Any, bool]]:
        queue = self.clients["model"].queue(self.urls["model"]["main"])
        queue.release(self.now())
        mine = [n for n, each in enumerate(self.handles) if each["model"].startswith(queue.tag + ".")]
        found = [(n, *queue._find(self.handles[n]["model"])) for n in mine]
        return [each for each in found if each[1] is not None]

    def call(self, operation: str, queue: str, *, delivery: int | None = None, **request: Any) -> Any:
        answers = {}
        self.calls += 1
        if self.target.clock is not None:
            self.target.clock.move_to(self.now())
        for which, client in self.clients.items():
            handle = {} if delivery is None else {"ReceiptHandle": self.handles[delivery][which]}
            try:
                answers[which] = getattr(client, operation)(QueueUrl=self.urls[which][queue], **handle, **request)
            except ClientError as error:
                answers[which] = {"error": error.response["Error"]["Code"]}
        ours, theirs = (shown(answers[which], exact=self.target.clock is not None) for which in self.clients)
        assert ours == theirs, (
            f"{operation}({queue}, {delivery}, {request})\nmodel {ours}\n{self.target.name} {theirs}"
        )
        for one, other in zip(*(answers[which].get("Messages", []) for which in self.clients), strict=True):
            self.handles.append({"model": one["ReceiptHandle"], self.target.name: other["ReceiptHandle"]})
        return ours


def shown(answer: dict[str, Any], *, exact: bool) -> Any:
    """What does not depend on drawn ids. `exact`: moments to the second, else only whether they are there."""
    if "Messages" in answer:
        messages = [
            {
                "Body": message["Body"],
                "MD5OfBody": message["MD5OfBody"],
                **{name: _shown(name, message["Attributes"].get(name), exact) for name in ATTRIBUTES},
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


def _shown(name: str, text: str | None, exact: bool) -> Any:
    """moto cuts the milliseconds off, sometimes one too many."""
    if not text or not name.endswith("Timestamp"):
        return text
    return int(text) // 1000 if exact else True


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


def machine(groups: str, target: Target) -> type[RuleBasedStateMachine]:
    fifo, wall = bool(groups), target.clock is None
    names = st.sampled_from(list(groups or "-"))
    # PARITY 10, 14: a FIFO batch either holds one message, or everything and never times out.
    alone = fifo and 10 in target.left_out and len(groups) == 1
    together = len(groups) > 1 and bool({10, 14} & target.left_out)
    sizes = st.sampled_from([1] if alone else [10] if together else [1, 2, 10])
    timeouts = st.sampled_from([LONG_S] if together else [None, None, 0, LONG_S if wall else 3])
    never = together or (fifo and 36 in target.left_out)
    changes = st.sampled_from([LONG_S] if never else [0, LONG_S] if wall else [0, 5, 20])
    delays = st.sampled_from([0, 0, 0, LONG_S if wall else 5])

    class Machine(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            if target.clock is not None:
                target.clock.move_to(START_S)
            self.both = Both(target, fifo)
            self.sent = 0

        def message(self, group: str) -> dict[str, Any]:
            self.sent += 1
            fields: dict[str, Any] = {"MessageBody": f"body {self.sent}"}
            if fifo:
                fields |= {"MessageGroupId": group, "MessageDeduplicationId": f"d{self.sent}"}
            return fields

        @rule(group=names, delay_s=delays)
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
            known = list(range(len(self.both.handles)))
            if fifo:  # PARITY 13
                known = self.both.in_flight()
            elif 35 in target.left_out:
                known = self.both.there()
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
            if not wall:
                self.both.pass_time(seconds)

        @rule()
        def count(self) -> None:
            self.both.call("get_queue_attributes", "main", AttributeNames=COUNTS)

    return Machine


class ForgetfulSQS(SQS):
    """Deletes nothing."""

    def delete_message(self, **request: Any) -> Any:
        return {}


def test_sqs_model_with_a_fault_is_found_out(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "SQS", ForgetfulSQS)
    with pytest.raises(AssertionError, match="main"):
        run_agreement("", target)


@pytest.mark.parametrize("groups", ["", "g", "gh"], ids=["standard", "one-group", "two-groups"])
def test_sqs_model_and_target_agree_on_random_calls(groups: str, target: Target) -> None:
    run_agreement(groups, target)


def run_agreement(groups: str, target: Target) -> None:
    run_state_machine_as_test(
        machine(groups, target),
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
