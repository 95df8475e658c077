"""Pub/Sub's emulator in virtual time, in the place of the model: see `services.pubsub`.

Every message is really published, pulled, refused and acknowledged; what the app gets is what the emulator delivered,
and its attempts are counted, and its dead letters made, by the emulator. When and in what order it is delivered is
what the emulator cannot be asked: it keeps deadlines by the wall clock, ignores retry policies, and lets a refused
message return behind its successors. That a plan says, which is the model: whatever was accepted is put into it. A
delivery of the plan is a pull; one that failed is refused once its pause has passed, and pulled again. The faults of
queues change the plan. A copy that they make is a second delivery of one message, of which the emulator knows
nothing; that it became a dead letter, it is told by a publish.
"""

from __future__ import annotations

import base64
import threading
import warnings
from collections.abc import Callable, Iterable
from typing import Any

from google.pubsub_v1 import PublisherClient, SubscriberClient
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

from clef_sim.emulated.backends import Backend
from clef_sim.emulated.google import REAL, Project, channel
from clef_sim.kernel.threads import Kernel
from clef_sim.services.pubsub.client import REQUEST_MESSAGES, PubSub
from clef_sim.services.pubsub.subscription import Delivery, Subscription, key_of
from clef_sim.services.sdk import Unmodelled
from clef_sim.services.sqs.message import Message

DEADLINE_S = 600
"""The longest that the service takes: the world ends what is to end."""

ASKED = 100
PAUSE_S = 0.05
"""How often, and at which real intervals, a message that must be there is asked for."""


class EmulatedPubSub:
    """The run's own topics and subscriptions, for publisher and subscriber clients alike.

    Args:
        clock_now: epoch seconds, virtual.

    Raises (from every method):
        BackendFailed: the emulator does not answer, or has lost what it was given; it ends the run.
    """

    def __init__(self, backend: Backend, clock_now: Callable[[], float], kernel: Kernel) -> None:
        grpc_channel = channel(backend.url)
        self._publisher = PublisherClient(transport=PublisherGrpcTransport(channel=grpc_channel))
        self._subscriber = SubscriberClient(transport=SubscriberGrpcTransport(channel=grpc_channel))
        self._project = Project(backend, kernel)
        self._plan = _Plan(clock_now, kernel, self._died)
        self._topics: dict[str, list[EmulatedSubscription]] = {}
        self._subscriptions: dict[str, EmulatedSubscription] = {}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise Unmodelled(f"PubSub.{name} is in neither world")

    @property
    def project(self) -> str:
        """Of the names of topics and subscriptions."""
        return self._project.id

    def subscription(self, name: str) -> EmulatedSubscription:
        """For the simulator, by its short or full name. Raises KeyError."""
        return self._subscriptions[name.rpartition("/")[2]]

    def check(self) -> None:
        """Raises BackendFailed where the emulator does not hold as many messages as it must."""
        for subscription in self._subscriptions.values():
            subscription.check()

    def create_topic(self, *, name: str, **options: Any) -> Any:
        answer = self._project.call(lambda: self._publisher.create_topic(name=name, **{**options, **REAL}))
        self._plan.create_topic(name=name)
        self._topics[name] = []
        return answer

    def create_subscription(self, request: Any, **options: Any) -> Any:
        """Its deadline is long, and it has neither order nor pauses: the plan has."""
        real = {**request, "ack_deadline_seconds": DEADLINE_S, "enable_message_ordering": False}
        real.pop("retry_policy", None)
        answer = self._project.call(lambda: self._subscriber.create_subscription(request=real, **{**options, **REAL}))
        self._plan.create_subscription(request)
        planned = self._plan.subscription(request["name"])
        made = EmulatedSubscription(planned, self._subscriber, self._project, self._republish)
        self._subscriptions[request["name"].rpartition("/")[2]] = made
        self._topics[request["topic"]].append(made)
        return answer

    def publish(self, request: Any, **options: Any) -> Any:
        """What the emulator refuses is not planned either."""
        answer = self._project.call(lambda: self._publisher.publish(request=request, **{**options, **REAL}))
        shown = self._plan.publish(request).message_ids
        for subscription in self._topics[request["topic"]]:
            subscription.expect(zip(answer.message_ids, shown, strict=True))
        return answer

    def _died(self, planned: Subscription, message: Message) -> None:
        """The plan has made a dead letter of the message: so must the emulator."""
        source = self.subscription(planned.settings.name)
        source.died(message)
        for dead in self._topics[planned.settings.dead_letters]:
            dead.await_letter(message, source)

    def _republish(self, topic: str, message: Message) -> None:
        attributes = {**message.attributes, "CloudPubSubDeadLetterSourceDeliveryCount": str(message.count)}
        data = {"data": base64.b64decode(message.body), "ordering_key": key_of(message.group)}
        request = {"topic": topic, "messages": [{**data, "attributes": attributes}]}
        self._project.call(lambda: self._publisher.publish(request=request, **REAL))


class _Plan(PubSub):
    """The model, telling of dead letters."""

    def __init__(
        self, clock_now: Callable[[], float], kernel: Kernel, died: Callable[[Subscription, Message], None]
    ) -> None:
        super().__init__(clock_now, kernel)
        self._died = died

    def _dead_letter(self, subscription: Subscription, message: Message) -> None:
        super()._dead_letter(subscription, message)
        self._died(subscription, message)


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
