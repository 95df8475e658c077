"""SQS of the emulated world against the model: the same script, the same deliveries at the same virtual instants."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import pytest
from botocore.exceptions import ClientError
from emulated_aws import WAYS, started

from clef_sim.emulated.backends import Backend, BackendFailed
from clef_sim.emulated.sqs import EmulatedSQS
from clef_sim.emulated.sqs_store import Store
from clef_sim.kernel.clock import SimClock
from clef_sim.kernel.threads import Kernel
from clef_sim.services.sqs import SQS

pytestmark = pytest.mark.emulated

Seen: TypeAlias = list[Any]


@pytest.fixture(scope="module", params=WAYS)
def backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    with started(request.param, "sqs") as backends:
        yield backends["sqs"]


class Account:
    """A queue `work` with dead letters after three receives, and a consumer that writes down what it sees."""

    def __init__(self, kernel: Kernel, sqs: SQS, *, fifo: bool = False) -> None:
        self.kernel, self.sqs, self.seen = kernel, sqs, Seen()
        suffix = ".fifo" if fifo else ""
        kind = {"FifoQueue": "true"} if fifo else {}
        self.dead = self._create(f"work-dead{suffix}", kind)
        arn = sqs.get_queue_attributes(QueueUrl=self.dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 3})
        self.url = self._create(f"work{suffix}", {**kind, "VisibilityTimeout": "30", "RedrivePolicy": policy})
        self.handles: dict[str, str] = {}

    def _create(self, name: str, attributes: dict[str, str]) -> str:
        return str(self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"])

    def send(self, *bodies: str, **more: Any) -> None:
        for body in bodies:
            self.sqs.send_message(QueueUrl=self.url, MessageBody=body, **more)

    def receive(self, most: int = 10, url: str = "") -> None:
        got = self.sqs.receive(url or self.url, most)
        self.seen.append((self.kernel.now, [(each.message_id, each.body, each.receive_count) for each in got]))
        self.handles |= {each.body: each.receipt_handle for each in got}

    def delete(self, *bodies: str) -> None:
        entries = [{"Id": str(n), "ReceiptHandle": self.handles[body]} for n, body in enumerate(bodies)]
        answer = self.sqs.delete_message_batch(QueueUrl=self.url, Entries=entries)
        self.seen.append(sorted(each["Id"] for each in answer["Successful"]))

    def counts(self) -> None:
        for url in (self.url, self.dead):
            queue = self.sqs.queue(url)
            self.seen.append((queue.visible, queue.in_flight, queue.delayed))

    def at(self, second: float, function: Callable[..., Any], *arguments: Any, **more: Any) -> None:
        self.kernel.call_later(second, lambda: function(*arguments, **more))


Script: TypeAlias = Callable[[Account], None]


def plain(account: Account) -> None:
    account.at(0, account.send, "a", "b", "c")
    account.at(1, account.receive, 2)
    account.at(2, account.delete, "a", "b")
    account.at(3, account.receive)
    account.at(4, account.delete, "c")
    account.at(5, account.counts)


def redelivered(account: Account) -> None:
    """Two are given back after 30 s, in the order of sending, though the later one went out again meanwhile."""
    account.at(0, account.send, "a", "b")
    account.at(1, account.receive, 1)
    account.at(6, account.receive, 1)
    account.at(30, account.receive)
    account.at(31.5, account.receive)
    account.at(36.5, account.receive)
    account.at(37, account.delete, "b")
    account.at(70, account.receive)
    account.at(70, account.counts)


def stale(account: Account) -> None:
    """A consumer that stood still deletes by the handle of a delivery that is over: another has the message."""

    def late(handle: str) -> None:
        entries = [{"Id": "0", "ReceiptHandle": handle}]
        account.seen.append(account.sqs.delete_message_batch(QueueUrl=account.url, Entries=entries)["Successful"])

    account.at(0, account.send, "a")
    account.at(1, account.receive)
    account.at(32, lambda: account.at(1, late, account.handles["a"]))
    account.at(32.5, account.receive)
    account.at(34, account.counts)
    account.at(35, account.delete, "a")
    account.at(36, account.counts)


def visible_again_and_deleted(account: Account) -> None:
    """The latest handle deletes a message that has become visible meanwhile."""
    account.at(0, account.send, "a", "b")
    account.at(1, account.receive, 1)
    account.at(40, account.delete, "a")
    account.at(41, account.receive)
    account.at(42, account.counts)


def delayed(account: Account) -> None:
    account.at(0, account.send, "late", DelaySeconds=60)
    account.at(1, account.send, "soon")
    account.at(2, account.receive)
    account.at(61, account.receive)
    account.at(62, account.counts)


def dead(account: Account) -> None:
    """Received three times, and gone to the dead letters at the fourth; sent back from there."""
    account.at(0, account.send, "bad", "good")
    for second in (1, 32, 63):
        account.at(second, account.receive)
    account.at(64, account.delete, "good")
    account.at(95, account.receive)
    account.at(95, account.counts)
    account.at(96, account.receive, url=account.dead)
    account.at(130, account.sqs.start_message_move_task, SourceArn=account.sqs.queue(account.dead).arn)
    account.at(131, account.receive)
    account.at(132, account.counts)


def doubled(account: Account) -> None:
    """A fault's copy comes a little later, is received as often as the message, and dies as it would."""
    doubles = iter((4.0,))
    account.sqs.queue(account.url).duplicate = lambda _: next(doubles, None)
    account.at(0, account.send, "a", "b")
    account.at(1, account.receive)
    account.at(6, account.receive)
    account.at(7, account.delete, "b")
    for second in (40, 75, 110, 145):
        account.at(second, account.receive)
    account.at(150, account.counts)


def displaced(account: Account) -> None:
    places = iter((2, 0, 0, 0))
    account.sqs.queue(account.url).displace = lambda: next(places, 0)
    account.at(0, account.send, "a", "b", "c", "d")
    for second in range(1, 5):
        account.at(second, account.receive, 1)


def released(account: Account) -> None:
    """Visibility changed by the consumer: longer, then over at once."""

    def change(seconds: int) -> None:
        account.sqs.change_message_visibility(
            QueueUrl=account.url, ReceiptHandle=account.handles["a"], VisibilityTimeout=seconds
        )

    account.at(0, account.send, "a")
    account.at(1, account.receive)
    account.at(20, change, 100)
    account.at(50, account.receive)
    account.at(60, change, 0)
    account.at(61, account.receive)


def expired(account: Account) -> None:
    """Four days in a queue are the end of a message, in flight or not."""
    account.at(0, account.send, "a", "b")
    account.at(345_590, account.receive, 1)
    account.at(345_601, account.receive)
    account.at(345_602, account.counts)


def purged(account: Account) -> None:
    account.at(0, account.send, "a", "b", "c")
    account.at(1, account.receive, 1)
    account.at(2, account.sqs.purge_queue, QueueUrl=account.url)
    account.at(3, account.send, "d")
    account.at(4, account.receive)


def many(account: Account) -> None:
    """More than one receive can bring, sent in batches."""

    def send(first: int) -> None:
        entries = [{"Id": str(n), "MessageBody": f"m{first + n}"} for n in range(10)]
        answer = account.sqs.send_message_batch(QueueUrl=account.url, Entries=entries)
        account.seen.append([each["MessageId"] for each in answer["Successful"]])

    for first in (0, 10, 20):
        account.at(0, send, first)
    account.at(1, account.receive, 25)
    account.at(2, account.delete, *(f"m{n}" for n in range(7)))
    account.at(40, account.receive, 30)
    account.at(41, account.counts)


SCRIPTS: tuple[Script, ...] = (
    plain,
    redelivered,
    stale,
    visible_again_and_deleted,
    delayed,
    dead,
    doubled,
    displaced,
    released,
    expired,
    purged,
    many,
)


def played(script: Script, sqs_of: Callable[[Kernel], SQS], **options: Any) -> Account:
    kernel = Kernel()
    account = Account(kernel, sqs_of(kernel), **options)
    script(account)
    kernel.run()
    return account


def in_model(kernel: Kernel) -> SQS:
    return SQS(SimClock(kernel).now, kernel)


def store_of(account: Account) -> Store:
    assert isinstance(account.sqs, EmulatedSQS)
    return account.sqs.queue(account.url).store


def check(account: Account) -> None:
    assert isinstance(account.sqs, EmulatedSQS)
    account.sqs.check()


def on(backend: Backend) -> Callable[[Kernel], EmulatedSQS]:
    return lambda kernel: EmulatedSQS(backend, kernel, SimClock(kernel).now)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.__name__)
def test_emulated_queue_delivers_what_the_model_delivers(backend: Backend, script: Script) -> None:
    account = played(script, on(backend))
    assert account.seen == played(script, in_model).seen
    check(account)


def groups(account: Account) -> None:
    """A group waits for its first message; a repeated deduplication id is dropped."""

    def send(group: str, *bodies: str) -> None:
        for body in bodies:
            account.send(body, MessageGroupId=group, MessageDeduplicationId=body)

    account.at(0, send, "g", "g1", "g2")
    account.at(0, send, "h", "h1")
    account.at(0, send, "g", "g1")
    account.at(1, account.receive, 1)
    account.at(2, account.receive)
    account.at(3, account.delete, "g1", "h1")
    account.at(4, account.receive)
    account.at(40, account.receive)
    account.at(41, account.delete, "g2")
    account.at(42, account.counts)


def test_emulated_fifo_queue_delivers_what_the_model_delivers(backend: Backend) -> None:
    if backend.way == "moto":
        pytest.skip("its FIFO queues are not believed: see backends.why_not")
    assert played(groups, on(backend), fifo=True).seen == played(groups, in_model, fifo=True).seen


def test_second_run_finds_empty_queues(backend: Backend) -> None:
    played(lambda account: account.at(0, account.send, "left over"), on(backend))
    account = played(lambda account: account.at(0, account.receive), on(backend))
    assert account.seen == [(0.0, [])]


def stolen(backend: Backend, interfere: Callable[[Account, Any], None]) -> str:
    """What is said where somebody else interferes with the queue of a run."""

    def script(account: Account) -> None:
        account.at(0, account.send, "a")
        account.at(1, lambda: interfere(account, store_of(account)))
        account.at(2, account.receive)

    with pytest.raises(BackendFailed) as failed:
        check(played(script, on(backend)))
    return str(failed.value)


def test_message_that_the_service_loses_is_blamed_on_it(backend: Backend) -> None:
    said = stolen(backend, lambda _, store: store.purge())
    assert f"sqs ({backend.way}) at {backend.url} does not hand out message" in said
    assert "queue work" in said


def test_message_that_the_service_has_too_many_is_blamed_on_it(backend: Backend) -> None:
    assert "holds 2 messages in queue work, not 1" in stolen(backend, lambda _, store: store.send("x", {}, None, ""))


def test_queue_that_is_gone_is_blamed_on_the_service(backend: Backend) -> None:
    said = stolen(backend, lambda _, store: store.sdk.delete_queue(QueueUrl=store.url))
    assert "lacks what the run created in it" in said


def test_body_that_the_service_refuses_is_the_sdk_s_own_error(backend: Backend) -> None:
    kernel = Kernel()
    account = Account(kernel, on(backend)(kernel))
    with pytest.raises(ClientError):
        account.send("x" * 1_200_000)
    account.receive()
    assert account.seen == [(0.0, [])]
