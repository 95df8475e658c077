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
from clef_sim.clouds.shared import SharedServices
from clef_sim.emulated.firestore import EmulatedFirestore
from clef_sim.emulated.gcs import EmulatedGcs
from clef_sim.emulated.pubsub import EmulatedPubSub
from clef_sim.faults_queues import QueueFaults
from clef_sim.kernel.instance import Instance
from clef_sim.network import Endpoint, Network
from clef_sim.outside import Front
from clef_sim.platform.functions import Handler
from clef_sim.platform.http_function import FunctionRequest, HttpFunction, handler_of, status_of
from clef_sim.platform.push import PushSubscription, PushTarget
from clef_sim.services.firestore import Firestore, sdk_client
from clef_sim.services.objects import gcs
from clef_sim.services.pubsub import PubSub
from emulators.provision import create_gcs_bucket, create_topics


class Gcp:
    """See `clouds.Cloud`."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self.front: Front = _Front()
        self.firestore, self.pubsub = _firestore_of(site), _pubsub_of(site)
        self.gcs = _gcs_of(site)
        create_gcs_bucket(site.manifest, site.app, gcs.sdk_client(self.gcs))
        names = create_topics(site.manifest, site.app, self.pubsub.project, self.pubsub, self.pubsub)
        self._queues = {name: self.pubsub.subscription(name).queue for name in names}
        self.queue_faults = QueueFaults(site.faults, site.history, self._queues, self._redrive)
        self.pushes: list[PushSubscription] = []

    def clients(self, instance: Instance) -> SimClients:
        site = self._site
        timeout_s, shared = site.http_timeout_s, site.shared
        return _Clients(site.network, instance, shared, timeout_s, self.firestore, self.pubsub, self.gcs)

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

    def close(self) -> None:
        if isinstance(self.pubsub, EmulatedPubSub):
            self.pubsub.check()


def _firestore_of(site: Site) -> Firestore | EmulatedFirestore:
    def waited(seconds: float) -> None:
        site.history.add("waited", "firestore.Commit", ms=round(seconds * 1000.0, 3))

    backend = site.backend("firestore")
    if backend is not None:
        return EmulatedFirestore(backend, site.clock.now, site.kernel, waited)
    return Firestore(site.clock.now, site.kernel, waited)


def _pubsub_of(site: Site) -> PubSub | EmulatedPubSub:
    backend = site.backend("pubsub")
    if backend is not None:
        return EmulatedPubSub(backend, site.clock.now, site.kernel)
    return PubSub(site.clock.now, site.kernel)


def _gcs_of(site: Site) -> gcs.Gcs | EmulatedGcs:
    backend = site.backend("gcs")
    return gcs.Gcs(site.clock.now) if backend is None else EmulatedGcs(backend, site.kernel)


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
        self,
        network: Network,
        instance: Instance,
        shared: SharedServices,
        http_timeout_s: float,
        firestore: Firestore | EmulatedFirestore,
        pubsub: PubSub | EmulatedPubSub,
        storage: gcs.Gcs | EmulatedGcs,
    ) -> None:
        super().__init__(network, instance, shared, http_timeout_s=http_timeout_s)
        self._firestore, self._pubsub, self._gcs = firestore, pubsub, storage

    def firestore(self) -> Any:
        api = self._network.client("firestore", self._firestore, self._instance)
        return sdk_client(api, self._firestore.project)

    def gcs(self) -> Any:
        return gcs.sdk_client(self._network.client("gcs", self._gcs, self._instance))

    def pubsub_publisher(self) -> Any:
        return self._network.client("pubsub", self._pubsub, self._instance)

    def topic(self, name: str) -> str:
        return f"projects/{self._pubsub.project}/topics/{name}"
