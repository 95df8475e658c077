"""The queues of an account: made, found, described, redriven. The base of the client."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from clef_sim.services.sdk import (
    METADATA,
    Answer,
    Exceptions,
    Refusal,
    Request,
    Unmodelled,
    operation,
    refuse_unmodelled,
)
from clef_sim.services.sqs import settings as queue_settings
from clef_sim.services.sqs.arrivals import Arrivals, Waiter
from clef_sim.services.sqs.checks import PREFIX
from clef_sim.services.sqs.message import Message, Received
from clef_sim.services.sqs.queue import Queue, StaleDelete
from clef_sim.services.sqs.settings import Settings

ACCOUNT = "123456789012"
REGION = "us-east-1"
BILLED_BYTES = 64 * 1024  # each started 64 KB of a call's payload is one billed request
_COUNTS = {
    "ApproximateNumberOfMessages": "visible",
    "ApproximateNumberOfMessagesNotVisible": "in_flight",
    "ApproximateNumberOfMessagesDelayed": "delayed",
}


class Account:
    """An in-memory account. Only a long poll blocks.

    Args:
        clock_now: epoch seconds.
        kernel: what long polls and `on_arrival` wait with. Without one, a long poll that finds nothing
            returns at once, and arrivals that time brings (delays, visibility) are seen at the next call.
        stale_delete: see `StaleDelete`.
        message_bytes_max: largest message, and largest sum in a batch: 262,144, or 1,048,576 as of late.
    """

    exceptions = Exceptions()
    queue_type: type[Queue] = Queue

    def __init__(
        self,
        clock_now: Callable[[], float],
        kernel: Waiter | None = None,
        *,
        stale_delete: StaleDelete = "ignored",
        message_bytes_max: int = 262_144,
    ) -> None:
        self._now, self._kernel = clock_now, kernel
        self._stale_delete, self._bytes_max = stale_delete, message_bytes_max
        self._queues: dict[str, Queue] = {}
        self._by_url: dict[str, Queue] = {}
        self._arrivals: dict[str, Arrivals] = {}
        self._messages = 0
        self._tasks = 0

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise Unmodelled(f"SQS.{name} is not modelled")

    # for the simulator; `queue` is a name, a URL or an ARN

    def queue(self, queue: str) -> Queue:
        """The queue itself: its counts, its hooks `duplicate` and `displace`, its billed `requests`.

        Raises:
            KeyError: there is none.
        """
        return self._queues[queue.rpartition("/")[2].rpartition(":")[2]]

    def receive(self, queue: str, most: int, *, visibility_timeout_s: float | None = None) -> list[Received]:
        """Up to `most` (>= 1) deliveries, without waiting and without the limit of ten."""
        found = self.queue(queue)
        timeout_s = found.settings.visibility_timeout_s if visibility_timeout_s is None else visibility_timeout_s
        received = found.take(most, timeout_s, self._now())
        self._bill(found, received)
        self._arrivals[found.name].arm()
        return received

    def on_arrival(self, queue: str, callback: Callable[[], None]) -> Callable[[], None]:
        """Calls `callback` at every instant at which messages have become receivable: sent, delayed no
        more, visible again, or of a FIFO group that is free again. It must not block.

        Returns:
            What ends it.
        """
        arrivals = self._arrivals[self.queue(queue).name]
        arrivals.listeners.append(callback)
        arrivals.arm()
        return lambda: arrivals.listeners.remove(callback)

    def next_due_s(self, queue: str) -> float | None:
        """Seconds until a delayed or in-flight message may become visible; None where there is none."""
        due = self.queue(queue).next_due()
        return None if due is None else max(0.0, due - self._now())

    def _bill(self, queue: Queue, received: list[Received]) -> None:
        size = 0
        for each in received:
            size += each.message.size
        queue.requests += 1 + max(0, size - 1) // BILLED_BYTES

    def _queue_of(self, request: Request) -> Queue:
        url = request["QueueUrl"]
        queue = self._by_url.get(url) or self._queues.get(url.rpartition("/")[2])
        if queue is None:
            raise Refusal(
                PREFIX + "NonExistentQueue", "The specified queue does not exist.", shape="QueueDoesNotExist"
            )
        return queue

    # queues

    @operation("CreateQueue", required=("QueueName",), optional=("Attributes",))
    def create_queue(self, request: Request) -> Answer:
        """Creates a queue, or finds the one with this name and these attributes."""
        name = request["QueueName"]
        attributes = request.get("Attributes", {})
        settings = queue_settings.changed(Settings(size_max=self._bytes_max), attributes)
        if name.endswith(".fifo") != settings.fifo or len(name) > 80:
            raise Refusal(
                "InvalidParameterValue",
                "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length; the name "
                "of a FIFO queue, and of no other, ends in .fifo",
            )
        self._check_dead_letters(settings)
        known = self._queues.get(name)
        if known is None:
            known = self._new_queue(name, settings)
        elif queue_settings.changed(known.settings, attributes) != known.settings:
            raise Refusal(
                "QueueAlreadyExists",
                "A queue already exists with the same name and a different value for attribute(s)",
                shape="QueueNameExists",
            )
        return {"QueueUrl": known.url, "ResponseMetadata": METADATA}

    def _new_queue(self, name: str, settings: Settings) -> Queue:
        arrivals = Arrivals(self._kernel, self._now)
        queue = self.queue_type(
            name,
            f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{name}",
            f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}",
            f"AQEB{len(self._queues)}",
            settings,
            arrived=arrivals.notify,
            moved=lambda message: self._dead_letter(queue, message),
            stale_delete=self._stale_delete,
            created_at=self._now(),
        )
        arrivals.queue = queue
        self._queues[name] = self._by_url[queue.url] = queue
        self._arrivals[name] = arrivals
        return queue

    def _check_dead_letters(self, settings: Settings) -> None:
        if not settings.max_receives:
            return
        target = self._queues.get(settings.dead_letters.rpartition(":")[2])
        if target is None:
            raise queue_settings.redrive_error(settings.dead_letters, "Dead letter target does not exist.")
        if target.settings.fifo != settings.fifo:
            raise queue_settings.redrive_error(
                settings.dead_letters, "Dead-letter queue must be same type of queue as the source."
            )

    def _dead_letter(self, source: Queue, message: Message) -> None:
        """Moves a message that was received too often. It keeps its id and age; its count starts over."""
        target = self._queues[source.settings.dead_letters.rpartition(":")[2]]
        moved = message.copy(target.next_number())
        moved.count, moved.source = 0, source.arn
        target.put(moved, 0, self._now())

    @operation("GetQueueUrl", required=("QueueName",))
    def get_queue_url(self, request: Request) -> Answer:
        """The URL of a queue."""
        return {"QueueUrl": self._queue_of({"QueueUrl": request["QueueName"]}).url, "ResponseMetadata": METADATA}

    @operation("GetQueueAttributes", required=("QueueUrl",), optional=("AttributeNames",))
    def get_queue_attributes(self, request: Request) -> Answer:
        """Settings and counts; the counts are exact."""
        queue = self._queue_of(request)
        queue.release(self._now())
        attributes = {
            "QueueArn": queue.arn,
            "CreatedTimestamp": str(int(queue.created_at)),
            "LastModifiedTimestamp": str(int(queue.modified_at)),
            **{name: str(getattr(queue, count)) for name, count in _COUNTS.items()},
            **queue_settings.shown(queue.settings),
        }
        wanted = request.get("AttributeNames", [])
        known = {*attributes, "All", "RedrivePolicy", "FifoQueue", "ContentBasedDeduplication"}
        if not set(wanted) <= known:
            refuse_unmodelled("GetQueueAttributes", set(wanted) - known, known)
        chosen = attributes if "All" in wanted else {name: attributes[name] for name in wanted if name in attributes}
        return {**({"Attributes": chosen} if chosen else {}), "ResponseMetadata": METADATA}

    @operation("SetQueueAttributes", required=("QueueUrl", "Attributes"))
    def set_queue_attributes(self, request: Request) -> Answer:
        """Changes settings, in force at once; messages under way keep their delays and time-outs."""
        queue = self._queue_of(request)
        settings = queue_settings.changed(queue.settings, request["Attributes"])
        if settings.fifo != queue.settings.fifo:
            raise Refusal("InvalidAttributeName", "Unknown Attribute FifoQueue.")
        self._check_dead_letters(settings)
        queue.settings, queue.modified_at = settings, self._now()
        return {"ResponseMetadata": METADATA}

    @operation("PurgeQueue", required=("QueueUrl",))
    def purge_queue(self, request: Request) -> Answer:
        """Deletes all messages at once; refused within 60 s of the last time."""
        queue, now = self._queue_of(request), self._now()
        if now - queue.purged_at < 60:
            raise Refusal(
                PREFIX + "PurgeQueueInProgress",
                f"Only one PurgeQueue operation on {queue.name} is allowed every 60 seconds.",
                shape="PurgeQueueInProgress",
            )
        queue.purged_at = now
        queue.purge()
        return {"ResponseMetadata": METADATA}

    @operation("StartMessageMoveTask", required=("SourceArn",), optional=("DestinationArn",))
    def start_message_move_task(self, request: Request) -> Answer:
        """Moves the visible dead letters back to where they came from, or to one queue, at once, as new
        messages: new id, new age, count 0."""
        source = self._queues.get(request["SourceArn"].rpartition(":")[2])
        to = request.get("DestinationArn", "").rpartition(":")[2]
        if source is None or (to and to not in self._queues):
            raise Refusal(
                "ResourceNotFoundException",
                "The resource that you specified for the SourceArn parameter doesn't exist.",
            )
        if not any(queue.settings.dead_letters == source.arn for queue in self._queues.values()):
            raise Refusal("InvalidParameterValue", "Source queue must be configured as a Dead Letter Queue.")
        now = self._now()
        source.release(now)
        for message in source.drain():
            name = to or (message.source or "").rpartition(":")[2]
            if not name:
                raise Unmodelled(
                    "StartMessageMoveTask of a message sent straight to the dead-letter queue is not modelled "
                    "without DestinationArn"
                )
            moved = message.copy(self._queues[name].next_number())
            moved.id, moved.sent_at, moved.count, moved.source = self._new_id(), now, 0, None
            self._put(self._queues[name], moved, 0)
        self._tasks += 1
        return {"TaskHandle": f"task-{self._tasks}", "ResponseMetadata": METADATA}

    def _new_id(self) -> str:
        self._messages += 1
        return f"00000000-0000-4000-8000-{self._messages:012x}"

    def _put(self, queue: Queue, message: Message, delay_s: float) -> None:
        queue.put(message, delay_s, self._now())
        self._arrivals[queue.name].arm()
