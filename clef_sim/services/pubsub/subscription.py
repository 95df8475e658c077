"""One subscription: what is to be delivered, outstanding and held back. Its state is a queue of the SQS model, whose
rules are the same: a deadline for each delivery, one group at a time in order, a count of attempts."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import msgspec

from clef_sim.services.sdk import Refusal
from clef_sim.services.sqs.arrivals import Arrivals, Waiter
from clef_sim.services.sqs.message import Message, Received
from clef_sim.services.sqs.queue import Queue
from clef_sim.services.sqs.settings import Settings as QueueSettings

RETENTION_S = 604_800
"""The service's default: seven days."""

_NO_KEY = "\0"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Names are full ones, times in seconds.

    Args:
        ordering: whether messages of one ordering key are delivered one after another.
        dead_letters: the topic that gets what was delivered `attempts_max` times; empty: none.
        retry: least and longest pause before a message comes again; None: it does at once.
    """

    name: str
    topic: str
    ack_deadline_s: float = 10.0
    ordering: bool = False
    dead_letters: str = ""
    attempts_max: int = 0
    retry: tuple[float, float] | None = None


class Delivery:
    """One delivery of a message. `attempt` counts from 1; `ack_id` is for this delivery only."""

    __slots__ = ("_received", "ack_id", "attempt")

    def __init__(self, received: Received) -> None:
        self._received = received
        self.ack_id, self.attempt = received.receipt_handle, received.receive_count

    @property
    def message_id(self) -> str:
        return self._received.message_id

    @property
    def encoded(self) -> str:
        """The data, in base64."""
        return self._received.body

    @property
    def data(self) -> bytes:
        return base64.b64decode(self._received.body)

    @property
    def ordering_key(self) -> str:
        return key_of(self._received.group_id)

    @property
    def attributes(self) -> dict[str, str]:
        return self._received.message_attributes

    @property
    def published_at_s(self) -> float:
        """In epoch seconds."""
        return self._received.sent_at_s


class Subscription:
    """A subscription's messages.

    Args:
        tag: begins the ids of its deliveries.
        clock_now: epoch seconds.
        kernel: as the model's.
        died: called with a delivery that was one too many.
    """

    def __init__(
        self,
        settings: Settings,
        tag: str,
        clock_now: Callable[[], float],
        kernel: Waiter | None,
        died: Callable[[Message], None],
    ) -> None:
        self.settings, self.tag = settings, tag
        self._now = clock_now
        self.arrivals = Arrivals(kernel, clock_now)
        limits = QueueSettings(retention_s=RETENTION_S, fifo=settings.ordering, max_receives=settings.attempts_max)
        self.queue = self.arrivals.queue = Queue(
            settings.name,
            settings.name,
            settings.name,
            tag,
            limits,
            arrived=self.arrivals.notify,
            moved=died,
            stale_delete="ignored",
            created_at=clock_now(),
        )

    def put(self, id_: str, body: str, size: int, key: str, attributes: dict[str, str]) -> None:
        message = Message(self.queue.next_number(), id_, body, size, attributes, self._now())
        message.group = key or f"{_NO_KEY}{message.number}"
        self.queue.put(message, 0.0, self._now())
        self.arrivals.arm()

    def take(self, most: int, deadline_s: float | None = None) -> list[Delivery]:
        """Up to `most` deliveries, outstanding from now until acknowledged, refused, or `deadline_s` from now."""
        wanted_s = self.settings.ack_deadline_s if deadline_s is None else deadline_s
        taken = self.queue.take(most, wanted_s, self._now())
        self.arrivals.arm()
        return [Delivery(each) for each in taken]

    def wait(self, most: int, timeout_s: float) -> list[Delivery]:
        """As `take`, waiting for the first."""
        taken = self.take(most)
        return taken or [Delivery(each) for each in self.arrivals.wait(most, self.settings.ack_deadline_s, timeout_s)]

    def acknowledge(self, ack_id: str) -> None:
        """The message is delivered no more. One whose deadline has passed may be, without any word of it."""
        try:
            self.queue.delete(ack_id, self._now())
        except Refusal:
            return  # too late

    def extend(self, ack_id: str, deadline_s: float) -> None:
        """Moves the deadline to `deadline_s` from now; 0: the message is refused, and comes again after the pause
        of the retry policy, at once without one. Too late, it does nothing."""
        if not deadline_s and self.settings.retry is not None:
            deadline_s = backoff_s(*self.settings.retry, attempt=int(ack_id.rpartition(".")[2]))
        self.hold_back(ack_id, deadline_s)

    def hold_back(self, ack_id: str, seconds: float) -> None:
        """The message comes again in `seconds`."""
        try:
            self.queue.change_visibility(ack_id, seconds, self._now())
        except Refusal:
            return
        self.arrivals.arm()

    def on_arrival(self, callback: Callable[[], None]) -> None:
        """Calls `callback` whenever messages may have become deliverable. It must not block."""
        self.arrivals.listeners.append(callback)
        self.arrivals.arm()


def backoff_s(first_s: float, longest_s: float, attempt: int) -> float:
    """The pause after the n-th attempt (n from 1): doubled with each."""
    return min(longest_s, first_s * 2.0 ** min(attempt - 1, 60))


def key_of(group: str | None) -> str:
    """The ordering key for which a message is in a group of the queue."""
    return "" if group is None or group.startswith(_NO_KEY) else group


def settings_of(request: Any) -> Settings:
    """From the fields of a CreateSubscription request."""
    dead, retry = request.get("dead_letter_policy"), request.get("retry_policy")
    return Settings(
        name=request["name"],
        topic=request["topic"],
        ack_deadline_s=float(request.get("ack_deadline_seconds") or 10),
        ordering=bool(request.get("enable_message_ordering", False)),
        dead_letters=dead["dead_letter_topic"] if dead else "",
        attempts_max=int(dead.get("max_delivery_attempts") or 5) if dead else 0,
        retry=_seconds(retry) if retry else None,
    )


def _seconds(retry: Any) -> tuple[float, float]:
    return retry["minimum_backoff"].total_seconds(), retry["maximum_backoff"].total_seconds()
