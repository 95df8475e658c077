"""One subscription of Pub/Sub's emulator, whose messages are delivered as a plan says: see `pubsub`."""

from __future__ import annotations

import base64
import threading
import warnings
from collections.abc import Callable, Iterable
from typing import Any

from google.pubsub_v1 import SubscriberClient

from clef_sim.emulated.google import REAL, Project
from clef_sim.services.pubsub.client import REQUEST_MESSAGES
from clef_sim.services.pubsub.subscription import Delivery, Subscription
from clef_sim.services.sqs.message import Message

ASKED = 100
PAUSE_S = 0.05
"""How often, and at which real intervals, a message that must be there is asked for."""


class EmulatedDelivery:
    """As the model's; its content is what was pulled. `attempt` is the emulator's count, where it keeps one."""

    __slots__ = ("_planned", "_pulled", "ack_id", "attempt")

    def __init__(self, planned: Delivery, pulled: Any, attempt: int) -> None:
        self._planned, self._pulled = planned, pulled
        self.ack_id, self.attempt = planned.ack_id, attempt

    @property
    def message_id(self) -> str:
        """The plan's: the same in every run."""
        return self._planned.message_id

    @property
    def encoded(self) -> str:
        return base64.b64encode(self._pulled.data).decode()

    @property
    def data(self) -> bytes:
        data: bytes = self._pulled.data
        return data

    @property
    def ordering_key(self) -> str:
        key: str = self._pulled.ordering_key
        return key

    @property
    def attributes(self) -> dict[str, str]:
        return dict(self._pulled.attributes)

    @property
    def published_at_s(self) -> float:
        """In virtual epoch seconds."""
        return self._planned.published_at_s


class EmulatedSubscription:
    """A subscription's messages, as the plan delivers them.

    Args:
        republish: sends a message to a topic of dead letters.
    """

    def __init__(
        self,
        planned: Subscription,
        client: SubscriberClient,
        project: Project,
        republish: Callable[[str, Message], None],
    ) -> None:
        self.settings, self.queue, self.on_arrival = planned.settings, planned.queue, planned.on_arrival
        self.hold_back = planned.hold_back
        self._plan, self._client, self._project, self._republish = planned, client, project, republish
        self._ids: dict[str, str] = {}  # the plan's, by the emulator's
        self._pulled: dict[str, Any] = {}  # delivered by the emulator and not ended, by the plan's id
        self._contents: dict[str, Any] = {}  # by the plan's id
        self._originals: dict[int, Delivery] = {}  # the newest of each message that is no copy, by its number
        self._letters: list[Any] = []  # pulled under an id that nobody was told
        self._due = 0  # how many messages the emulator must hold

    # ---- as the plan has it

    def expect(self, ids: Iterable[tuple[str, str]]) -> None:
        """The emulator has accepted messages: its ids, and the plan's."""
        known = len(self._ids)
        self._ids.update(ids)
        self._due += len(self._ids) - known

    def take(self, most: int, deadline_s: float | None = None) -> list[EmulatedDelivery]:
        """As the model's; what is delivered is pulled, after its refusal where it was before."""
        return [self._deliver(each) for each in self._plan.take(most, deadline_s)]

    def _deliver(self, planned: Delivery) -> EmulatedDelivery:
        id_, number = planned.message_id, _number(planned.ack_id)
        if number in self._originals:
            self._refuse(self._pulled.pop(id_))
        elif planned.attempt > 1:
            return EmulatedDelivery(planned, self._contents[id_], planned.attempt)
        self._originals[number] = planned
        pulled = self._await(planned)
        self._contents[id_] = pulled.message
        return EmulatedDelivery(planned, pulled.message, pulled.delivery_attempt or planned.attempt)

    def acknowledge(self, ack_id: str) -> None:
        """A copy is the plan's alone; an acknowledgement of an earlier delivery is too late."""
        self._plan.acknowledge(ack_id)
        newest = self._originals.get(_number(ack_id))
        if newest is None or newest.ack_id != ack_id:
            return
        del self._originals[_number(ack_id)]
        received = self._forget(newest.message_id)
        request = {"subscription": self.settings.name, "ack_ids": [received.ack_id]}
        self._project.call(lambda: self._client.acknowledge(request=request, **REAL))

    def died(self, message: Message) -> None:
        """Delivered too often: the emulator forwards it, once it is refused. Of a copy it is told the whole."""
        newest = self._originals.pop(message.number, None)
        if newest is None:
            self._republish(self.settings.dead_letters, message)
        else:
            self._refuse(self._forget(newest.message_id))

    def check(self) -> None:
        """Raises BackendFailed where the emulator does not hold as many messages as it must."""
        while self.pull():
            pass
        if self._holds() != self._due:
            self._project.fail(f"holds {self._holds()} messages for {self.settings.name}, not {self._due}")

    def await_letter(self, message: Message, source: EmulatedSubscription) -> None:
        """The emulator must have made a dead letter of the message; it does where somebody pulls at the source."""
        self._due += 1

        def there() -> bool:
            source.pull()
            self.pull()
            return self._holds() >= self._due

        if not _comes(there):
            self._project.fail(
                f"forwarded no dead letter to {self.settings.name} of a message refused {message.count} times"
            )

    # ---- as the emulator has it

    def _holds(self) -> int:
        return len(self._pulled) + len(self._letters)

    def _forget(self, id_: str) -> Any:
        """The message is about to end; what was pulled of it last."""
        received = self._pulled.pop(id_)
        del self._ids[received.message.message_id]
        self._due -= 1
        if self.queue.duplicate is None:  # no copy is to come
            del self._contents[id_]
        return received

    def _refuse(self, received: Any) -> None:
        refused = {"ack_ids": [received.ack_id], "ack_deadline_seconds": 0}
        request = {"subscription": self.settings.name, **refused}
        self._project.call(lambda: self._client.modify_ack_deadline(request=request, **REAL))

    def _await(self, planned: Delivery) -> Any:
        id_ = planned.message_id
        if not _comes(lambda: self._has(planned) or (self.pull() and self._has(planned))):
            self._project.fail(f"did not deliver message {id_} of {self.settings.name}")
        return self._pulled[id_]

    def _has(self, planned: Delivery) -> bool:
        """Whether the message has been pulled; a dead letter is known by its data."""
        if planned.message_id in self._pulled:
            return True
        found = next((each for each in self._letters if each.message.data == planned.data), None)
        if found is None:
            return False
        self._letters.remove(found)
        self._ids[found.message.message_id] = planned.message_id
        self._pulled[planned.message_id] = found
        return True

    def pull(self) -> int:
        """Takes whatever there is; how many."""
        request = {"subscription": self.settings.name, "max_messages": REQUEST_MESSAGES, "return_immediately": True}
        with warnings.catch_warnings():
            # In production it leaves messages waiting; here it keeps an empty pull from lasting to its time-out.
            warnings.simplefilter("ignore", DeprecationWarning)
            answer = self._project.call(lambda: self._client.pull(request=request, **REAL))
        for received in answer.received_messages:
            id_ = self._ids.get(received.message.message_id)
            if id_ is None:
                self._letters.append(received)
            else:
                self._pulled[id_] = received
        return len(answer.received_messages)


def _number(ack_id: str) -> int:
    """Of the message in its queue."""
    return int(ack_id.rsplit(".", 2)[1])


def _comes(there: Callable[[], Any]) -> bool:
    """Whether it is there now or soon, in real time."""
    pause = threading.Event()
    return any(there() or pause.wait(PAUSE_S) for _ in range(ASKED))
