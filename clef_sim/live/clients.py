"""What a live process holds: real SDK clients over its network, and recorded ports that threads may share."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import httpx

from clef_runtime.context import SystemClock
from clef_runtime.deploy.clients import HTTP_TIMEOUT_S, CloudClients
from clef_runtime.deploy.manifest import Manifest
from clef_runtime.storage.base import Storage
from clef_sim.clients import RecordedPorts
from clef_sim.history import History
from clef_sim.live.calls import LiveNetwork
from clef_sim.live.http import LiveTransport
from clef_sim.recorded import RecordedStorage


def clients_of(
    manifest: Manifest, network: LiveNetwork, function_urls: Mapping[str, str], engine: str, project: str
) -> CloudClients:
    """The cloud's deployed clients, each call through the network. SQL's and Redis's calls are not written down.

    Args:
        function_urls, engine: where functions and the engine are reached.
        project: Google Cloud's.
    """
    if manifest.cloud == "gcp":
        return _google(network, function_urls, engine, project)
    return _aws(network, function_urls, engine)


def _http(network: LiveNetwork) -> httpx.Client:
    return httpx.Client(transport=LiveTransport(network), timeout=HTTP_TIMEOUT_S, trust_env=False)


def _aws(network: LiveNetwork, function_urls: Mapping[str, str], engine: str) -> CloudClients:
    from clef_runtime.deploy.aws_clients import AwsClients

    class LiveAws(AwsClients):
        @cached_property
        def _http(self) -> httpx.Client:
            return _http(network)

        @cached_property
        def _dynamodb(self) -> Any:
            return network.client("dynamodb", super()._dynamodb)

        @cached_property
        def _sqs(self) -> Any:
            return network.client("sqs", super()._sqs)

        @cached_property
        def _s3(self) -> Any:
            return network.client("s3", super()._s3)

    return LiveAws(function_urls, engine)


def _google(network: LiveNetwork, function_urls: Mapping[str, str], engine: str, project: str) -> CloudClients:
    from clef_runtime.deploy.google_clients import GoogleClients

    class LiveGoogle(GoogleClients):
        @cached_property
        def _http(self) -> httpx.Client:
            return _http(network)

        @cached_property
        def _firestore(self) -> Any:
            client = super()._firestore
            client._firestore_api_internal = network.client("firestore", client._firestore_api)
            return client

        @cached_property
        def _publisher(self) -> Any:
            return network.client("pubsub", super()._publisher)

    return LiveGoogle(function_urls, engine, project=project)


class LivePorts(RecordedPorts):
    """Every port, recorded; an action takes what it takes."""

    def __init__(self, history: History) -> None:
        super().__init__(history, SystemClock(), lambda _concept, _action: 0.0)

    def storage(self, storage: Storage, concept: str) -> Storage:
        return _SharedStorage(storage, self._history, concept)


class _Rows(threading.local):
    """What this thread has read."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], tuple[int, float]] = {}


class _SharedStorage(RecordedStorage):
    """A recorded storage that knows of each thread what it has read."""

    def __init__(self, storage: Storage, history: History, concept_urn: str) -> None:
        self._of_thread = _Rows()
        super().__init__(storage, history, concept_urn)

    @property
    def _read(self) -> dict[tuple[str, str], tuple[int, float]]:
        return self._of_thread.rows

    @_read.setter
    def _read(self, rows: dict[tuple[str, str], tuple[int, float]]) -> None:
        self._of_thread.rows = rows
