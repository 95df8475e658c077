"""From a manifest and an app to what runs: the one place that knows all adapters.

Nothing here builds an SDK client: they come from `Clients`, so that a simulation, an emulator and the cloud are
wired by the same code. `Ports` lets whoever runs it wrap each port on its way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from clef_runtime.action_log.base import ActionLog
from clef_runtime.app import App
from clef_runtime.concept import Catalogue
from clef_runtime.context import Clock, Ids
from clef_runtime.deploy.clients import Clients
from clef_runtime.deploy.manifest import Manifest
from clef_runtime.deploy.names import Names
from clef_runtime.deploy.stores import Stores
from clef_runtime.engine.availability import WhereAvailable
from clef_runtime.engine.durable import DurableEngine
from clef_runtime.engine.evaluator import Evaluator
from clef_runtime.engine.firing import Firer, Fires, Gather, in_turn
from clef_runtime.engine.index import SyncIndex
from clef_runtime.engine.per_request import PerRequestEngine
from clef_runtime.engine.persistent import PersistentEngine
from clef_runtime.engine.where import Facts, StorageFacts
from clef_runtime.errors import BadInput
from clef_runtime.guard.base import FiringGuard
from clef_runtime.receiver import Receiver
from clef_runtime.serverless.engine_service import EngineService
from clef_runtime.serverless.roles import ConceptFunction, Embedded, Onward, ToEngine, ToQueue
from clef_runtime.storage.base import Storage
from clef_runtime.transport.base import Dispatcher, Publisher


class Ports:
    """Hands every port on as it is. Subclass it to wrap them."""

    def catalogue(self, catalogue: Catalogue) -> Catalogue:
        return catalogue

    def storage(self, storage: Storage, concept: str) -> Storage:  # noqa: ARG002 - for those who wrap
        return storage

    def log(self, log: ActionLog) -> ActionLog:
        return log

    def guard(self, guard: FiringGuard) -> FiringGuard:
        return guard

    def facts(self, facts: Facts) -> Facts:
        return facts

    def dispatcher(self, dispatcher: Dispatcher) -> Dispatcher:
        return dispatcher

    def publisher(self, publisher: Publisher) -> Publisher:
        return publisher


class Wiring:
    """Builds what one instance runs.

    Args:
        index: of the app's compiled syncs.
        gather: how the engines of options A and B run firings side by side.
    """

    def __init__(
        self,
        manifest: Manifest,
        app: App,
        index: SyncIndex,
        clients: Clients,
        clock: Clock,
        ids: Ids,
        *,
        ports: Ports | None = None,
        gather: Gather = in_turn,
        available: Callable[[str], bool] | None = None,
    ) -> None:
        self.manifest, self.app, self.index = manifest, app, index
        self.clients, self.clock, self.ids = clients, clock, ids
        self.ports, self.gather = ports or Ports(), gather
        self.names = Names(manifest, app.name)
        self.catalogue = self.ports.catalogue(app.catalogue)
        self._available = available or app.catalogue.__contains__
        self._storages: dict[str, Storage] = {}
        self._stores = Stores(manifest, self.names, clients, clock, ids)
        self._log: ActionLog | None = None

    # ---- what a runtime is

    def concept_function(self, concepts: Sequence[str] | None = None) -> ConceptFunction:
        """The function that runs `concepts` (URNs), or all of them."""
        catalogue = self.catalogue
        if concepts is not None:
            catalogue = Catalogue(catalogue.get(urn) for urn in concepts)
        log = self.log()
        receiver = Receiver(catalogue, self.storage_of, log, self.clock, self.ids, self.manifest.delivery)
        return ConceptFunction(receiver, self._onward(), self.clock, routes=self.app.routes, log=log)

    def evaluator(self) -> Evaluator:
        """Option C's function."""
        return Evaluator(self._durable())

    def engine(self) -> PersistentEngine:
        """Option A's engine, not yet replayed."""
        settings = self.manifest.action_log
        return PersistentEngine(
            self.index,
            self._firer(),
            self.clock,
            log=self.log(),
            appends=settings.append != "receiver",
            gather=self.gather,
        )

    def engine_service(self) -> EngineService:
        """Option A's service, its durable log replayed."""
        engine = self.engine()
        engine.replay()
        return EngineService(engine)

    def _onward(self) -> Onward:
        topology = self.manifest.topology
        if topology == "C":
            return ToQueue(self.publisher())
        if topology == "B":
            log = self.log()
            assert log is not None  # the manifest's checks: option B has a durable log
            return Embedded(PerRequestEngine(self._durable()), log)
        from clef_runtime.transport.http import HttpEngineClient

        client = HttpEngineClient(self.clients.http(), self.clients.engine_url(), self.clock)
        return ToEngine(client.evaluate)

    def _durable(self) -> DurableEngine:
        log = self.log()
        if log is None:
            raise BadInput(f"{self.manifest.file}: action_log.kind: options B and C need a durable log")
        return DurableEngine(
            self.index, log, self._firer(), append=self.manifest.action_log.append, gather=self.gather
        )

    def _firer(self) -> Fires:
        guard = self.manifest.guard
        firer = Firer(
            dispatcher=self.dispatcher(),
            facts=self.facts(),
            clock=self.clock,
            ids=self.ids,
            guard=self.guard(),
            protocol=guard.protocol,
            log=self.log(),
            lease_s=guard.lease_s,
        )
        return WhereAvailable(firer, self._available)

    # ---- ports

    def storage_of(self, concept: str) -> Storage:
        """The storage of a concept (URN)."""
        found = self._storages.get(concept)
        if found is None:
            made = self._stores.storage(self.catalogue.get(concept).name)
            found = self._storages[concept] = self.ports.storage(made, concept)
        return found

    def log(self) -> ActionLog | None:
        """The action log, or None where the manifest has none."""
        settings = self.manifest.action_log
        if settings.kind == "none":
            return None
        if self._log is None:
            self._log = self.ports.log(self._stores.log())
        return self._log

    def guard(self) -> FiringGuard | None:
        """The firing guard, or None where the manifest has none."""
        return None if self.manifest.guard.kind == "none" else self.ports.guard(self._stores.guard())

    def delete_expired(self) -> int:
        """Removes what log and guard may forget by now, where no service does so by itself; says how many records.
        Raises as the log and the guard do."""
        return self._stores.delete_expired()

    def facts(self) -> Facts:
        return self.ports.facts(StorageFacts(self.catalogue, self.storage_of, self.clock, self.ids))

    def dispatcher(self) -> Dispatcher:
        """Engine to concepts."""
        settings = self.manifest.transport
        if settings.kind == "sqs":
            from clef_runtime.transport.sqs import SqsDispatcher

            def url_of(concept: str) -> str:
                return self.clients.queue_url(self.names.queue(concept))

            return self.ports.dispatcher(SqsDispatcher(self.clients.sqs(), url_of, self.clock, fifo=settings.fifo))
        if settings.kind == "http":
            from clef_runtime.transport.http import HttpDispatcher

            def function_url_of(concept: str) -> str:
                return self.clients.function_url(self.names.function(concept))

            return self.ports.dispatcher(HttpDispatcher(self.clients.http(), function_url_of, self.clock))
        if settings.kind == "pubsub":
            from clef_runtime.transport.pubsub import PubSubDispatcher

            def topic_of(concept: str) -> str:
                return self.clients.topic(self.names.queue(concept))

            publisher = self.clients.pubsub_publisher()
            return self.ports.dispatcher(PubSubDispatcher(publisher, topic_of, self.clock, fifo=settings.fifo))
        raise self._not_here("transport", settings.kind)

    def publisher(self) -> Publisher:
        """Concepts to the evaluator."""
        settings = self.manifest.transport
        if settings.kind == "sqs":
            from clef_runtime.transport.sqs import SqsPublisher

            url = self.clients.queue_url(self.names.completion_queue)
            return self.ports.publisher(SqsPublisher(self.clients.sqs(), url, self.clock, fifo=settings.fifo))
        if settings.kind == "pubsub":
            from clef_runtime.transport.pubsub import PubSubPublisher

            topic = self.clients.topic(self.names.completion_queue)
            return self.ports.publisher(
                PubSubPublisher(self.clients.pubsub_publisher(), topic, self.clock, fifo=settings.fifo)
            )
        raise self._not_here("transport", settings.kind)

    def _not_here(self, port: str, kind: str) -> BadInput:
        return BadInput(f"{self.manifest.file}: {port}.kind(={kind!r}) has no adapter in this version")
