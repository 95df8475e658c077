"""The Pub/Sub model answers as Google's emulator does, call by call. What is left out: PARITY.md. Skipped where
PUBSUB_EMULATOR_HOST is not set. Deadlines end at once or not at all: the emulator keeps them by the wall clock."""

from __future__ import annotations

import itertools
import os
import time
import uuid
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from google.api_core import exceptions
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from clef_runtime.deploy.google_clients import pubsub_publisher, pubsub_subscriber
from clef_runtime.google import ONCE
from clef_sim.services.pubsub import PubSub, Subscription
from clef_sim.services.pubsub import client as model_client

_numbers = itertools.count()
_clients: list[Any] = []

TRIES, PAUSE_S = 40, 0.05
"""How often, and at which intervals, the emulator is asked for what the model has given."""

TOPICS = st.sampled_from(["work", "work", "work", "dead", "none"])
SUBSCRIPTIONS = st.sampled_from(["work", "work", "other", "dead", "none"])
KEYS = st.sampled_from(["", "", "k", "é"])
ATTRIBUTES = st.dictionaries(st.sampled_from(["a", "b c", "é"]), st.sampled_from(["", "x", "\U0001f600"]), max_size=2)
NAMES = st.sampled_from(["work", "none", "new-", "1st", "ab", "goog-x", "a/b/c", "a b c", "a.b~c", "x" * 256])
DEADLINES = st.sampled_from([600, 600, 10, 0, 601, -1])
MESSAGES = st.lists(st.tuples(st.booleans(), KEYS, ATTRIBUTES), min_size=0, max_size=4)


@pytest.fixture(scope="module", autouse=True)
def emulator() -> Iterator[None]:
    if not os.environ.get("PUBSUB_EMULATOR_HOST"):
        reason = "PUBSUB_EMULATOR_HOST is not set: start the emulator and say where it is"
        if os.environ.get("CLEF_REQUIRE_BACKENDS") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    _clients[:] = [pubsub_publisher(), pubsub_subscriber()]
    yield
    for client in _clients:
        client.transport.close()
    _clients.clear()


class Both:
    """The same calls to the model and to the emulator, in a project of their own. `work` and `other` are
    subscriptions of one topic; what `work` delivers too often goes to `dead`."""

    def __init__(self) -> None:
        self.project = f"test-{uuid.uuid4().hex[:8]}-{next(_numbers)}"
        model = PubSub(time.time)
        self.publishers = {"model": model, "emulator": _clients[0]}
        self.subscribers = {"model": model, "emulator": _clients[1]}
        self.deliveries: list[tuple[str, dict[str, str]]] = []
        for topic in ("dead", "work"):
            self.call(self.publishers, "create_topic", {"name": self.topic(topic)})
        policy = {"dead_letter_topic": self.topic("dead"), "max_delivery_attempts": 5}
        self.subscribe("work", "work", dead_letter_policy=policy)
        self.subscribe("other", "work")
        self.subscribe("dead", "dead")

    def topic(self, name: str) -> str:
        return f"projects/{self.project}/topics/{name}"

    def subscription(self, name: str) -> str:
        return f"projects/{self.project}/subscriptions/{name}"

    def subscribe(self, name: str, topic: str, **settings: Any) -> None:
        fields = {"name": self.subscription(name), "topic": self.topic(topic), "ack_deadline_seconds": 600}
        self.call(self.subscribers, "create_subscription", {**fields, **settings})

    def call(self, clients: dict[str, Any], operation: str, request: Any, each: Any = None) -> dict[str, Any]:
        """Each one's answer; the errors are the same. `each`: what more a client is to be asked."""
        answers, errors = {}, {}
        for which, client in clients.items():
            more = {} if each is None else each(which)
            try:
                answers[which] = getattr(client, operation)(request={**request, **more}, **ONCE)
            except exceptions.GoogleAPICallError as error:
                errors[which] = type(error).__name__
        assert errors.get("model") == errors.get("emulator"), f"{operation}({request}): {errors}"
        return answers

    def publish(self, topic: str, messages: list[dict[str, Any]]) -> None:
        answers = self.call(self.publishers, "publish", {"topic": self.topic(topic), "messages": messages})
        if answers:
            assert len(answers["model"].message_ids) == len(answers["emulator"].message_ids)

    def pull(self, name: str) -> None:
        """All that there is. In which order, is not compared: the emulator gives what was refused as it likes."""
        request = {"subscription": self.subscription(name), "max_messages": 1000}
        try:
            taken = list(self.subscribers["model"].pull(request=request, timeout=1).received_messages)
        except exceptions.DeadlineExceeded:
            taken = []
        except exceptions.NotFound:
            with pytest.raises(exceptions.NotFound):
                self._pull_really(request)
            return
        found: list[Any] = []
        for _ in range(TRIES):
            found += self._pull_really(request)
            if len(found) >= len(taken):
                break
            time.sleep(PAUSE_S)
        found += self._pull_really(request)
        ours, theirs = (sorted(map(shown, each)) for each in (taken, found))
        assert ours == theirs, f"pull {name}"
        pairs = zip(sorted(taken, key=shown), sorted(found, key=shown), strict=True)
        self.deliveries += [(name, {"model": one.ack_id, "emulator": other.ack_id}) for one, other in pairs]

    def _pull_really(self, request: Any) -> list[Any]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            client = self.subscribers["emulator"]
            return list(client.pull(request={**request, "return_immediately": True}, **ONCE).received_messages)

    def end(self, operation: str, numbers: list[int], subscription: str = "", **fields: Any) -> None:
        """`numbers`: of deliveries, whatever has become of them."""
        name = subscription or self.deliveries[numbers[0]][0]
        chosen = [ack_ids for of, ack_ids in map(self.deliveries.__getitem__, numbers) if of == name]
        request = {"subscription": self.subscription(name), **fields}
        self.call(self.subscribers, operation, request, lambda which: {"ack_ids": [each[which] for each in chosen]})


def shown(received: Any) -> tuple[Any, ...]:
    """What does not depend on ids and times."""
    message = received.message
    attributes = {
        name: value
        for name, value in message.attributes.items()
        if name
        not in ("CloudPubSubDeadLetterSourceTopicPublishTime", "CloudPubSubDeadLetterSourceSubscriptionProject")
    }
    return message.data, message.ordering_key, sorted(attributes.items()), received.delivery_attempt


class Machine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.both = Both()
        self.sent = 0

    def publish_one(self) -> None:
        self.sent += 1
        self.both.publish("work", [{"data": b"body %d" % self.sent}])

    @rule(topic=TOPICS, messages=MESSAGES)
    def publish(self, topic: str, messages: list[Any]) -> None:
        fields = []
        for data, key, attributes in messages:
            self.sent += 1
            # The number tells messages apart; one without data or attributes is refused.
            body = {"data": b"body %d" % self.sent} if data else {}
            told = {"attributes": {**attributes, "n": str(self.sent)}} if attributes else {}
            fields.append({**body, **told, "ordering_key": key})
        self.both.publish(topic, fields)

    @rule(size=st.sampled_from([1000, 1001]))
    def publish_many(self, size: int) -> None:
        if self.sent < 200:
            self.sent += size
            self.both.publish("dead", [{"data": b"x"}] * size)

    @rule(name=SUBSCRIPTIONS)
    def pull(self, name: str) -> None:
        self.both.pull(name)

    @rule(data=st.data(), how=st.sampled_from(["acknowledge", "refuse", "refuse", "extend"]))
    def end(self, data: st.DataObject, how: str) -> None:
        count = len(self.both.deliveries)
        if not count:
            return
        recent = st.integers(max(0, count - 6), count - 1)
        numbers = data.draw(st.lists(recent, min_size=1, max_size=3))
        if how == "acknowledge":
            self.both.end("acknowledge", numbers)
        else:
            self.both.end("modify_ack_deadline", numbers, ack_deadline_seconds=0 if how == "refuse" else 600)

    @rule(times=st.sampled_from([5, 6, 4, 1]), name=st.sampled_from(["work", "other"]))
    def refuse_all(self, times: int, name: str) -> None:
        """Until it is a dead letter, perhaps."""
        self.publish_one()
        for _ in range(times):
            before = len(self.both.deliveries)
            self.both.pull(name)
            numbers = list(range(before, len(self.both.deliveries)))
            if numbers:
                self.both.end("modify_ack_deadline", numbers, ack_deadline_seconds=0)
        self.both.pull(name)
        self.both.pull("dead")

    @rule(name=st.sampled_from(["work", "other", "dead"]))
    def acknowledge_then_refuse(self, name: str) -> None:
        self.publish_one()
        before = len(self.both.deliveries)
        self.both.pull(name)
        numbers = list(range(before, len(self.both.deliveries)))
        if numbers:
            self.both.end("acknowledge", numbers)
            self.both.end("modify_ack_deadline", numbers, ack_deadline_seconds=0)
        self.both.pull(name)

    @rule(name=NAMES, topic=NAMES, deadline_s=DEADLINES, attempts=st.sampled_from([None, 0, 4, 5, 100, 101]))
    def subscribe(self, name: str, topic: str, deadline_s: int, attempts: int | None) -> None:
        policy = {"dead_letter_topic": self.both.topic("dead"), "max_delivery_attempts": attempts}
        dead = {} if attempts is None else {"dead_letter_policy": policy}
        # Once made, a further one of "work" is not looked at: its messages are those of "other".
        name = f"{name}{self.sent}" if name == "new-" else name
        self.both.subscribe(name, topic, ack_deadline_seconds=deadline_s, **dead)

    @rule(name=NAMES)
    def create_topic(self, name: str) -> None:
        self.both.call(self.both.publishers, "create_topic", {"name": self.both.topic(name)})

    @rule(most=st.sampled_from([0, 1]), name=st.sampled_from(["none", "1st", "new-"]))
    def pull_from_nowhere(self, most: int, name: str) -> None:
        request = {"subscription": self.both.subscription(name), "max_messages": most}
        self.both.call(self.both.subscribers, "pull", request)

    @rule(
        name=st.sampled_from(["work", "other", "none", "1st"]),
        ids=st.lists(st.sampled_from(["mine", "garbage", ""]), max_size=2),
        deadline_s=st.sampled_from([None, -1, 0, 5, 600]),
    )
    def end_oddly(self, name: str, ids: list[str], deadline_s: int | None) -> None:
        """By ids of another subscription's, of no message's, or without any. All are refused, or none."""
        known = self.both.deliveries[-1:]

        def ack_ids(which: str) -> dict[str, Any]:
            return {"ack_ids": [known[0][1][which] if each == "mine" and known else "no-id" for each in ids]}

        operation = "acknowledge" if deadline_s is None else "modify_ack_deadline"
        fields = {} if deadline_s is None else {"ack_deadline_seconds": deadline_s}
        request = {"subscription": self.both.subscription(name), **fields}
        self.both.call(self.both.subscribers, operation, request, ack_ids)


def agree(examples: int, *phases: Phase) -> None:
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=25,
            deadline=None,
            derandomize=True,
            database=None,
            phases=phases,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_pubsub_model_agrees_with_the_emulator() -> None:
    agree(30, Phase.generate, Phase.shrink)


PLANTED = {
    "refused messages do not come again": (Subscription, "extend", lambda *_: None),
    "acknowledged ones do": (Subscription, "acknowledge", lambda *_: None),
    "there are no dead letters": (PubSub, "_dead_letter", lambda *_: None),
    "any ack id will do": (model_client, "check_ack_ids", lambda *_: None),
    "any name will do": (model_client, "check_name", lambda *_: None),
}


@pytest.mark.parametrize("bug", PLANTED)
def test_planted_difference_between_model_and_emulator_is_found(bug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    where, name, planted = PLANTED[bug]
    monkeypatch.setattr(where, name, planted)
    with pytest.raises(AssertionError):
        agree(30, Phase.generate)
