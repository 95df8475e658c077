"""Option C on the Firestore and Pub/Sub emulators: the deployed entry points, subscriptions pumped by hand."""

from __future__ import annotations

import base64
import json
import os
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from cloudevents.http import CloudEvent
from flask import Request
from werkzeug.test import EnvironBuilder

from clef_runtime.context import SystemClock
from clef_runtime.deploy.google_clients import GoogleClients, pubsub_subscriber
from clef_runtime.deploy.manifest import load_manifest
from clef_runtime.deploy.names import Names
from clef_runtime.serverless.cloud_function_handler import (
    MESSAGES_PATH,
    PUBLISHED,
    make_event_handler,
    make_http_handler,
)
from clef_runtime.serverless.entry import build
from clef_runtime.transport.pubsub import Message, PubSubConsumer
from scenarios.apps.orders import app
from scenarios.requests.orders import REQUESTS

MANIFEST = "gcp-event-driven"
EMULATORS = ("FIRESTORE_EMULATOR_HOST", "PUBSUB_EMULATOR_HOST")


def flask_request(method: str, path: str, body: Any = None, request_id: str = "r1") -> Request:
    builder = EnvironBuilder(path=path, method=method, json=body, headers={"x-request-id": request_id})
    return Request(builder.get_environ())


class Deployment:
    """Every function of the manifest, and the subscriptions that feed them: concepts take messages as pushes, the
    evaluator as CloudEvents."""

    def __init__(self) -> None:
        project = f"test-{uuid.uuid4().hex[:12]}"
        names = Names(load_manifest(MANIFEST), app.name)
        functions = names.functions(concept.name for concept in app.catalogue)
        self.clients = GoogleClients(project=project)
        self.subscriber = pubsub_subscriber()
        environment = {"CLEF_MANIFEST": MANIFEST, "CLEF_APP": "scenarios.apps.orders"}
        self.http = {
            name: make_http_handler(lambda name=name: build({**environment, "CLEF_FUNCTION": name}, self.clients))
            for name in functions
        }
        self.evaluator = make_event_handler(
            lambda: build({**environment, "K_SERVICE": names.evaluator}, self.clients)
        )
        self.fed_by = {self._create(names.queue_of(name)): name for name in functions}
        self.fed_by[self._create(names.completion_queue)] = names.evaluator
        self.entry = self.http[names.function("Web")]

    def _create(self, name: str) -> str:
        topic, subscription = self.clients.topic(name), f"projects/{self.clients.project}/subscriptions/{name}"
        self.clients.pubsub_publisher().create_topic(name=topic)
        self.subscriber.create_subscription(name=subscription, topic=topic, timeout=10)
        return subscription

    def send(self, method: str, path: str, body: Any = None, request_id: str = "r1") -> tuple[int, Any]:
        text, status, _ = self.entry(flask_request(method, path, body, request_id))
        return status, json.loads(text)

    def pump(self) -> int:
        """Delivers messages until no subscription has one; says how many."""
        count = 0
        while delivered := sum(self._deliver(subscription) for subscription in self.fed_by):
            count += delivered
        return count

    def _deliver(self, subscription: str) -> int:
        consumer = PubSubConsumer(self.subscriber, subscription, SystemClock())
        messages = consumer.pull(count=100, wait_s=0.3)
        for message in messages:
            self._push(message, subscription)
        consumer.acknowledge(messages)
        return len(messages)

    def _push(self, message: Message, subscription: str) -> None:
        data = base64.b64encode(message.body.encode()).decode()
        envelope = {"message": {"data": data, "messageId": message.id}, "subscription": subscription}
        function = self.fed_by[subscription]
        if function in self.http:
            assert self.http[function](flask_request("POST", MESSAGES_PATH, envelope))[:2] == ("", 204)
        else:
            self.evaluator(CloudEvent({"type": PUBLISHED, "source": "//pubsub"}, envelope))

    def close(self) -> None:
        self.subscriber.transport.close()
        self.clients.pubsub_publisher().transport.close()
        self.clients.firestore().close()


@pytest.fixture
def deployment() -> Iterator[Deployment]:
    missing = [name for name in EMULATORS if not os.environ.get(name)]
    if missing:
        reason = f"{' and '.join(missing)} not set: start the emulators and say where they are"
        if os.environ.get("CLEF_REQUIRE_BACKENDS") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    made = Deployment()
    yield made
    made.close()


def test_order_on_google_emulators_ships_and_is_answered_under_its_flow(deployment: Deployment) -> None:
    stock = REQUESTS.setup[0].template.at(0)
    assert deployment.send(stock.method, stock.path, stock.body, "stock")[0] == 202
    deployment.pump()
    order = REQUESTS.template("order").at(0)
    status, body = deployment.send(order.method, order.path, order.body, "order")
    assert status == 202
    assert deployment.send("GET", f"/_clef/flows/{body['flow']}")[0] == 404
    assert deployment.pump() >= 14
    status, answer = deployment.send("GET", f"/_clef/flows/{body['flow']}")
    assert (status, answer["status"]) == (201, "shipped")


def test_request_repeated_on_google_emulators_opens_the_same_flow_and_changes_nothing(
    deployment: Deployment,
) -> None:
    stock = REQUESTS.setup[0].template.at(0)
    flows = {json.dumps(deployment.send(stock.method, stock.path, stock.body, "stock")[1]) for _ in range(2)}
    deployment.pump()
    assert len(flows) == 1
    _, body = deployment.send("GET", "/stock/article-0", request_id="look")
    deployment.pump()
    status, answer = deployment.send("GET", f"/_clef/flows/{body['flow']}")
    assert status == 200
    assert answer["available"] == 1_000_000
