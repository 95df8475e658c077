"""Google Cloud: Firestore, Pub/Sub and its pushes, functions behind HTTP. One request at a time in an instance."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from clef_runtime.serverless.cloud_function_handler import MESSAGES_PATH, make_http_handler
from clef_runtime.serverless.service import FunctionService
from clef_runtime.web import HttpRequest
from clef_sim.clients import SimClients
from clef_sim.clouds import Site
from clef_sim.faults_queues import QueueFaults
from clef_sim.kernel.instance import Instance
from clef_sim.network import Endpoint, Network
from clef_sim.outside import Front
from clef_sim.platform.functions import Handler
from clef_sim.platform.http_function import FunctionRequest, HttpFunction, handler_of, status_of
from clef_sim.platform.push import PushSubscription, PushTarget
from clef_sim.services.firestore import Firestore, sdk_client
from clef_sim.services.firestore.sdk import PROJECT
from clef_sim.services.pubsub import PubSub
from emulators.provision import create_topics


class Gcp:
    """See `clouds.Cloud`."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self.front: Front = _Front()
        self.firestore = Firestore(site.clock.now, site.kernel)
        self.pubsub = PubSub(site.clock.now, site.kernel)
        names = create_topics(site.manifest, site.app, PROJECT, self.pubsub, self.pubsub)
        self._queues = {name: self.pubsub.subscription(name).queue for name in names}
        self.queue_faults = QueueFaults(site.faults, site.history, self._queues, self._redrive)
        self.pushes: list[PushSubscription] = []

    def clients(self, instance: Instance) -> SimClients:
        site = self._site
        return _Clients(site.network, instance, site.http_timeout_s, self.firestore, self.pubsub)

    def handler(self, build: Callable[[], FunctionService]) -> Handler:
        return handler_of(make_http_handler(build))

    def url(self, function: str) -> Endpoint:
        return HttpFunction(self._site.platform, function)

    def feed(self, function: str, queue: str) -> None:
        """Pushes the subscription's messages to the function."""
        site = self._site
        target = PushTarget(function=function, path=MESSAGES_PATH, hold_back_s=self.queue_faults.hold_back(queue))
        subscription = self.pubsub.subscription(queue)
        self.pushes.append(
            PushSubscription(
                subscription, target, site.kernel, site.choices, site.history, site.profile, site.platform
            )
        )

    def _redrive(self, queue: str) -> int:
        """As an operator does it: takes the dead letters and publishes them again."""
        dead = self.pubsub.subscription(self._site.names.dead_letters(queue))
        count = 0
        for delivery in dead.take(dead.queue.visible):
            message = {"data": delivery.data, "ordering_key": delivery.ordering_key}
            topic = self.pubsub.subscription(queue).settings.topic
            self.pubsub.publish({"topic": topic, "messages": [message]})
            dead.acknowledge(delivery.ack_id)
            count += 1
        return count

    def begin_faults(self) -> None:
        """The services have no faults of their own."""

    def stop_faults(self) -> None:
        """The services have no faults of their own."""

    @property
    def resting(self) -> bool:
        return not any(queue.visible or queue.in_flight or queue.delayed for queue in self._queues.values())

    @property
    def dead_letters(self) -> int:
        names = self._site.names
        return sum(self.pubsub.subscription(names.dead_letters(name)).queue.visible for name in self._queues)


class _Front(Front):
    """What stands before an HTTP function."""

    def event(self, request: HttpRequest, body: str | None, request_id: str) -> Any:
        content = b"" if body is None else body.encode()
        query = urlencode(request.query).encode()
        return FunctionRequest(request.method, request.path, query, request.headers, content, request_id)

    def status(self, result: Any, error: Exception | None) -> int:
        return status_of(result, error)


class _Clients(SimClients):
    def __init__(
        self, network: Network, instance: Instance, http_timeout_s: float, firestore: Firestore, pubsub: PubSub
    ) -> None:
        super().__init__(network, instance, http_timeout_s=http_timeout_s)
        self._firestore, self._pubsub = firestore, pubsub

    def firestore(self) -> Any:
        return sdk_client(self._network.client("firestore", self._firestore, self._instance))

    def pubsub_publisher(self) -> Any:
        return self._network.client("pubsub", self._pubsub, self._instance)

    def topic(self, name: str) -> str:
        return f"projects/{PROJECT}/topics/{name}"
