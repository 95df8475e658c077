"""Transport over Pub/Sub: invocations to the concepts' topics, completions to the evaluator's.

A message's data is the wire form of one invocation or completion. With ordering, the flow is the ordering key: a
subscription with message ordering delivers a flow's messages in the order of their acceptance, one after another
was acknowledged. The service delivers at least once; receivers recognise ids.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

import msgspec

from clef_runtime.context import Clock
from clef_runtime.errors import BadInput, ClefError, Indeterminate
from clef_runtime.google import ONCE, caller
from clef_runtime.model import Completion, Invocation, Record, derive_id, encode
from clef_runtime.retry import NO_RETRY, Retry
from clef_runtime.transport.batches import batches, to_repeat

BATCH_MESSAGES = 1000
"""The service's limit for one publish request: cloud.google.com/pubsub/quotas."""

BATCH_BYTES = 7_000_000
"""For one publish request, a single message included. The service takes 10 MB; a pushed message travels in base64,
a third larger, to a function that takes 10 MB of an event."""

_MESSAGE_BYTES = 100
"""What stands around a message's data in a request, generously, with an ordering key of up to `_KEY_LENGTH`."""

_KEY_LENGTH = 64

_Entry: TypeAlias = dict[str, Any]


class PubSubDispatcher:
    """Sends invocations to their concepts' topics.

    Args:
        client: a `google.pubsub_v1.PublisherClient`: the plain one. That of `google.cloud.pubsub` publishes later,
            from threads of its own.
        topic_of: a concept's topic (`projects/<project>/topics/<name>`), by URN.
        fifo: whether messages carry an ordering key; ordering is the subscription's setting.
        retry: a lost answer is sent again: receivers recognise invocation ids.
    """

    def __init__(
        self,
        client: Any,
        topic_of: Callable[[str], str],
        clock: Clock,
        *,
        fifo: bool = False,
        retry: Retry = Retry(),  # noqa: B008 - frozen
    ) -> None:
        self._client, self._call = client, caller(clock, retry)
        self._topic_of, self._fifo = topic_of, fifo

    def send(self, invocations: Sequence[Invocation]) -> list[Completion]:
        """As the port has it; nothing comes back from a topic.

        Raises:
            TooLarge: an invocation over `BATCH_BYTES`; nothing was sent.
        """
        topics: dict[str, list[_Entry]] = {}
        for invocation in invocations:
            topics.setdefault(self._topic_of(invocation.concept), []).append(_entry(invocation, self._fifo))
        requests = [
            {"topic": topic, "messages": batch} for topic, entries in topics.items() for batch in _batches(entries)
        ]
        for request in requests:
            self._call(self._client.publish, {"request": request, **ONCE})
        return []


class PubSubPublisher:
    """Sends completions to the evaluator's topic. Arguments as `PubSubDispatcher`."""

    def __init__(
        self,
        client: Any,
        topic: str,
        clock: Clock,
        *,
        fifo: bool = False,
        retry: Retry = Retry(),  # noqa: B008 - frozen
    ) -> None:
        self._client, self._call = client, caller(clock, retry)
        self._topic, self._fifo = topic, fifo

    def publish(self, completion: Completion) -> None:
        """As the port has it. Raises TooLarge over `BATCH_BYTES`; nothing was sent."""
        (batch,) = _batches([_entry(completion, self._fifo)])
        self._call(self._client.publish, {"request": {"topic": self._topic, "messages": batch}, **ONCE})


class Message(msgspec.Struct, frozen=True):
    """A message as it was delivered. `key` is its ordering key, empty without; `ack_id` a pulled one's."""

    body: str
    id: str
    key: str = ""
    ack_id: str = ""


class PubSubConsumer:
    """Pulls from one subscription, for whatever is not pushed to.

    Args:
        client: a `google.pubsub_v1.SubscriberClient`: the plain one.
        subscription: `projects/<project>/subscriptions/<name>`.
    """

    def __init__(self, client: Any, subscription: str, clock: Clock) -> None:
        self._client, self._subscription = client, subscription
        # A pull without an answer is not repeated: its messages come again after the ack deadline.
        self._once, self._call = caller(clock, NO_RETRY), caller(clock, Retry())

    def deliver(
        self,
        work: Callable[[Sequence[str]], Sequence[ClefError | None]],
        *,
        count: int = 10,
        wait_s: float = 1.0,
    ) -> int:
        """Pulls up to `count` messages, hands their bodies to `work` (`FunctionService.batch`), and lets those come
        again for which it gives an error, at once. Returns how many were pulled, 0 after `wait_s` without any.

        Raises:
            NotFound: no such subscription.
            Indeterminate, Throttled: what was done will be delivered again.
        """
        messages = self.pull(count=count, wait_s=wait_s)
        if messages:
            again = to_repeat(work([message.body for message in messages]), [each.key or None for each in messages])
            self.acknowledge(message for message, bad in zip(messages, again, strict=True) if not bad)
            self.refuse(message for message, bad in zip(messages, again, strict=True) if bad)
        return len(messages)

    def pull(self, *, count: int, wait_s: float) -> list[Message]:
        request = {"subscription": self._subscription, "max_messages": count}
        try:
            answer = self._once(self._client.pull, {"request": request, **ONCE, "timeout": wait_s})
        except Indeterminate:
            return []  # nothing came in time; what was on its way comes again
        return [
            Message(each.message.data.decode(), each.message.message_id, each.message.ordering_key, each.ack_id)
            for each in answer.received_messages
        ]

    def acknowledge(self, messages: Iterable[Message]) -> None:
        """Takes messages off the subscription; one whose deadline has passed may come again all the same."""
        self._end(self._client.acknowledge, messages, {})

    def refuse(self, messages: Iterable[Message]) -> None:
        """Lets messages come again at once."""
        self._end(self._client.modify_ack_deadline, messages, {"ack_deadline_seconds": 0})

    def _end(self, method: Any, messages: Iterable[Message], more: Record) -> None:
        ack_ids = [message.ack_id for message in messages]
        if ack_ids:
            request = {"subscription": self._subscription, "ack_ids": ack_ids, **more}
            self._call(method, {"request": request, **ONCE})


def pushed(envelope: Any) -> Message:
    """The message that the service pushes, as decoded JSON: `{"message": {"data": <base64>, "messageId": ..},
    "subscription": ..}`; a CloudEvent of its kind has the same for data.

    Raises:
        BadInput: another form, or data that is not base64 of UTF-8.
    """
    message = envelope.get("message") if isinstance(envelope, dict) else None
    data = message.get("data") if isinstance(message, dict) else None
    if not isinstance(data, str) or not isinstance(message, dict):
        raise BadInput('a pushed message must be {"message": {"data": <base64>, ..}, ..}')
    try:
        body = base64.b64decode(data, validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise BadInput(f"message.data(={data[:40]!r}) must be base64 of UTF-8 text: {error}") from error
    id_ = message.get("messageId") or message.get("message_id") or ""
    return Message(body, str(id_), str(message.get("orderingKey") or ""))


def _entry(message: Invocation | Completion, fifo: bool) -> _Entry:
    entry: _Entry = {"data": encode(message)}
    if fifo:
        entry["ordering_key"] = _key(message.flow)
    return entry


def _key(flow: str) -> str:
    return flow if flow.isascii() and 0 < len(flow) <= _KEY_LENGTH else derive_id("pubsub", flow)


def _batches(entries: Sequence[_Entry]) -> Any:
    return batches(
        entries,
        lambda entry: len(entry["data"]) + _MESSAGE_BYTES,
        count_max=BATCH_MESSAGES,
        bytes_max=BATCH_BYTES,
        name=lambda entry: f"message {entry['data'][:80]!r}",
    )
