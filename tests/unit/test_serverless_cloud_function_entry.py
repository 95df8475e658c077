"""What a deployed Cloud Function reads from its environment, and which clients each cloud has."""

from __future__ import annotations

from typing import Any

import google.auth
import pytest
from google.auth.exceptions import DefaultCredentialsError

from clef_runtime.deploy.aws_clients import AwsClients
from clef_runtime.deploy.clients import Clients
from clef_runtime.deploy.google_clients import GoogleClients
from clef_runtime.engine.evaluator import Evaluator
from clef_runtime.errors import BadInput, NotFound
from clef_runtime.serverless.entry import build, wired
from clef_runtime.serverless.roles import ConceptFunction
from clef_runtime.transport.pubsub import PubSubDispatcher, PubSubPublisher

ENVIRONMENT = {"CLEF_MANIFEST": "gcp-event-driven", "CLEF_APP": "scenarios.apps.orders"}


class Offline(Clients):
    """Google's clients, as far as wiring needs them."""

    def firestore(self) -> Any:
        return object()

    def pubsub_publisher(self) -> Any:
        return object()

    def topic(self, name: str) -> str:
        return f"projects/p/topics/{name}"


@pytest.mark.parametrize(("function", "kind"), [("orders-evaluator", Evaluator), ("orders-order", ConceptFunction)])
@pytest.mark.parametrize("variable", ["CLEF_FUNCTION", "K_SERVICE"])
def test_function_is_what_its_environment_names(variable: str, function: str, kind: type) -> None:
    assert isinstance(build({**ENVIRONMENT, variable: function}, Offline()), kind)


def test_function_without_a_name_or_with_another_is_refused() -> None:
    with pytest.raises(BadInput, match="K_SERVICE is not set"):
        build(ENVIRONMENT, Offline())
    with pytest.raises(BadInput, match="must be one of orders-"):
        build({**ENVIRONMENT, "K_SERVICE": "other"}, Offline())


def test_manifest_with_pubsub_is_wired_to_its_topics() -> None:
    _, wiring = wired(ENVIRONMENT, Offline())
    dispatcher, publisher = wiring.dispatcher(), wiring.publisher()
    assert isinstance(dispatcher, PubSubDispatcher) and isinstance(publisher, PubSubPublisher)
    assert dispatcher._topic_of("urn:clef/Order") == "projects/p/topics/orders-order-invocations"
    assert publisher._topic == "projects/p/topics/orders-completions"


def test_clients_that_a_cloud_does_not_have_are_refused_by_name() -> None:
    for use in (
        lambda: AwsClients().firestore(),
        lambda: AwsClients().pubsub_publisher(),
        lambda: AwsClients().topic("t"),
    ):
        with pytest.raises(BadInput, match=r"no client of (Firestore|Pub/Sub).*AwsClients"):
            use()
    for use in (lambda: GoogleClients().sqs(), lambda: GoogleClients().queue_url("q")):
        with pytest.raises(BadInput, match=r"no client of SQS.*GoogleClients"):
            use()
    with pytest.raises(NotFound, match="CLEF_FUNCTION_URLS"):
        GoogleClients().function_url("f")
    with pytest.raises(NotFound, match="CLEF_ENGINE_URL"):
        GoogleClients().engine_url()


def test_project_is_the_given_one_else_that_of_the_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    assert GoogleClients(project="p").topic("t") == "projects/p/topics/t"
    monkeypatch.setattr(google.auth, "default", lambda: (None, "mine"))
    assert GoogleClients().topic("t") == "projects/mine/topics/t"
    monkeypatch.setattr(google.auth, "default", lambda: (None, None))
    with pytest.raises(BadInput, match="set CLEF_PROJECT"):
        GoogleClients().topic("t")

    def none() -> None:
        raise DefaultCredentialsError("planned")

    monkeypatch.setattr(google.auth, "default", none)
    with pytest.raises(BadInput, match="planned; set CLEF_PROJECT"):
        GoogleClients().topic("t")
