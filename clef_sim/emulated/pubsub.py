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
from collections.abc import Callable
from typing import Any

from google.pubsub_v1 import PublisherClient, SubscriberClient
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

from clef_sim.emulated.backends import Backend
from clef_sim.emulated.google import REAL, Project, channel
from clef_sim.emulated.subscription import EmulatedSubscription
from clef_sim.kernel.threads import Kernel
from clef_sim.services.pubsub.client import PubSub
from clef_sim.services.pubsub.subscription import Subscription, key_of
from clef_sim.services.sdk import Unmodelled
from clef_sim.services.sqs.message import Message

DEADLINE_S = 600
"""The longest that the service takes: the world ends what is to end."""


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
