"""SQS on a real service, in virtual time.

The service stores, hands out, counts, deletes and moves to the dead letters: each by a real call, at the instant at
which the model would do the same. What AWS leaves open (order, copies) and what passes with time (visibility, delays,
retention) is decided by the model's own queue, which runs along and is held against what the service does: a message
that does not come, has another body or another receive count ends the run.

Message ids and receipt handles are the world's: the service draws its own at random.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from botocore.exceptions import ClientError

from clef_sim.emulated.aws_sdk import Sdk
from clef_sim.emulated.backends import Backend
from clef_sim.emulated.sqs_store import Delivery, Store
from clef_sim.kernel.threads import Kernel
from clef_sim.services.sdk import METADATA, ModelError, Unmodelled
from clef_sim.services.sqs.client import SQS
from clef_sim.services.sqs.message import IN_FLIGHT, Message, Received
from clef_sim.services.sqs.queue import Queue
from clef_sim.services.sqs.sending import accept

_BYTES_MAX = 1_048_576
"""As far as the world goes; how much a message may hold is the service's to say."""


class EmulatedQueue(Queue):
    """The model's queue over a real one. `coming`: the real id of the message that is about to be put."""

    store: Store
    coming = ""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.real: dict[int, str] = {}  # by the model's number
        self._handles: dict[int, str] = {}
        # How many receives more than the model the service has counted, where that is not 0.
        self._ahead: dict[int, int] = {}
        self._buried: dict[int, None] = {}  # dead letters, of which it is not known yet
        self.deleted: list[str] = []

    def put(self, message: Message, delay_s: float, now: float) -> None:
        """A message that nobody has sent for real is sent here: a fault's copy, a dead letter on its way back."""
        real, self.coming = self.coming, ""
        if not real:
            real = self.store.send(message.body, message.attributes, message.group, f"{message.id}-{message.number}")
            self._ahead[message.number] = -message.count
        elif message.source is not None:
            self._buried[message.number] = None  # some services let a dead letter keep its count
        self.real[message.number] = real
        super().put(message, delay_s, now)

    def _show(self, message: Message) -> None:
        if message.state == IN_FLIGHT:
            self.store.give_back(self._handles[message.number])
        super()._show(message)

    def take(self, most: int, visibility_s: float, now: float) -> list[Received]:
        taken = super().take(most, visibility_s, now)
        deliveries = self.store.take([self.real[each.message.number] for each in taken]) if taken else []
        for each, delivery in zip(taken, deliveries, strict=True):
            self._delivered(each, delivery)
        return taken

    def _delivered(self, received: Received, delivery: Delivery) -> None:
        message, number = received.message, received.message.number
        self._handles[number] = delivery.handle
        if number in self._buried:
            del self._buried[number]
            self._ahead[number] = delivery.count - received.receive_count
        expected = received.receive_count + self._ahead.get(number, 0)
        wrong = ""
        if delivery.count != expected:
            wrong = f"says that message {message.id} was received {delivery.count} times, not {expected}"
        elif delivery.body != message.body:
            wrong = f"has changed message {message.id}: {delivery.body[:80]!r} was {message.body[:80]!r}"
        if wrong:
            raise self.store.sdk.failed(f"queue {self.name} {wrong}")

    def delete(self, handle: str, now: float) -> None:
        """A stale handle deletes nothing and is not sent: services differ in what they do with one."""
        message, _ = self._find(handle)
        super().delete(handle, now)
        if message is not None and message.number not in self._messages:
            self.deleted.append(self._handles.pop(message.number))

    def send_deletes(self) -> None:
        """Deletes in the service what has been deleted here."""
        while self.deleted:
            some, self.deleted = self.deleted[:10], self.deleted[10:]
            self.store.delete(some)

    def purge(self) -> None:
        super().purge()
        self.store.purge()

    def drain(self) -> Iterator[Message]:
        for message in super().drain():
            self.store.discard(self.real[message.number])
            yield message

    def _expire(self, now: float) -> None:
        before = {number: message.state for number, message in self._messages.items()}
        super()._expire(now)
        for number, state in before.items():
            if number not in self._messages:
                if state == IN_FLIGHT:
                    self.store.delete([self._handles[number]])
                else:
                    self.store.discard(self.real[number])

    def check(self) -> None:
        """Raises BackendFailed where the service does not hold as many messages as it must."""
        names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
        found = sum(int(value) for value in self.store.attributes(*names).values())
        expected = self.visible + self.in_flight + self.delayed
        if found != expected:
            raise self.store.sdk.failed(f"holds {found} messages in queue {self.name}, not {expected}")


class EmulatedSQS(SQS):
    """As the model `services.sqs.SQS`, on a service that runs. Queues are new in each run: one of the same name that
    is there is deleted. Arguments: see `Account`."""

    queue_type = EmulatedQueue

    def __init__(self, backend: Backend, kernel: Kernel, clock_now: Callable[[], float]) -> None:
        super().__init__(clock_now, kernel, message_bytes_max=_BYTES_MAX)
        self._sdk = Sdk(backend)

    def queue(self, queue: str) -> EmulatedQueue:
        found = super().queue(queue)
        assert isinstance(found, EmulatedQueue)
        return found

    def check(self) -> None:
        """Raises BackendFailed where the service does not hold as many messages as it must."""
        for name in self._queues:
            self.queue(name).check()

    # queues

    def create_queue(self, **request: Any) -> Any:
        name, attributes = request["QueueName"], dict(request.get("Attributes", {}))
        if name in self._queues:
            return super().create_queue(**request)
        with suppress(ClientError):  # it is not there
            self._sdk.delete_queue(QueueUrl=self._sdk.answered("get_queue_url", QueueName=name)["QueueUrl"])
        answer = super().create_queue(**request)
        if "RedrivePolicy" in attributes:
            policy = json.loads(attributes["RedrivePolicy"])
            policy["deadLetterTargetArn"] = self.queue(policy["deadLetterTargetArn"]).store.arn
            attributes["RedrivePolicy"] = json.dumps(policy)
        url = self._sdk.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        queue = self.queue(name)
        queue.store = Store(self._sdk, name, url, queue.settings.fifo)
        return answer

    def set_queue_attributes(self, **_request: Any) -> Any:
        raise Unmodelled("SetQueueAttributes is not followed in the emulated world; give them to create_queue")

    def _dead_letter(self, source: Queue, message: Message) -> None:
        """The service moves it by its own redrive policy; it keeps its id."""
        assert isinstance(source, EmulatedQueue)
        real = source.real[message.number]
        source.store.bury(real, source.settings.max_receives)
        self.queue(source.settings.dead_letters).coming = real
        super()._dead_letter(source, message)

    # sending

    def send_message(self, **request: Any) -> Any:
        queue = self._queue_at(request)
        sent = self._sdk.send_message(**{**_undelayed(request), "QueueUrl": queue.store.url})
        return {**self._accept(queue, request, sent["MessageId"]), "ResponseMetadata": METADATA}

    def send_message_batch(self, **request: Any) -> Any:
        queue = self._queue_at(request)
        entries = [_undelayed(each) for each in request["Entries"]]
        sent = self._sdk.send_message_batch(QueueUrl=queue.store.url, Entries=entries)
        ids = {each["Id"]: each["MessageId"] for each in sent.get("Successful", ())}
        answer: dict[str, Any] = {
            "Successful": [
                {**self._accept(queue, each, ids[each["Id"]]), "Id": each["Id"]}
                for each in request["Entries"]
                if each["Id"] in ids
            ],
            "ResponseMetadata": METADATA,
        }
        return {**answer, "Failed": sent["Failed"]} if sent.get("Failed") else answer

    def _accept(self, queue: EmulatedQueue, request: dict[str, Any], real: str) -> dict[str, Any]:
        """Takes what the service has taken into the model's queue."""
        queue.coming = real
        try:
            answer, _ = accept(queue, request, self._new_id, self._now())
        except ModelError as error:
            raise self._sdk.failed(f"queue {queue.name} takes what SQS refuses: {error}") from error
        repeated, queue.coming = bool(queue.coming), ""
        if repeated and real not in queue.real.values():
            raise self._sdk.failed(f"queue {queue.name} takes a deduplication id a second time")
        if queue.delayed:
            self._arrivals[queue.name].arm()
        return answer

    def _queue_at(self, request: dict[str, Any]) -> EmulatedQueue:
        return self.queue(request["QueueUrl"])

    # deleting

    def delete_message(self, **request: Any) -> Any:
        answer = super().delete_message(**request)
        self._queue_at(request).send_deletes()
        return answer

    def delete_message_batch(self, **request: Any) -> Any:
        answer = super().delete_message_batch(**request)
        self._queue_at(request).send_deletes()
        return answer


def _undelayed(request: dict[str, Any]) -> dict[str, Any]:
    """Delays pass in virtual time."""
    return {name: value for name, value in request.items() if name != "DelaySeconds"}
