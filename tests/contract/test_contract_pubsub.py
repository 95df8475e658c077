"""Clauses T of docs/contracts.md on Pub/Sub: dispatcher, publisher, and the pulling of what they sent."""

from __future__ import annotations

from typing import Any

import pytest
from contract_backends import TestClock
from contract_google import PROJECT, PubSub
from contract_messages import completion, invocation
from google.api_core import exceptions as sdk

from clef_runtime.errors import BadInput, ClefError, Indeterminate, NotFound, Refused, Throttled, TooLarge
from clef_runtime.model import Completion, Invocation, completion_from, invocation_from
from clef_runtime.transport.batches import to_repeat
from clef_runtime.transport.pubsub import (
    BATCH_BYTES,
    Message,
    PubSubConsumer,
    PubSubDispatcher,
    PubSubPublisher,
)

USER, POST = "urn:clef/User", "urn:clef/Post"


class FaultyPublisher:
    """A publisher whose next calls fail as told; `requests` has those that were made."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._faults: list[tuple[Exception, bool]] = []
        self.requests: list[dict[str, Any]] = []

    def fail(self, error: Exception, *, reach: bool = False, times: int = 1) -> None:
        """`reach`: the call is made, and its answer lost."""
        self._faults += [(error, reach)] * times

    def publish(self, request: dict[str, Any], **options: Any) -> Any:
        self.requests.append(request)
        error, reach = self._faults.pop(0) if self._faults else (None, True)
        answer = self._client.publish(request=request, **options) if reach else None
        if error is not None:
            raise error
        return answer


class Topics:
    """A topic for each concept, and what is in its subscription."""

    def __init__(self, pubsub: PubSub, *, fifo: bool = False) -> None:
        self._pubsub, self._fifo = pubsub, fifo
        self.faults, self.clock = FaultyPublisher(pubsub.publisher), TestClock()
        self._made: dict[str, tuple[str, str]] = {}

    def of(self, concept: str) -> tuple[str, str]:
        if concept not in self._made:
            self._made[concept] = self._pubsub.topic(fifo=self._fifo)
        return self._made[concept]

    def dispatcher(self) -> PubSubDispatcher:
        return PubSubDispatcher(self.faults, lambda concept: self.of(concept)[0], self.clock, fifo=self._fifo)

    def publisher(self) -> PubSubPublisher:
        return PubSubPublisher(self.faults, self.of("evaluator")[0], self.clock, fifo=self._fifo)

    def consumer(self, concept: str) -> PubSubConsumer:
        return PubSubConsumer(self._pubsub.subscriber, self.of(concept)[1], self.clock)

    def drain(self, concept: str, count: int) -> list[Message]:
        """Pulls until `count` messages are there, and says whether there are more."""
        found: list[Message] = []
        consumer = self.consumer(concept)
        while len(found) < count:
            pulled = consumer.pull(count=1000, wait_s=10)
            assert pulled, f"{len(found)} of {count} messages came"
            consumer.acknowledge(pulled)
            found += pulled
        return found

    def received(self, concept: str, count: int) -> list[Invocation | Completion]:
        read = completion_from if concept == "evaluator" else invocation_from
        return [read(message.body) for message in self.drain(concept, count)]


def by_id(messages: list[Any]) -> list[Any]:
    return sorted(messages, key=lambda message: message.id)


def test_pubsub_dispatcher_sends_each_invocation_to_its_concepts_topic(pubsub: PubSub) -> None:  # T1 T2
    topics = Topics(pubsub)
    users = [invocation(f"i{number:04}", x=number) for number in range(1003)]
    posts = [invocation(f"p{number}", concept="Post", body="ü\U0001f600") for number in range(2)]
    assert topics.dispatcher().send([*users[:20], *posts, *users[20:]]) == []
    assert [len(request["messages"]) for request in topics.faults.requests] == [1000, 3, 2]
    assert by_id(topics.received(USER, 1003)) == users
    assert by_id(topics.received(POST, 2)) == posts


def test_pubsub_dispatcher_sends_nothing_for_no_invocations(pubsub: PubSub) -> None:  # T1
    topics = Topics(pubsub)
    assert topics.dispatcher().send([]) == []
    assert topics.faults.requests == []


def test_pubsub_dispatcher_keeps_a_request_below_the_limit_of_bytes(pubsub: PubSub) -> None:  # T3
    topics = Topics(pubsub)
    topics.dispatcher().send([invocation(f"i{number}", body="\u20ac" * 1_000_000) for number in range(3)])
    assert [len(request["messages"]) for request in topics.faults.requests] == [2, 1]
    assert len(topics.received(USER, 3)) == 3


def test_pubsub_message_too_large_sends_nothing(pubsub: PubSub) -> None:  # T3
    topics = Topics(pubsub)
    sent = [invocation("i1", concept="Post"), invocation("i2", body="x" * BATCH_BYTES)]
    with pytest.raises(TooLarge, match=str(BATCH_BYTES)):
        topics.dispatcher().send(sent)
    with pytest.raises(TooLarge, match=str(BATCH_BYTES)):
        topics.publisher().publish(completion("c1", user="x" * BATCH_BYTES))
    assert topics.faults.requests == []


@pytest.mark.parametrize("reach", [True, False])
def test_pubsub_dispatcher_sends_again_without_an_answer(pubsub: PubSub, reach: bool) -> None:  # T5
    topics = Topics(pubsub)
    topics.faults.fail(sdk.DeadlineExceeded("planned"), reach=reach)
    topics.dispatcher().send([invocation("i1")])
    assert {each.id for each in topics.received(USER, 2 if reach else 1)} == {"i1"}
    assert topics.clock.pauses == [0.05]


@pytest.mark.parametrize(
    ("error", "meaning", "calls"),
    [
        (sdk.ResourceExhausted("planned"), Throttled, 4),
        (sdk.ServiceUnavailable("planned"), Indeterminate, 4),
        (sdk.PermissionDenied("planned"), Refused, 1),
    ],
    ids=repr,
)
def test_pubsub_errors_are_translated(
    pubsub: PubSub, error: Exception, meaning: type[ClefError], calls: int
) -> None:  # T5
    topics = Topics(pubsub)
    for send in (
        lambda: topics.dispatcher().send([invocation("i1")]),
        lambda: topics.publisher().publish(completion("c1")),
    ):
        topics.faults.fail(error, times=calls)
        topics.faults.requests.clear()
        with pytest.raises(meaning, match=r"topic 'projects/.*planned"):
            send()
        assert len(topics.faults.requests) == calls


def test_pubsub_missing_topic_or_subscription_is_named(pubsub: PubSub) -> None:  # T5
    clock, gone = TestClock(), f"projects/{PROJECT}/topics/gone"
    with pytest.raises(NotFound, match="topics/gone"):
        PubSubDispatcher(pubsub.publisher, lambda _: gone, clock).send([invocation("i1")])
    with pytest.raises(NotFound, match="topics/gone"):
        PubSubPublisher(pubsub.publisher, gone, clock).publish(completion("c1"))
    with pytest.raises(NotFound, match="subscriptions/gone"):
        PubSubConsumer(pubsub.subscriber, f"projects/{PROJECT}/subscriptions/gone", clock).pull(count=1, wait_s=5)


def test_pubsub_ordering_keeps_a_flows_order(pubsub: PubSub) -> None:  # T6
    topics = Topics(pubsub, fifo=True)
    sent = [invocation(f"i{number:02}", flow=f"f{number % 2}") for number in range(20)]
    topics.dispatcher().send(sent)
    messages = topics.drain(USER, 20)
    for flow in ("f0", "f1"):
        got = [invocation_from(message.body) for message in messages if message.key == flow]
        assert got == [each for each in sent if each.flow == flow]


def test_pubsub_flow_that_is_no_ordering_key_is_derived(pubsub: PubSub) -> None:  # T6
    topics = Topics(pubsub, fifo=True)
    topics.dispatcher().send([invocation("i1", flow="flüw"), invocation("i2", flow="f" * 2000)])
    assert {message.key for message in topics.drain(USER, 2)}.isdisjoint({"", "flüw", "f" * 2000})
    plain = Topics(pubsub)
    plain.publisher().publish(completion("c1"))
    assert [message.key for message in plain.drain("evaluator", 1)] == [""]


@pytest.mark.parametrize("fifo", [False, True])
def test_pubsub_publisher_sends_a_completion_as_it_is(pubsub: PubSub, fifo: bool) -> None:  # T1 T5
    topics = Topics(pubsub, fifo=fifo)
    topics.faults.fail(sdk.ResourceExhausted("planned"), times=2)
    topics.publisher().publish(completion("c1", trace="t"))
    assert topics.received("evaluator", 1) == [completion("c1", trace="t")]


def test_pubsub_consumer_takes_off_what_is_done_and_lets_the_rest_come_again(pubsub: PubSub) -> None:  # T9
    topics = Topics(pubsub)
    topics.dispatcher().send([invocation(id_) for id_ in ("good", "bad")])
    consumer, seen = topics.consumer(USER), list[str]()

    def work(bodies: Any) -> list[ClefError | None]:
        ids = [invocation_from(body).id for body in bodies]
        first = "bad" not in seen
        seen.extend(ids)
        return [Throttled("later") if id_ == "bad" and first else None for id_ in ids]

    while sorted(seen) != ["bad", "bad", "good"]:
        assert consumer.deliver(work, wait_s=10) > 0, seen
    assert consumer.deliver(work, wait_s=0.3) == 0


def test_pubsub_consumer_leaves_what_its_work_raises_about(pubsub: PubSub) -> None:  # T9
    topics = Topics(pubsub)
    topics.publisher().publish(completion("c1"))

    def breaks(_: Any) -> Any:
        raise BadInput("a bug")

    with pytest.raises(BadInput):
        topics.consumer("evaluator").deliver(breaks, wait_s=10)
    with pytest.raises(ValueError, match="shorter"):
        to_repeat([], [None])


def test_failed_message_brings_back_what_follows_it_in_its_group() -> None:  # T9
    bad = Throttled("x")
    assert to_repeat([None, bad, None, None, None], ["g", "g", "g", "h", None]) == [False, True, True, False, False]
    assert to_repeat([bad, None], [None, None]) == [True, False]
