"""A model of Pub/Sub as its plain clients call it: requests are mappings, errors `google.api_core.exceptions`.

At least once: a message comes again when its deadline passes unacknowledged, at once, or when it is refused, after
the pause of its retry policy. Every subscription of a topic gets each message. Left out: seek and snapshots, filters,
exactly-once delivery (which pushed messages never have), schemas, streaming pull, regions, and quotas but those for
one request.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from google.api_core import exceptions
from google.pubsub_v1 import types

from clef_sim.services.google import check_fields, refusal
from clef_sim.services.pubsub.checks import (
    check_ack_ids,
    check_attempts,
    check_deadline,
    check_extension,
    check_most,
    check_name,
)
from clef_sim.services.pubsub.subscription import Delivery, Subscription, key_of, settings_of
from clef_sim.services.sdk import Unmodelled
from clef_sim.services.sqs.arrivals import Waiter
from clef_sim.services.sqs.message import Message

REQUEST_BYTES = 10_000_000
REQUEST_MESSAGES = 1000
"""The service's limits for one publish request."""

_SUBSCRIPTION = (
    "name",
    "topic",
    "ack_deadline_seconds",
    "enable_message_ordering",
    "dead_letter_policy",
    "retry_policy",
)


class PubSub:
    """In-memory topics and subscriptions, for publisher and subscriber clients alike. Only a pull blocks.

    Args:
        clock_now: epoch seconds.
        kernel: what pulls and those who listen for arrivals wait with; without one, a pull does not wait.
    """

    project = "sim"

    def __init__(self, clock_now: Callable[[], float], kernel: Waiter | None = None) -> None:
        self._now, self._kernel = clock_now, kernel
        self._topics: dict[str, list[Subscription]] = {}
        self._subscriptions: dict[str, Subscription] = {}
        self._messages = 0

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise Unmodelled(f"PubSub.{name} is not modelled")

    def subscription(self, name: str) -> Subscription:
        """For the simulator, by its short or full name. Raises KeyError."""
        return self._subscriptions[name.rpartition("/")[2]]

    # ---- topics

    def create_topic(self, request: Any = None, *, name: str = "", **options: Any) -> Any:
        """Takes a request, or the name by itself."""
        check_fields("CreateTopic", request or {}, options, ("name",))
        name = name or request["name"]
        check_name("topics", name)
        if name in self._topics:
            raise refusal(exceptions.AlreadyExists, f"Resource already exists in the project (resource={name}).")
        self._topics[name] = []
        return types.Topic(name=name)

    def publish(self, request: Any, **options: Any) -> Any:
        """All messages or none.

        Raises:
            NotFound: no such topic.
            InvalidArgument: no message, an empty one, or over a request's limits.
        """
        check_fields("Publish", request, options, ("topic", "messages"))
        messages = request["messages"]
        check_name("topics", request["topic"])
        subscriptions = self._topic(request["topic"])
        if not 0 < len(messages) <= REQUEST_MESSAGES:
            raise refusal(
                exceptions.InvalidArgument,
                f"The value for message_count is {len(messages)}. You must pass 1 to {REQUEST_MESSAGES} messages.",
            )
        size = sum(_size(message) for message in messages)
        if size > REQUEST_BYTES:
            raise refusal(
                exceptions.InvalidArgument, f"Request payload size exceeds the limit: {REQUEST_BYTES} bytes."
            )
        for message in messages:
            check_fields("Publish message", message, (), ("data", "ordering_key", "attributes"))
            if not message.get("data") and not message.get("attributes"):
                raise refusal(
                    exceptions.InvalidArgument,
                    "One or more messages in the publish request is empty. Each message must contain either "
                    "non-empty data, or at least one attribute.",
                )
        ids = [self._new_id() for _ in messages]
        for id_, message in zip(ids, messages, strict=True):
            body = base64.b64encode(message.get("data", b"")).decode()
            key, attributes = message.get("ordering_key") or "", dict(message.get("attributes") or {})
            for subscription in subscriptions:
                subscription.put(id_, body, _size(message), key, attributes)
        return types.PublishResponse(message_ids=ids)

    def _topic(self, name: str) -> list[Subscription]:
        found = self._topics.get(name)
        if found is None:
            raise _no_such(name)
        return found

    def _new_id(self) -> str:
        self._messages += 1
        return str(10_000_000_000 + self._messages)

    # ---- subscriptions

    def create_subscription(self, request: Any, **options: Any) -> Any:
        check_fields("CreateSubscription", request, options, _SUBSCRIPTION)
        settings = settings_of(request)
        check_name("subscriptions", settings.name)
        check_name("topics", settings.topic)
        if settings.dead_letters:
            check_name("topics", settings.dead_letters)
        check_deadline(settings.ack_deadline_s)
        short = settings.name.rpartition("/")[2]
        if short in self._subscriptions:
            raise refusal(
                exceptions.AlreadyExists, f"Resource already exists in the project (resource={settings.name})."
            )
        self._topic(settings.topic)
        if settings.dead_letters:
            self._topic(settings.dead_letters)
        check_attempts(settings)
        made = Subscription(
            settings, short, self._now, self._kernel, lambda message: self._dead_letter(made, message)
        )
        self._subscriptions[short] = made
        self._topics[settings.topic].append(made)
        return types.Subscription(name=settings.name, topic=settings.topic)

    def _dead_letter(self, subscription: Subscription, message: Message) -> None:
        """Publishes a message that was delivered too often to the topic of dead letters, as a new one."""
        attributes = {
            **message.attributes,
            "CloudPubSubDeadLetterSourceSubscription": subscription.settings.name.rpartition("/")[2],
            "CloudPubSubDeadLetterSourceDeliveryCount": str(message.count),
        }
        key = key_of(message.group)
        id_ = self._new_id()
        for other in self._topics[subscription.settings.dead_letters]:
            other.put(id_, message.body, message.size, key, attributes)

    def pull(self, request: Any, **options: Any) -> Any:
        """Waits for the first message, up to the call's `timeout`.

        Raises:
            DeadlineExceeded: none came in time.
        """
        check_fields("Pull", request, options, ("subscription", "max_messages"))
        found = self._found(request["subscription"])
        check_most(request["max_messages"])
        taken = found.wait(request["max_messages"], options.get("timeout") or 60.0)
        if not taken:
            raise refusal(exceptions.DeadlineExceeded, "Deadline Exceeded")
        return types.PullResponse(received_messages=[_received(each, found) for each in taken])

    def acknowledge(self, request: Any, **options: Any) -> None:
        """Ids of deliveries whose deadline has passed do nothing."""
        check_fields("Acknowledge", request, options, ("subscription", "ack_ids"))
        found = self._found(request["subscription"])
        check_ack_ids(request["ack_ids"], found.tag)
        for ack_id in request["ack_ids"]:
            found.acknowledge(ack_id)

    def modify_ack_deadline(self, request: Any, **options: Any) -> None:
        """0 seconds: the message comes again, after the subscription's pause."""
        check_fields("ModifyAckDeadline", request, options, ("subscription", "ack_ids", "ack_deadline_seconds"))
        found = self._found(request["subscription"])
        check_ack_ids(request["ack_ids"], found.tag)
        check_extension(request["ack_deadline_seconds"])
        for ack_id in request["ack_ids"]:
            found.extend(ack_id, request["ack_deadline_seconds"])

    def _found(self, name: str) -> Subscription:
        found = self._subscriptions.get(name.rpartition("/")[2])
        if found is None:
            check_name("subscriptions", name)
            raise _no_such(name)
        return found


def _size(message: Any) -> int:
    return len(message.get("data", b"")) + len(message.get("ordering_key", "").encode())


def _no_such(name: str) -> exceptions.NotFound:
    return refusal(exceptions.NotFound, f"Resource not found (resource={name.rpartition('/')[2]}).")


def _received(delivery: Delivery, subscription: Subscription) -> Any:
    message = types.PubsubMessage(
        data=delivery.data,
        message_id=delivery.message_id,
        ordering_key=delivery.ordering_key,
        attributes=delivery.attributes,
    )
    attempt = delivery.attempt if subscription.settings.dead_letters else 0
    return types.ReceivedMessage(ack_id=delivery.ack_id, message=message, delivery_attempt=attempt)
