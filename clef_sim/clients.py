"""What an instance of a simulated deployment holds: SDK clients over the network, and recorded ports."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import httpx

from clef_runtime.action_log.base import ActionLog
from clef_runtime.concept import Catalogue
from clef_runtime.context import Clock
from clef_runtime.deploy.clients import Clients
from clef_runtime.deploy.wiring import Ports
from clef_runtime.engine.where import Facts
from clef_runtime.guard.base import FiringGuard
from clef_runtime.storage.base import Storage
from clef_runtime.transport.base import Dispatcher, Publisher
from clef_sim.history import History
from clef_sim.kernel.instance import Instance
from clef_sim.network import Network
from clef_sim.network_http import SimTransport
from clef_sim.recorded import (
    RecordedActionLog,
    RecordedDispatcher,
    RecordedFacts,
    RecordedGuard,
    RecordedPublisher,
    RecordedStorage,
    recorded_catalogue,
)

if TYPE_CHECKING:
    from clef_sim.clouds.shared import SharedServices

FUNCTION_HOST = "function.invalid"
ENGINE_HOST = "engine.invalid"


class SimClients(Clients):
    """The clients of one instance that every cloud has.

    Args:
        http_timeout_s: longer than a function may run.
    """

    def __init__(
        self, network: Network, instance: Instance, shared: SharedServices, *, http_timeout_s: float
    ) -> None:
        self._shared = shared
        self._network, self._instance, self._timeout_s = network, instance, http_timeout_s
        self._http: httpx.Client | None = None

    def http(self) -> httpx.Client:
        if self._http is None:
            transport = SimTransport(self._network, self._instance)
            self._http = httpx.Client(transport=transport, timeout=self._timeout_s, trust_env=False)
        return self._http

    def sql(self) -> Any:
        return self._shared.sql(self._instance)

    def redis(self) -> Any:
        return self._shared.redis(self._instance)

    def upstash(self) -> Any:
        return self._shared.upstash(self._instance)

    def function_url(self, function: str) -> str:
        return f"https://{function}.{FUNCTION_HOST}"

    def engine_url(self) -> str:
        return f"http://{ENGINE_HOST}"


class RecordedPorts(Ports):
    """Every port, recorded in the history; actions take their modelled time."""

    def __init__(self, history: History, clock: Clock, handler_s: Callable[[str, str], float]) -> None:
        self._history, self._clock, self._handler_s = history, clock, handler_s

    def catalogue(self, catalogue: Catalogue) -> Catalogue:
        return recorded_catalogue(catalogue, self._history, self._clock, self._handler_s)

    def storage(self, storage: Storage, concept: str) -> Storage:
        return RecordedStorage(storage, self._history, concept)

    def log(self, log: ActionLog) -> ActionLog:
        return RecordedActionLog(log, self._history)

    def guard(self, guard: FiringGuard) -> FiringGuard:
        return RecordedGuard(guard, self._history)

    def facts(self, facts: Facts) -> Facts:
        return RecordedFacts(facts, self._history)

    def dispatcher(self, dispatcher: Dispatcher) -> Dispatcher:
        return RecordedDispatcher(dispatcher, self._history)

    def publisher(self, publisher: Publisher) -> Publisher:
        return RecordedPublisher(publisher, self._history)
