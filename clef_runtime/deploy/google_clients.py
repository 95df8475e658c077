"""The real SDK clients of a Google Cloud deployment, each made once. Every call of theirs says that the SDK is not to
retry (`google.ONCE`).

`FIRESTORE_EMULATOR_HOST`, `STORAGE_EMULATOR_HOST` and `PUBSUB_EMULATOR_HOST` lead them to emulators. The clients of
the first two look at their variable themselves; for the plain Pub/Sub clients it is done here.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import google.auth
import grpc
from google.auth.exceptions import DefaultCredentialsError
from google.cloud import firestore
from google.pubsub_v1 import PublisherClient, SubscriberClient
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

from clef_runtime.deploy.clients import CloudClients
from clef_runtime.errors import BadInput

# As in the SDK's own channels; gRPC's own limit of 4 MB is less than a message may have.
_ANY_SIZE = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]


class GoogleClients(CloudClients):
    """What `Wiring` asks for, from Google's SDKs and httpx. Credentials are the environment's.

    Args:
        function_urls, engine: as `CloudClients`.
        project: whose database and topics; empty: that of the credentials.
    """

    def __init__(
        self, function_urls: Mapping[str, str] | None = None, engine: str = "", *, project: str = ""
    ) -> None:
        super().__init__(function_urls, engine)
        self._given_project = project

    def firestore(self) -> Any:
        return self._firestore

    def gcs(self) -> Any:
        return self._gcs

    def pubsub_publisher(self) -> Any:
        return self._publisher

    def topic(self, name: str) -> str:
        return f"projects/{self.project}/topics/{name}"

    @cached_property
    def project(self) -> str:
        """Raises BadInput where neither it nor credentials are given."""
        if self._given_project:
            return self._given_project
        try:
            _, project = google.auth.default()
        except DefaultCredentialsError as error:
            raise BadInput(f"no project and no credentials: {error}; set CLEF_PROJECT") from error
        if not project:
            raise BadInput("the credentials name no project; set CLEF_PROJECT")
        return str(project)

    @cached_property
    def _firestore(self) -> Any:
        return firestore.Client(project=self.project)

    @cached_property
    def _gcs(self) -> Any:
        from google.cloud.storage import Client  # slow to import, and only blob storage needs it

        return Client(project=self.project)

    @cached_property
    def _publisher(self) -> Any:
        return pubsub_publisher()


def pubsub_publisher() -> PublisherClient:
    """A plain publisher."""
    channel = _emulator()
    return PublisherClient(transport=PublisherGrpcTransport(channel=channel)) if channel else PublisherClient()


def pubsub_subscriber() -> SubscriberClient:
    """A plain subscriber, for `PubSubConsumer`."""
    channel = _emulator()
    return SubscriberClient(transport=SubscriberGrpcTransport(channel=channel)) if channel else SubscriberClient()


def _emulator() -> grpc.Channel | None:
    host = os.environ.get("PUBSUB_EMULATOR_HOST")
    return grpc.insecure_channel(host, _ANY_SIZE) if host else None
