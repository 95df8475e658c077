"""The Pub/Sub model: publishing, deadlines, order, dead letters, and errors. Time is moved by hand."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from google.api_core import exceptions

from clef_sim.services.pubsub import PubSub
from clef_sim.services.sdk import Unmodelled

TOPIC, SUBSCRIPTION = "projects/p/topics/work", "projects/p/subscriptions/work"
DEAD = "projects/p/topics/dead"


class Clock:
    def __init__(self) -> None:
        self.now_s = 1_767_225_600.0

    def __call__(self) -> float:
        return self.now_s


class Box:
    """One topic with a subscription of its name, and dead letters with one."""

    def __init__(self, **settings: Any) -> None:
        self.clock = Clock()
        self.pubsub = PubSub(self.clock)
        self.pubsub.create_topic(name=DEAD)
        self.pubsub.create_topic(name=TOPIC)
        request = {"name": SUBSCRIPTION, "topic": TOPIC, "ack_deadline_seconds": 10, **settings}
        self.pubsub.create_subscription(request=request)
        self.pubsub.create_subscription(request={"name": "projects/p/subscriptions/dead", "topic": DEAD})

    def publish(self, *bodies: str, key: str = "") -> list[str]:
        messages = [{"data": body.encode(), **({"ordering_key": key} if key else {})} for body in bodies]
        return list(self.pubsub.publish(request={"topic": TOPIC, "messages": messages}).message_ids)

    def pull(self, most: int = 10, subscription: str = "work") -> list[Any]:
        request = {"subscription": f"projects/p/subscriptions/{subscription}", "max_messages": most}
        try:
            return list(self.pubsub.pull(request=request, timeout=1.0).received_messages)
        except exceptions.DeadlineExceeded:
            return []

    def bodies(self, most: int = 10, subscription: str = "work") -> list[str]:
        return [each.message.data.decode() for each in self.pull(most, subscription)]

    def acknowledge(self, *received: Any) -> None:
        ids = [each.ack_id for each in received]
        self.pubsub.acknowledge(request={"subscription": SUBSCRIPTION, "ack_ids": ids})

    def refuse(self, *received: Any) -> None:
        ids = [each.ack_id for each in received]
        request = {"subscription": SUBSCRIPTION, "ack_ids": ids, "ack_deadline_seconds": 0}
        self.pubsub.modify_ack_deadline(request=request)

    def extend(self, received: Any, seconds: int) -> None:
        request = {"subscription": SUBSCRIPTION, "ack_ids": [received.ack_id], "ack_deadline_seconds": seconds}
        self.pubsub.modify_ack_deadline(request=request)


def dead_letters(attempts: int) -> dict[str, Any]:
    return {"dead_letter_policy": {"dead_letter_topic": DEAD, "max_delivery_attempts": attempts}}


def test_pubsub_message_is_delivered_until_it_is_acknowledged() -> None:
    box = Box()
    assert box.publish("a", "b") == ["10000000001", "10000000002"]
    first, second = box.pull()
    assert (first.message.data, first.message.message_id) == (b"a", "10000000001")
    assert box.pull() == []
    box.acknowledge(first)
    box.clock.now_s += 9.9
    assert box.pull() == []
    box.clock.now_s += 0.2
    (again,) = box.pull()
    assert again.message.message_id == second.message.message_id
    assert again.ack_id != second.ack_id


def test_pubsub_late_acknowledgement_does_nothing_once_delivered_again() -> None:
    box = Box()
    box.publish("a")
    (first,) = box.pull()
    box.clock.now_s += 11
    box.pull()
    box.acknowledge(first)
    box.clock.now_s += 11
    assert box.bodies() == ["a"]


def test_pubsub_every_subscription_gets_each_message() -> None:
    box = Box()
    box.pubsub.create_subscription(request={"name": "projects/p/subscriptions/second", "topic": TOPIC})
    box.publish("a")
    assert (box.bodies(), box.bodies(subscription="second")) == (["a"], ["a"])


def test_pubsub_refused_message_comes_again_at_once_without_a_retry_policy() -> None:
    box = Box()
    box.publish("a")
    box.refuse(*box.pull())
    assert box.bodies() == ["a"]


def test_pubsub_refused_message_comes_again_after_pauses_that_double() -> None:
    retry = {"minimum_backoff": timedelta(seconds=10), "maximum_backoff": timedelta(seconds=15)}
    box = Box(retry_policy=retry)
    box.publish("a")
    for pause_s in (10, 15, 15):
        box.refuse(*box.pull())
        box.clock.now_s += pause_s - 0.1
        assert box.pull() == []
        box.clock.now_s += 0.2
    assert box.bodies() == ["a"]


def test_pubsub_deadline_can_be_moved() -> None:
    box = Box()
    box.publish("a")
    (first,) = box.pull()
    box.extend(first, 60)
    box.clock.now_s += 59
    assert box.pull() == []
    box.clock.now_s += 2
    assert box.bodies() == ["a"]


def test_pubsub_message_delivered_too_often_becomes_a_dead_letter() -> None:
    box = Box(**dead_letters(5))
    box.publish("a")
    for attempt in range(1, 6):
        (received,) = box.pull()
        assert received.delivery_attempt == attempt
        box.refuse(received)
    assert box.pull() == []
    (dead,) = box.pull(subscription="dead")
    assert dead.message.data == b"a"
    assert dead.message.attributes["CloudPubSubDeadLetterSourceSubscription"] == "work"
    assert dead.message.attributes["CloudPubSubDeadLetterSourceDeliveryCount"] == "5"


def test_pubsub_message_holds_back_those_of_its_ordering_key() -> None:
    box = Box(enable_message_ordering=True)
    box.publish("a1", "a2", key="a")
    box.publish("b1", key="b")
    box.publish("free", "free too")
    (first,) = box.pull(1)
    assert first.message.ordering_key == "a"
    free = box.pull(1) + box.pull(1) + box.pull(1)
    assert sorted((each.message.data.decode(), each.message.ordering_key) for each in free) == [
        ("b1", "b"),
        ("free", ""),
        ("free too", ""),
    ]
    assert box.pull() == []
    box.refuse(first)
    (again,) = box.pull(1)
    assert again.message.data == b"a1"
    box.acknowledge(again)
    assert box.bodies() == ["a2"]


def test_pubsub_unordered_subscription_ignores_ordering_keys() -> None:
    box = Box()
    box.publish("a1", "a2", key="a")
    assert box.bodies(1) + box.bodies(1) == ["a1", "a2"]


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        ([], "1 to 1000 messages"),
        ([{"data": b"x"}] * 1001, "1 to 1000 messages"),
        ([{"data": b""}], "empty"),
        ([{"data": b"x" * 6_000_000}] * 2, "size exceeds"),
    ],
)
def test_pubsub_publish_over_a_limit_is_refused_whole(messages: list[Any], words: str) -> None:
    box = Box()
    with pytest.raises(exceptions.InvalidArgument, match=words):
        box.pubsub.publish(request={"topic": TOPIC, "messages": messages})
    assert box.pull() == []


def test_pubsub_unknown_names_are_not_found_and_known_ones_exist() -> None:
    box = Box()
    with pytest.raises(exceptions.NotFound, match=r"resource=none"):
        box.pubsub.publish(request={"topic": "projects/p/topics/none", "messages": [{"data": b"x"}]})
    with pytest.raises(exceptions.NotFound):
        box.pull(subscription="none") or None
    with pytest.raises(exceptions.NotFound):
        box.pubsub.create_subscription(
            request={"name": "projects/p/subscriptions/xyz", "topic": "projects/p/topics/not"}
        )
    with pytest.raises(exceptions.AlreadyExists):
        box.pubsub.create_topic(name=TOPIC)
    with pytest.raises(exceptions.AlreadyExists):
        box.pubsub.create_subscription(request={"name": SUBSCRIPTION, "topic": TOPIC})


@pytest.mark.parametrize(
    "ask",
    [
        lambda pubsub: pubsub.seek(request={}),
        lambda pubsub: pubsub.create_subscription(
            request={"name": "projects/p/subscriptions/xyz", "topic": TOPIC, "filter": "attributes.a = 'b'"}
        ),
        lambda pubsub: pubsub.publish(request={"topic": TOPIC, "messages": [{"data": b"x", "message_id": "1"}]}),
    ],
)
def test_pubsub_what_is_not_modelled_is_refused_by_name(ask: Any) -> None:
    with pytest.raises(Unmodelled, match="not modelled"):
        ask(Box().pubsub)
