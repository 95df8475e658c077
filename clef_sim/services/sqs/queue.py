"""One queue: what is visible, delayed and in flight, and for how long."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from typing import Literal, TypeAlias

from clef_sim.services.sdk import Refusal
from clef_sim.services.sqs.dedup import Dedup
from clef_sim.services.sqs.message import DELAYED, GONE, IN_FLIGHT, READY, Message, Received
from clef_sim.services.sqs.ready import FifoReady, Ready, StandardReady
from clef_sim.services.sqs.settings import Settings

StaleDelete: TypeAlias = Literal["ignored", "deletes", "refused"]
"""What deleting with an old receipt handle does in a standard queue; AWS promises nothing but success."""

IN_FLIGHT_MAX = 120_000
IN_FLIGHT_MAX_FIFO = 20_000


class Queue:
    """State and rules of one queue; knows nothing of requests, waiting or other queues.

    Args:
        tag: begins the queue's receipt handles.
        arrived: called when messages have become receivable.
        moved: called with a message that goes to the dead-letter queue.

    Two hooks, None by default, for standard queues: `duplicate` is called with each delivery and says after
    how many seconds the message is delivered once more, or None; `displace` is called as a message becomes
    visible and says how many places later (below 0: earlier) than its turn it is to come.
    """

    def __init__(
        self,
        name: str,
        url: str,
        arn: str,
        tag: str,
        settings: Settings,
        *,
        arrived: Callable[[], None],
        moved: Callable[[Message], None],
        stale_delete: StaleDelete,
        created_at: float,
    ) -> None:
        self.name, self.url, self.arn, self.tag, self.settings = name, url, arn, tag, settings
        self.created_at = self.modified_at = created_at
        self.purged_at = float("-inf")
        self.requests = 0
        self.duplicate: Callable[[Received], float | None] | None = None
        self.displace: Callable[[], int] | None = None
        self.dedup = Dedup()
        self.in_flight = 0
        self.delayed = 0
        self._arrived, self._moved, self._stale_delete = arrived, moved, stale_delete
        self._messages: dict[int, Message] = {}
        self._ready: Ready = FifoReady() if settings.fifo else StandardReady()
        self._hidden: list[tuple[float, int, Message]] = []
        self._dropped = 0  # entries of _hidden that mean nothing any more
        self._number = 0
        self._ticks = 0
        self._oldest = float("inf")  # no message was sent before

    @property
    def visible(self) -> int:
        return len(self._messages) - self.in_flight - self.delayed

    def next_number(self) -> int:
        self._number += 1
        return self._number

    # in

    def put(self, message: Message, delay_s: float, now: float) -> None:
        """Takes a message in; it can be received after `delay_s`."""
        self._messages[message.number] = message
        if message.sent_at < self._oldest:
            self._oldest = message.sent_at
        if delay_s > 0:
            message.state = DELAYED
            self.delayed += 1
            self._hide(message, now + delay_s)
        else:
            self._show(message)
            self._arrived()

    def _show(self, message: Message) -> None:
        message.state = READY
        message.due = 0.0
        rank = message.number
        if self.displace is not None:
            rank += self.displace()
        self._ready.add(message, rank)

    def _hide(self, message: Message, due: float) -> None:
        message.due = due
        self._ticks += 1
        heapq.heappush(self._hidden, (due, self._ticks, message))

    def _tidy_hidden(self) -> None:
        """Removes the entries of the heap that have lost their meaning, where they are many."""
        if self._dropped > len(self._hidden) // 2:
            self._hidden = [entry for entry in self._hidden if self._is_live(entry)]
            heapq.heapify(self._hidden)
            self._dropped = 0

    @staticmethod
    def _is_live(entry: tuple[float, int, Message]) -> bool:
        message = entry[2]
        return message.due == entry[0] and message.state in (DELAYED, IN_FLIGHT)

    def next_due(self) -> float | None:
        """When a delayed or in-flight message may become visible (epoch s)."""
        hidden = self._hidden
        while hidden:
            due, _, message = hidden[0]
            if message.due == due and (message.state == IN_FLIGHT or message.state == DELAYED):  # is live
                return due
            heapq.heappop(hidden)
            self._dropped -= 1
        return None

    def release(self, now: float) -> None:
        """Makes visible what is due, and forgets what is past its retention."""
        hidden = self._hidden
        if hidden and hidden[0][0] <= now:
            arrivals = False
            while hidden and hidden[0][0] <= now:
                entry = heapq.heappop(hidden)
                if not self._is_live(entry):
                    self._dropped -= 1
                    continue
                message = entry[2]
                was_in_flight = message.state == IN_FLIGHT
                self._show(message)
                if was_in_flight:
                    self.in_flight -= 1
                    self._ready.settled(message)
                else:
                    self.delayed -= 1
                arrivals = True
            if arrivals:
                self._arrived()
        if now - self._oldest > self.settings.retention_s:
            self._expire(now)

    def _expire(self, now: float) -> None:
        too_old = now - self.settings.retention_s
        expired = [each for each in self._messages.values() if each.sent_at < too_old]
        unblocked = [message for message in expired if self._remove(message)]
        self._oldest = min((each.sent_at for each in self._messages.values()), default=float("inf"))
        if unblocked:
            self._arrived()

    # out

    def take(self, most: int, visibility_s: float, now: float) -> list[Received]:
        """Up to `most` deliveries, oldest first; those received too often go to the dead-letter queue."""
        hidden = self._hidden
        if (hidden and hidden[0][0] <= now) or now - self._oldest > self.settings.retention_s:
            self.release(now)
        self._ready.start()
        taken: list[Received] = []
        again: list[tuple[Message, float]] = []
        limit = IN_FLIGHT_MAX_FIFO if self.settings.fifo else IN_FLIGHT_MAX
        while len(taken) < most and self.in_flight < limit:
            message = self._ready.pop()
            if message is None:
                break
            message.state = IN_FLIGHT
            self.in_flight += 1
            if self.settings.max_receives and message.count >= self.settings.max_receives:
                self._remove(message)
                self._moved(message)
                continue
            message.count += 1
            if message.count == 1:
                message.first_at = now
            self._hide(message, now + visibility_s)
            received = Received(message, f"{self.tag}.{message.number}.{message.count}")
            taken.append(received)
            if self.duplicate is not None and not self.settings.fifo:
                delay_s = self.duplicate(received)
                if delay_s is not None:
                    again.append((message, delay_s))
        for message, delay_s in again:  # a copy on a server that has not heard of the delivery
            self.put(message.copy(self.next_number()), delay_s, now)
        return taken

    def _remove(self, message: Message) -> bool:
        """True where others became receivable by it."""
        del self._messages[message.number]
        state, message.state = message.state, GONE
        if state == READY:
            return False
        if message.due:
            self._dropped += 1
            if self._dropped > 64:
                self._tidy_hidden()
        if state == DELAYED:
            self.delayed -= 1
            return False
        self.in_flight -= 1
        return self._ready.settled(message)

    def _find(self, handle: str) -> tuple[Message | None, bool]:
        """The message of a receipt handle, None where it is gone, and whether the handle is its latest."""
        tag, _, rest = handle.partition(".")
        number, _, count = rest.partition(".")
        if tag != self.tag or not number.isdigit() or not count.isdigit():
            raise Refusal(
                "ReceiptHandleIsInvalid", f'The input receipt handle "{handle}" is not a valid receipt handle.'
            )
        message = self._messages.get(int(number))
        return message, message is not None and message.count == int(count)

    def delete(self, handle: str, now: float) -> None:
        """Deletes by receipt handle; nothing happens where the message is gone.

        A stale handle in a standard queue does what `stale_delete` says; in a FIFO queue the visibility
        timeout must not have passed.
        """
        hidden = self._hidden
        if (hidden and hidden[0][0] <= now) or now - self._oldest > self.settings.retention_s:
            self.release(now)
        message, latest = self._find(handle)
        if message is None:
            return
        if self.settings.fifo and (not latest or message.state != IN_FLIGHT):
            raise _expired(handle)
        if not latest:
            if self._stale_delete == "refused":  # as MiniStack does
                raise Refusal("ReceiptHandleIsInvalid", "The input receipt handle is invalid.")
            if self._stale_delete == "ignored":
                return
        if self._remove(message):
            self._arrived()

    def change_visibility(self, handle: str, timeout_s: float, now: float) -> None:
        """The message becomes visible `timeout_s` from now."""
        self.release(now)
        message, latest = self._find(handle)
        if message is None:
            raise Refusal(
                "InvalidParameterValue",
                f"Value {handle} for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not "
                "available for visibility timeout change.",
            )
        if not latest and not self.settings.fifo:
            return  # as a stale delete: success, and nothing is promised
        if message.state != IN_FLIGHT or not latest:
            raise Refusal(
                "AWS.SimpleQueueService.MessageNotInflight",
                f"Value {handle} for parameter ReceiptHandle is invalid. Reason: Message is not in flight.",
                shape="MessageNotInflight",
            )
        self._hide(message, now + timeout_s)
        self._dropped += 1
        if self._dropped > 64:
            self._tidy_hidden()
        if timeout_s <= 0:
            self.release(now)

    def purge(self) -> None:
        for message in list(self._messages.values()):
            self._remove(message)
        self._ready.clear()

    def drain(self) -> Iterator[Message]:
        """Removes and gives every visible message, oldest first."""
        for message in sorted(self._messages.values(), key=lambda each: each.number):
            if message.state == READY:
                self._remove(message)
                yield message


def _expired(handle: str) -> Refusal:
    return Refusal(
        "InvalidParameterValue",
        f"Value {handle} for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired.",
    )
