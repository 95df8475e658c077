"""An SQS event source mapping: takes batches from a queue, invokes a function, deletes what succeeded.

Modelled: pollers and their ramp under a backlog, batch size and window, maximum concurrency, partial batch
responses, the pause after a throttled invocation. A batch that fails, or is throttled, is left to its
visibility time-out. Left out: filters, the 6 MB limit of a batch, failure destinations, provisioned pollers.
Nothing polls: the queue says when a message has arrived.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

import msgspec

from clef_runtime.errors import BadInput
from clef_sim.history import History
from clef_sim.kernel.choices import Choices
from clef_sim.kernel.threads import Kernel
from clef_sim.kernel.timers import Timer
from clef_sim.platform.errors import TooManyRequests
from clef_sim.platform.functions import FunctionPlatform
from clef_sim.profiles import Profile
from clef_sim.services.sqs.message import Received


class Queues(Protocol):
    """What is asked of the model of SQS. Queues are named by their URL."""

    def receive(self, queue: str, most: int) -> list[Received]:
        """Up to `most` visible messages, which are in flight from now; does not wait for any."""

    def on_arrival(self, queue: str, callback: Callable[[], None]) -> object:
        """Calls back whenever messages may have become visible."""

    def delete_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, str]]) -> Any:  # noqa: N803  SDK's names
        """Up to 10 at a time."""


class Mapping(msgspec.Struct, frozen=True, kw_only=True):
    """One queue to one function.

    Args:
        queue: URL. arn: what the records say they come from.
        batch_size: at most; 1..10,000, for FIFO queues 1..10.
        window_s: how long a batch that is not full waits for more; 0..300, for FIFO queues 0.
        partial_batch_responses: whether the function says which messages failed (ReportBatchItemFailures).
        maximum_concurrency: invocations at once, >= 2; without, what the pollers reach.
        hold_back_s: asked for each batch: how much later it reaches the function.
    """

    queue: str
    arn: str
    function: str
    fifo: bool = False
    batch_size: int = 10
    window_s: float = 0.0
    partial_batch_responses: bool = True
    maximum_concurrency: int | None = None
    hold_back_s: Callable[[], float] | None = None


class EventSource:
    """A running mapping.

    Attributes:
        in_flight: batches between being received and being done.
        batches, delivered, deleted, throttled: counted since the start; delivered and deleted are messages.
    """

    def __init__(
        self,
        mapping: Mapping,
        kernel: Kernel,
        choices: Choices,
        history: History,
        profile: Profile,
        queues: Queues,
        platform: FunctionPlatform,
    ) -> None:
        check(mapping, profile)
        self.mapping = mapping
        self.name = mapping.queue.rpartition("/")[2]
        self.in_flight = self.batches = self.delivered = self.deleted = self.throttled = 0
        self._kernel = kernel
        self._history = history
        self._queues = queues
        self._submit = platform.deployed(mapping.function).submit
        stream = choices.stream(f"event_source.{self.name}")
        self._latency_ms = stream.bound(
            profile.latency("event_source.fifo" if mapping.fifo else "event_source.standard")
        )
        self._delete_ms = stream.bound(profile.latency("sqs.DeleteMessageBatch"))
        self._pause_s = profile.limit("event_source.throttle_pause_s")
        self._pollers = Pollers(kernel, profile, mapping.maximum_concurrency)
        self._gathered: list[Received] = []
        self._window: Timer | None = None
        self._wanted = False
        self._paused = False
        self._full = False
        queues.on_arrival(mapping.queue, self._wake)

    def _wake(self) -> None:
        """Polls, after whatever else happens at this instant: what arrives together is one batch. Where every
        poller is busy, the next one that is free does."""
        if not self._wanted and not self._full:
            self._wanted = True
            self._kernel.call_later(0.0, self._poll)

    def _poll(self) -> None:
        self._wanted = False
        while not self._paused:
            if self.in_flight >= self._pollers.now(self.in_flight):
                self._full = True
                self._pollers.wait_for_more(self._more)
                return
            batch = self._gather()
            if not batch:
                self._pollers.enough(self.in_flight)
                return
            self._take(batch)

    def _gather(self) -> list[Received]:
        """The next batch to send; empty where there is none, or where one still waits for its window to end."""
        gathered = self._gathered
        gathered += self._queues.receive(self.mapping.queue, self.mapping.batch_size - len(gathered))
        if not gathered:
            return []
        if self.mapping.window_s and len(gathered) < self.mapping.batch_size:
            if self._window is None:
                self._window = self._kernel.timer(self.mapping.window_s, self._end_window)
            return []
        return self._take_gathered()

    def _take_gathered(self) -> list[Received]:
        if self._window is not None:
            self._window.cancel()
            self._window = None
        batch, self._gathered = self._gathered, []
        return batch

    def _end_window(self) -> None:
        self._window = None
        if self._gathered:
            self._take(self._take_gathered())

    def _take(self, batch: list[Received]) -> None:
        self.in_flight += 1
        self.batches += 1
        delay_s = self._latency_ms() / 1000.0
        if self.mapping.hold_back_s is not None:
            delay_s += self.mapping.hold_back_s()
        self._kernel.call_later(delay_s, partial(self._invoke, batch))

    def _invoke(self, batch: list[Received]) -> None:
        event = {"Records": [record_of(each, self.mapping.arn) for each in batch]}
        if self._submit(event, partial(self._ended, batch)):
            self.delivered += len(batch)
            note = self._history.note
            for each in batch:
                note("delivery", self.name, "ok", {"message": each.message_id, "count": each.receive_count})

    def _ended(self, batch: list[Received], result: Any, error: Exception | None) -> None:
        if isinstance(error, TooManyRequests):
            self.throttled += 1
            self._pause()
        failed = everything(batch) if error is not None else self._failed(batch, result)
        done = [each for each in batch if each.message_id not in failed] if failed else batch
        if done:
            delay_s = self._delete_ms() / 1000.0
            self._kernel.call_later(delay_s, partial(self._delete, done))
        else:
            self._free()

    def _failed(self, batch: list[Received], result: Any) -> dict[str, None]:
        """Ids of the messages that the function says have failed."""
        if not self.mapping.partial_batch_responses:
            return {}
        return failures(batch, result)

    def _delete(self, done: list[Received]) -> None:
        self.deleted += len(done)
        for start in range(0, len(done), 10):
            entries = [
                {"Id": str(n), "ReceiptHandle": each.receipt_handle}
                for n, each in enumerate(done[start : start + 10])
            ]
            self._queues.delete_message_batch(QueueUrl=self.mapping.queue, Entries=entries)
        self._free()

    def _free(self) -> None:
        """A poller is free again."""
        self.in_flight -= 1
        self._more()

    def _more(self) -> None:
        self._full = False
        self._wake()

    def _pause(self) -> None:
        if not self._paused:
            self._paused = True
            self._kernel.call_later(self._pause_s, self._go_on)

    def _go_on(self) -> None:
        self._paused = False
        self._wake()


class Pollers:
    """How many batches may be in flight: few at first, more for as long as they do not suffice."""

    def __init__(self, kernel: Kernel, profile: Profile, maximum: int | None) -> None:
        self._kernel = kernel
        self._start = profile.limit("event_source.pollers_start")
        self._per_s = profile.limit("event_source.pollers_per_minute") / 60.0
        self._most = profile.limit("event_source.pollers_max")
        self._reset_s = profile.limit("event_source.pollers_reset_s")
        if maximum is not None:
            self._most = min(self._most, float(maximum))
        self._count = min(self._start, self._most)
        self._short_since_s: float | None = None
        self._idle_since_s = 0.0
        self._waiting = False

    def now(self, in_flight: int) -> int:
        """How many there are."""
        if self._short_since_s is not None:
            return int(self._grown_to(self._short_since_s) + 1e-9)
        if not in_flight and self._kernel.now - self._idle_since_s >= self._reset_s:
            self._count = min(self._start, self._most)
        return int(self._count + 1e-9)

    def _grown_to(self, short_since_s: float) -> float:
        return min(self._most, self._count + (self._kernel.now - short_since_s) * self._per_s)

    def wait_for_more(self, wake: Callable[[], None]) -> None:
        """All are busy and messages wait: their number grows, and `wake` is called when there is another."""
        if self._short_since_s is None:
            self._short_since_s = self._kernel.now
        count = self._grown_to(self._short_since_s)
        if not self._waiting and count < self._most:
            self._waiting = True
            missing = int(count + 1e-9) + 1.0 - count
            self._kernel.call_later(missing / self._per_s, partial(self._grown, wake))

    def _grown(self, wake: Callable[[], None]) -> None:
        self._waiting = False
        wake()

    def enough(self, in_flight: int) -> None:
        """No message waits."""
        if self._short_since_s is not None:
            self._count = self._grown_to(self._short_since_s)
            self._short_since_s = None
        if not in_flight:
            self._idle_since_s = self._kernel.now


def check(mapping: Mapping, profile: Profile) -> None:
    """Raises BadInput where the mapping could not be created."""
    kind = "_fifo" if mapping.fifo else ""
    most = int(profile.limit(f"event_source.batch_size_max{kind}"))
    window_max_s = 0.0 if mapping.fifo else profile.limit("event_source.window_max_s")
    least = int(profile.limit("event_source.maximum_concurrency_min"))
    wrong = ""
    if not 1 <= mapping.batch_size <= most:
        wrong = f"batch_size(={mapping.batch_size}) must be in 1..{most}"
    elif not 0.0 <= mapping.window_s <= window_max_s:
        wrong = f"window_s(={mapping.window_s}) must be in 0..{window_max_s:g}"
    elif mapping.batch_size > 10 and mapping.window_s < 1.0:
        wrong = f"window_s(={mapping.window_s}) must be >= 1 where batch_size(={mapping.batch_size}) is over 10"
    elif mapping.maximum_concurrency is not None and mapping.maximum_concurrency < least:
        wrong = f"maximum_concurrency(={mapping.maximum_concurrency}) must be >= {least}"
    if wrong:
        raise BadInput(f"event source {mapping.queue!r} to function {mapping.function!r}: {wrong}")


def record_of(received: Received, arn: str) -> dict[str, Any]:
    """One of the `Records` of the event."""
    message = received.message
    return {
        "messageId": message.id,
        "receiptHandle": received.receipt_handle,
        "body": message.body,
        "attributes": received.system_attributes(),
        "messageAttributes": _attributes(message.attributes) if message.attributes else {},
        "md5OfBody": message.digest,
        "eventSource": "aws:sqs",
        "eventSourceARN": arn,
        "awsRegion": "us-east-1",
    }


def _attributes(attributes: dict[str, Any]) -> dict[str, Any]:
    """As events show them: the keys begin with a small letter."""
    return {
        name: {key[:1].lower() + key[1:]: value for key, value in each.items()} for name, each in attributes.items()
    }


def everything(batch: Sequence[Received]) -> dict[str, None]:
    return {each.message_id: None for each in batch}


def failures(batch: Sequence[Received], result: Any) -> dict[str, None]:
    """The message ids of a partial batch response. One that cannot be read means: the whole batch has failed.

    Nothing, an empty object, and an empty or null `batchItemFailures` mean that all has succeeded.
    """
    if result is None:
        return {}
    known = everything(batch)
    if not isinstance(result, dict):
        return known
    listed = result.get("batchItemFailures") or []
    failed: dict[str, None] = {}
    for each in listed if isinstance(listed, list) else [None]:
        message_id = each.get("itemIdentifier") if isinstance(each, dict) else None
        if message_id not in known:
            return known
        failed[message_id] = None
    return failed
