"""Pub/Sub's emulator in virtual time: attempts, pauses, order, copies, dead letters, and one that loses a message."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from google.api_core import exceptions

from clef_sim.emulated import subscription as emulated
from clef_sim.emulated.backends import Backend, BackendFailed
from clef_sim.emulated.pubsub import EmulatedPubSub
from clef_sim.kernel.clock import EPOCH_S
from clef_sim.kernel.threads import Kernel
from clef_sim.services.pubsub import PubSub
from clef_sim.services.sdk import Unmodelled
from emulators import Running, start

pytestmark = pytest.mark.emulated

RETRY = {"minimum_backoff": timedelta(seconds=10), "maximum_backoff": timedelta(seconds=600)}


class Box:
    """One topic, its subscription, and its dead letters' with one."""

    def __init__(self, service: Running | None, **settings: Any) -> None:
        self.kernel = Kernel()
        now = lambda: EPOCH_S + self.kernel.now  # noqa: E731  a clock
        if service is None:
            self.pubsub: Any = PubSub(now, self.kernel)
        else:
            self.pubsub = EmulatedPubSub(Backend("pubsub", service.way, service.urls["pubsub"], {}), now, self.kernel)
        self.topic, dead = self.name("topics", "work"), self.name("topics", "dead")
        self.pubsub.create_topic(name=dead)
        self.pubsub.create_subscription(request={"name": self.name("subscriptions", "dead"), "topic": dead})
        self.pubsub.create_topic(name=self.topic)
        request = {"name": self.name("subscriptions", "work"), "topic": self.topic, "ack_deadline_seconds": 10}
        policy = {"dead_letter_topic": dead, "max_delivery_attempts": 5}
        self.pubsub.create_subscription(
            request={**request, "dead_letter_policy": policy, "retry_policy": RETRY, **settings}
        )
        self.work, self.dead = self.pubsub.subscription("work"), self.pubsub.subscription("dead")

    def name(self, kind: str, name: str) -> str:
        return f"projects/{self.pubsub.project}/{kind}/{name}"

    def publish(self, *bodies: str, key: str = "") -> None:
        messages = [{"data": body.encode(), "ordering_key": key} for body in bodies]
        self.pubsub.publish(request={"topic": self.topic, "messages": messages})

    def pass_time(self, seconds: float) -> None:
        self.kernel.run(until=self.kernel.now + seconds)

    def take(self, most: int = 10) -> list[Any]:
        return list(self.work.take(most, 86_400.0))


def told(deliveries: list[Any]) -> list[Any]:
    return [
        (each.message_id, each.data.decode(), each.encoded, each.ordering_key, each.attributes, each.attempt)
        for each in deliveries
    ] + [round(each.published_at_s, 3) for each in deliveries]


def check(box: Box) -> None:
    if isinstance(box.pubsub, EmulatedPubSub):
        box.pubsub.check()


@pytest.fixture(params=["model", "emulator"])
def service(request: pytest.FixtureRequest) -> Running | None:
    """Both worlds keep to the same."""
    return None if request.param == "model" else request.getfixturevalue("pubsub_service")


def test_message_is_delivered_until_it_is_acknowledged(service: Running | None) -> None:
    box = Box(service)
    box.publish("a", "b")
    first, second = box.take()
    assert told([first])[0][:3] == ("10000000001", "a", "YQ==")
    assert (first.attempt, first.published_at_s) == (1, EPOCH_S)
    box.work.acknowledge(first.ack_id)
    box.work.hold_back(second.ack_id, 7.0)
    box.pass_time(6.9)
    assert box.take() == []
    box.pass_time(0.2)
    (again,) = box.take()
    assert (again.message_id, again.data, again.attempt) == (second.message_id, b"b", 2)
    box.work.acknowledge(second.ack_id)  # of an earlier delivery: too late
    box.work.hold_back(again.ack_id, 0.0)
    assert [each.attempt for each in box.take()] == [3]
    check(box)


def test_message_refused_too_often_is_a_dead_letter_and_can_be_sent_back(service: Running | None) -> None:
    box = Box(service)
    box.publish("a", key="k")
    box.publish("b")
    for attempt in range(1, 6):
        for each in box.take():
            assert each.attempt == attempt
            box.work.hold_back(each.ack_id, 1.0)
        box.pass_time(2.0)
    assert box.take() == []
    assert (box.work.queue.visible, box.dead.queue.visible) == (0, 2)
    dead = box.dead.take(10)
    assert [(each.data, each.ordering_key) for each in dead] == [(b"a", "k"), (b"b", "")]
    assert {each.attributes["CloudPubSubDeadLetterSourceDeliveryCount"] for each in dead} == {"5"}
    for each in dead:
        box.dead.acknowledge(each.ack_id)
        box.publish(each.data.decode())
    assert [(each.data, each.attempt) for each in box.take()] == [(b"a", 1), (b"b", 1)]
    assert box.dead.queue.visible == box.dead.queue.in_flight == 0
    check(box)


def test_refused_message_holds_back_those_of_its_ordering_key(service: Running | None) -> None:
    box = Box(service, enable_message_ordering=True)
    box.publish("a1", "a2", key="a")
    box.publish("b1", key="b")
    (first,) = box.take(1)
    (other,) = box.take(1)
    assert (first.data, other.data, box.take()) == (b"a1", b"b1", [])
    box.work.hold_back(first.ack_id, 5.0)
    box.pass_time(4.0)
    assert box.take() == []
    box.pass_time(1.1)
    (again,) = box.take(1)
    assert (again.data, again.attempt) == (b"a1", 2)
    box.work.acknowledge(again.ack_id)
    assert [each.data for each in box.take(1)] == [b"a2"]


def test_copy_is_delivered_beside_its_message_and_outlives_it(service: Running | None) -> None:
    box = Box(service)
    doubled = []
    box.work.queue.duplicate = lambda received: doubled.append(received) or (None if len(doubled) > 1 else 1.0)
    box.publish("a")
    (first,) = box.take()
    box.work.acknowledge(first.ack_id)
    box.pass_time(1.1)
    (copy,) = box.take()
    assert (copy.message_id, copy.data, copy.ack_id != first.ack_id) == (first.message_id, b"a", True)
    for attempt in range(3, 6):
        box.work.hold_back(copy.ack_id, 1.0)
        box.pass_time(1.1)
        (copy,) = box.take()
        assert copy.attempt == attempt
    box.work.hold_back(copy.ack_id, 1.0)
    box.pass_time(1.1)
    assert box.take() == []
    assert [each.data for each in box.dead.take(10)] == [b"a"]
    check(box)


def test_message_taken_out_of_turn_is_the_one_that_the_plan_names(service: Running | None) -> None:
    box = Box(service)
    places = [2, 0, 0]
    box.work.queue.displace = lambda: places.pop(0)
    box.publish("a", "b", "c")
    assert [each.data for each in box.take()] == [b"b", b"a", b"c"]


def test_publish_that_the_emulator_refuses_is_not_delivered(service: Running | None) -> None:
    box = Box(service)
    for messages in ([], [{"data": b""}]):
        with pytest.raises(exceptions.InvalidArgument):
            box.pubsub.publish(request={"topic": box.topic, "messages": messages})
    with pytest.raises(exceptions.NotFound) as raised:
        box.pubsub.publish(request={"topic": box.topic + "-not", "messages": [{"data": b"x"}]})
    assert "run-" not in str(raised.value)
    with pytest.raises(Unmodelled, match=r"PubSub\.seek"):
        box.pubsub.seek(request={})
    assert box.take() == []


def test_subscriptions_of_two_runs_do_not_meet(pubsub_service: Running) -> None:
    one, other = Box(pubsub_service), Box(pubsub_service)
    one.publish("a")
    other.publish("b")
    assert [each.data for each in one.take() + other.take()] == [b"a", b"b"]


def test_planted_emulator_that_forwards_no_dead_letter_ends_the_run(
    pubsub_service: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emulated, "ASKED", 5)
    box = Box(pubsub_service)
    real = box.work._client.modify_ack_deadline
    refused = []

    def forget(**request: Any) -> Any:
        refused.append(request)
        return None if len(refused) == 5 else real(**request)

    box.work._client.modify_ack_deadline = forget
    box.publish("a")
    for _ in range(5):
        (each,) = box.take()
        box.work.hold_back(each.ack_id, 1.0)
        box.pass_time(2.0)
    with pytest.raises(BackendFailed, match=r"pubsub \(.*\) at .* forwarded no dead letter .* refused 5 times"):
        box.take()


def test_planted_emulator_that_loses_a_message_ends_the_run(
    pubsub_service: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emulated, "ASKED", 5)
    box = Box(pubsub_service)
    box.publish("a")
    (received,) = box.work._client.pull(
        request={"subscription": box.work.settings.name, "max_messages": 1}, timeout=10
    ).received_messages
    box.work._client.acknowledge(
        request={"subscription": box.work.settings.name, "ack_ids": [received.ack_id]}, timeout=10
    )
    with pytest.raises(BackendFailed, match="did not deliver message 10000000001"):
        box.take()


def test_planted_emulator_that_holds_a_message_too_many_is_told_at_the_end(pubsub_service: Running) -> None:
    box = Box(pubsub_service)
    box.publish("a")
    (each,) = box.take()
    box.work.acknowledge(each.ack_id)
    check(box)
    box.pubsub._publisher.publish(request={"topic": box.topic, "messages": [{"data": b"b"}]}, timeout=10)
    with pytest.raises(BackendFailed, match=r"holds 1 messages for .*/work, not 0"):
        check(box)


def test_emulator_that_is_killed_ends_the_run_and_says_who_it_was() -> None:
    fleet = start(["pubsub"], environ={})
    try:
        box = Box(fleet["pubsub"])
        box.publish("a")
        fleet.stop()
        box.kernel.spawn(lambda: box.publish("b"), who="publisher")
        with pytest.raises(BackendFailed, match=r"pubsub \(.*\) at 127.* stopped answering: ServiceUnavailable"):
            box.kernel.run()
    finally:
        fleet.stop()
