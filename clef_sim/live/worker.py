"""What a process of a live run does: it wires the runtime as a deployed one does, and takes what comes."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import httpx

from clef_runtime.context import SystemClock, SystemIds
from clef_runtime.deploy.clients import CloudClients
from clef_runtime.deploy.names import Names
from clef_runtime.deploy.wiring import Wiring
from clef_runtime.engine.persistent import PersistentEngine
from clef_runtime.model import Completion
from clef_runtime.serverless.cloud_function_handler import make_http_handler
from clef_runtime.serverless.cold_start import get_sync_index
from clef_runtime.serverless.lambda_handler import make_handler
from clef_sim.kernel.choices import Seeded, derived_seed
from clef_sim.live.board import Board
from clef_sim.live.calls import LiveNetwork
from clef_sim.live.clients import LivePorts, clients_of
from clef_sim.live.faults import shared_faults
from clef_sim.live.feeds import QueueFaults, SqsFeed
from clef_sim.live.history import SUFFIX, Here, WrittenHistory
from clef_sim.live.instance import Crashed, LiveInstance, Place
from clef_sim.live.serving import Answer, serve
from clef_sim.live.task import Slot, Task
from clef_sim.platform.http_function import FunctionRequest
from clef_sim.platform.url import event_of, response_of
from clef_sim.prepared import Prepared
from clef_sim.scenario import EngineRestart

T = TypeVar("T")


class Worker:
    """One process.

    Args:
        listeners: the listening socket of each function that answers HTTP, and the engine's.
    """

    def __init__(
        self,
        task: Task,
        prepared: Prepared,
        slot: Slot,
        place: Place,
        board: Board,
        folder: Path,
        listeners: Mapping[str, socket.socket],
    ) -> None:
        self._task, self._prepared, self._slot, self._folder = task, prepared, slot, folder
        self._listener = listeners.get(slot.function)
        self._clock = SystemClock()
        self._began_s = self._clock.monotonic()
        here = Here(task.zero_s, place.name)
        self.history = WrittenHistory(here, folder / f"{place.name}{SUFFIX}")
        self.instance = LiveInstance(place, board, here, self.history)
        choices = Seeded(derived_seed(task.seed, place.name), record=False)
        self._faults = shared_faults(prepared.scenario.faults, here, choices, board)
        self._network = LiveNetwork(self.instance, self.history, self._faults, prepared.profile)
        urls = {name: f"http://127.0.0.1:{each.getsockname()[1]}" for name, each in listeners.items()}
        engine = urls.get(Names(prepared.manifest, prepared.app.name).engine, "")
        self._clients = clients_of(prepared.manifest, self._network, urls, engine, task.project)
        self._wiring = self._wired(self._clients)

    def _wired(self, clients: CloudClients) -> Wiring:
        app = self._prepared.app
        index = get_sync_index(self._prepared.artifact, app.functions)
        ports = LivePorts(self.history)
        return Wiring(self._prepared.manifest, app, index, clients, self._clock, SystemIds(), ports=ports)

    def run(self) -> None:
        """Takes work until the process ends."""
        prepared, slot = self._prepared, self._slot
        engine = prepared.manifest.topology == "A" and not slot.concepts
        if engine:
            self._run_engine()
            return
        service = self._wiring.concept_function(slot.concepts) if slot.concepts else self._wiring.evaluator()
        loops = self._google_loops(service) if prepared.manifest.cloud == "gcp" else self._aws_loops(service)
        for number, loop in enumerate(loops, 1):
            threading.Thread(target=self._guarded(loop), name=f"t{number}", daemon=True).start()
        self._ready()
        while True:
            signal.pause()

    def _ready(self) -> None:
        self.instance.ready((self._clock.monotonic() - self._began_s) * 1000.0)

    def _guarded(self, loop: Callable[[], None]) -> Callable[[], None]:
        def run() -> None:
            try:
                loop()
            except Crashed:
                return

        return run

    def _aws_loops(self, service: Any) -> list[Callable[[], None]]:
        transport = self._prepared.manifest.transport
        handler = make_handler(service, partial_batch_responses=transport.partial_batch_responses)
        loops: list[Callable[[], None]] = []
        if self._listener is not None:
            listener = self._listener

            def answer(request: httpx.Request, who: str) -> httpx.Response:
                return response_of(handler(event_of(request, who), None), None)

            loops.append(lambda: serve(listener, self._executing(answer), self.instance))
        if self._slot.queue:
            from clef_runtime.deploy.aws_clients import AwsClients

            platform = AwsClients()
            faults = QueueFaults(self._faults, self.history, self._slot.queue)
            url = platform.queue_url(self._slot.queue)
            feed = SqsFeed(platform.sqs(), url, transport, handler, self.instance, self.history, faults)
            loops += [feed.run] * self._task.crew.threads
        return loops

    def _google_loops(self, service: Any) -> list[Callable[[], None]]:
        handler = make_http_handler(lambda: service)
        loops: list[Callable[[], None]] = []
        if self._listener is not None:
            listener = self._listener

            def answer(request: httpx.Request, who: str) -> httpx.Response:
                path = request.url.raw_path.decode().partition("?")[0]
                headers = dict(request.headers)
                event = FunctionRequest(request.method, path, request.url.query, headers, request.content, who)
                body, status, answered = handler(event)
                return httpx.Response(status, headers=answered, content=body.encode())

            loops.append(lambda: serve(listener, self._executing(answer), self.instance))
        if self._slot.queue:
            from clef_runtime.deploy.google_clients import pubsub_subscriber
            from clef_sim.live.pubsub import PushFeed, Traffic

            traffic = Traffic(self._folder)
            self._network.applied = traffic.applied
            faults = QueueFaults(self._faults, self.history, self._slot.queue)
            subscription = f"projects/{self._task.project}/subscriptions/{self._slot.queue}"
            feed = PushFeed(pubsub_subscriber(), subscription, handler, self.instance, self.history, faults, traffic)
            loops += [feed.run] * self._task.crew.threads
        return loops

    def _executing(self, answer: Callable[[httpx.Request, str], httpx.Response]) -> Answer:
        def run(request: httpx.Request) -> httpx.Response:
            with self.instance.execution("http") as who:
                try:
                    answered = answer(request, who)
                    self.instance.check()
                    return answered
                except Crashed:
                    raise
                except Exception as error:  # the platform answers for a function that fails
                    self.instance.tell("failed", execution=who, error=f"{type(error).__name__}: {error}")
                    return httpx.Response(502, text=f"{type(error).__name__}: {error}")

        return run

    def _run_engine(self) -> None:
        import uvicorn

        from clef_runtime.serverless.engine_server import application

        assert self._listener is not None
        for armed, _ in self._faults.of(EngineRestart):
            _end_when_told(self.instance, armed.name)
        engine = _Engine(self._wiring.engine(), self.instance, self._ready)
        config = uvicorn.Config(application(engine), log_level="warning", lifespan="on")  # type: ignore[arg-type]  # as one
        uvicorn.Server(config).run(sockets=[self._listener])


def _end_when_told(instance: LiveInstance, reason: str) -> None:
    """The host's signal is the end of this process."""
    signal.signal(signal.SIGUSR1, lambda *_: instance.end(reason))


class _Engine:
    """The engine, each of whose calls is an execution of this process."""

    def __init__(self, engine: PersistentEngine, instance: LiveInstance, ready: Callable[[], None]) -> None:
        self._engine, self._instance, self._on_replayed = engine, instance, ready

    def evaluate(self, completions: list[Completion]) -> list[Completion]:
        return self._run(lambda: self._engine.evaluate(completions))

    def retry_queued(self) -> None:
        self._run(self._engine.retry_queued)

    def replay(self) -> None:
        self._run(self._engine.replay)
        self._on_replayed()

    def _run(self, work: Callable[[], T]) -> T:
        with self._instance.execution("http"):
            try:
                return work()
            finally:
                self._instance.queued = int(bool(self._engine.queued))
