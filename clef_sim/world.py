"""A simulated deployment: what a manifest names, wired from the runtime's own code over modelled services."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

import httpx

from clef_runtime.deploy.manifest import Runtime
from clef_runtime.deploy.names import Names
from clef_runtime.deploy.wiring import Wiring
from clef_runtime.engine.persistent import PersistentEngine
from clef_runtime.errors import BadInput, ClefError
from clef_runtime.model import Completion, concept_urn
from clef_runtime.serverless.cold_start import get_sync_index
from clef_runtime.serverless.connection_pool import Pool
from clef_runtime.serverless.engine_service import EngineService
from clef_runtime.serverless.http_event import answer_to, request_of
from clef_runtime.serverless.service import FunctionService, error_response
from clef_sim.clients import ENGINE_HOST, FUNCTION_HOST, RecordedPorts
from clef_sim.clouds import Site, cloud_of
from clef_sim.emulated.backends import Backends
from clef_sim.faults import Faults
from clef_sim.history import History
from clef_sim.kernel.choices import Choices
from clef_sim.kernel.clock import SimClock, SimIds
from clef_sim.kernel.instance import Instance
from clef_sim.kernel.threads import Kernel
from clef_sim.network import Network
from clef_sim.outside import Outside
from clef_sim.platform.functions import Function, FunctionPlatform, Handler
from clef_sim.platform.service import ContainerService, Service
from clef_sim.platform.url import event_of, response_of
from clef_sim.prepared import Prepared
from clef_sim.profiles.numbers import LogNormal, sampler

ENGINE_TICK_S = 5.0
"""How often option A's engine tries again what has failed."""

ENGINE_CPU_MS = 1.0
"""What one request computes in the engine, at one vCPU (assumed; a smaller share takes longer)."""


class World:
    """One deployment in virtual time.

    Args:
        choices: where every draw comes from.
        backends: the real services of the emulated world; None is the model's.
        keep: whether the history keeps its events for checkers.

    Raises:
        BackendFailed: a real service does not take what the manifest creates.
    """

    def __init__(
        self, prepared: Prepared, choices: Choices, backends: Backends | None = None, *, keep: bool = True
    ) -> None:
        self.prepared, self.manifest, self.app = prepared, prepared.manifest, prepared.app
        self.choices = choices
        self.kernel = Kernel()
        self.history = History(self.kernel, keep=keep)
        self.faults = Faults(prepared.scenario.faults, self.kernel, choices)
        self.network = Network(self.kernel, choices, self.history, prepared.profile, self.faults)
        self.names = Names(self.manifest, self.app.name)
        self.ids = SimIds(choices)
        self.clock = SimClock(self.kernel)
        self._handler_s = _handler_times(prepared, choices)
        self._artifacts = Pool()  # an index never changes: instances share it, as they could not in the cloud

        self.platform = FunctionPlatform(self.kernel, choices, self.history, prepared.profile)
        self.engine: ContainerService | None = None
        self._engines: dict[str, PersistentEngine] = {}
        self._ticking = 0
        self.cloud = cloud_of(
            Site(
                self.manifest,
                self.app,
                self.kernel,
                choices,
                self.history,
                prepared.profile,
                self.faults,
                self.network,
                self.platform,
                backends,
            )
        )
        self._deploy_functions()
        if self.manifest.topology == "A":
            self._start_engine()
        entry, front = self.names.function("Web"), self.cloud.front
        self.outside = Outside(self.kernel, self.history, self.network, self.platform, entry, front)
        self.cloud.queue_faults.attach()

    # ---- what is deployed

    def _deploy_functions(self) -> None:
        runtime = self.manifest.concepts
        functions = self.names.functions(concept.name for concept in self.app.catalogue)
        for name, concepts in functions.items():
            urns = [concept_urn(concept) for concept in concepts]
            self._deploy(name, runtime, partial(Wiring.concept_function, concepts=urns))
            self.network.mount(f"{name}.{FUNCTION_HOST}", self.cloud.url(name), "http.function_url")
        if self.manifest.topology == "C":
            self._deploy(self.names.evaluator, self.manifest.evaluating, Wiring.evaluator)
            self.cloud.feed(self.names.evaluator, self.names.completion_queue)
            for name in functions:
                self.cloud.feed(name, self.names.queue_of(name))

    def _deploy(self, name: str, runtime: Runtime, service_of: Callable[[Wiring], FunctionService]) -> None:
        def init(instance: Instance) -> Handler:
            return self.cloud.handler(lambda: service_of(self.wiring(instance)))

        self.platform.deploy(
            Function(
                name=name,
                memory_mb=runtime.memory_mb,
                timeout_s=runtime.timeout_s,
                init=init,
                skew_s=partial(self.faults.skew_s, name, self.history),
            )
        )

    def _start_engine(self) -> None:
        runtime = self.manifest.evaluating
        service = Service(
            name=self.names.engine,
            init=self._engine_init,
            tasks=runtime.tasks,
            cpu_slots=1,
            cpu_ms=ENGINE_CPU_MS / min(1.0, runtime.cpu),
            memory_mb=runtime.memory_mb,
            skew_s=partial(self.faults.skew_s, self.names.engine, self.history),
        )
        self.engine = ContainerService(service, self.kernel, self.choices, self.history, self.prepared.profile)
        self.network.mount(ENGINE_HOST, self.engine)
        self.engine.start()

    def _engine_init(self, instance: Instance) -> Callable[[httpx.Request], httpx.Response]:
        wiring = self.wiring(instance)
        engine = self._engines[instance.name] = wiring.engine()
        engine.replay()
        service = EngineService(engine)

        def tick() -> None:
            while True:
                self.kernel.sleep(ENGINE_TICK_S)
                self._ticking += 1
                try:
                    engine.retry_queued()
                except ClefError:
                    continue  # it stays queued
                finally:
                    self._ticking -= 1

        self.kernel.spawn(tick, who=f"{instance.name}:tick", instance=instance)
        return partial(_serve, service)

    def wiring(self, instance: Instance) -> Wiring:
        """The runtime's wiring on one instance: its clients, its clock, recorded ports."""
        clock = SimClock(self.kernel, instance=instance)
        ports = RecordedPorts(self.history, clock, self._handler_s)

        def gather(calls: Sequence[Callable[[], list[Completion]]]) -> list[list[Completion] | ClefError]:
            return gather_threads(self.kernel, calls)

        return Wiring(
            self.manifest,
            self.app,
            get_sync_index(self.prepared.artifact, self.app.functions, pool=self._artifacts),
            self.cloud.clients(instance),
            clock,
            self.ids,
            ports=ports,
            gather=gather,
        )

    # ---- faults

    def begin_faults(self) -> None:
        """The workload starts, and what it is to stand."""
        self.faults.begin(self.kernel.now)
        self.cloud.begin_faults()
        for name, deployed in self.platform.functions.items():
            for instance in reversed(deployed.waiting):  # the next to be used first
                instance.skew_s += self.faults.skew_s(name, self.history)
        for task in self.engine.tasks if self.engine else ():
            task.skew_s += self.faults.skew_s(self.names.engine, self.history)

    def stop_faults(self) -> None:
        """Nothing breaks any more."""
        self.faults.stop()
        self.cloud.stop_faults()

    # ---- whether it rests

    @property
    def quiet(self) -> bool:
        """Nothing runs, nothing waits in a queue (dead letters aside), no client waits for an answer."""
        if self.outside.waiting or any(each.in_flight for each in self.platform.functions.values()):
            return False
        if not self.cloud.resting:
            return False
        return self.engine is None or self._engines_rest(self.engine)

    def _engines_rest(self, engine: ContainerService) -> bool:
        """A task answers, and none tries a firing again, or has one left."""
        tasks = [task.name for task in engine.tasks]
        return bool(tasks) and not self._ticking and not any(self._engines[name].queued for name in tasks)

    @property
    def dead_letters(self) -> int:
        """Messages that were received too often."""
        return self.cloud.dead_letters


def _handler_times(prepared: Prepared, choices: Choices) -> Callable[[str, str], float]:
    """How long (s) an action computes."""
    time = prepared.scenario.handler
    if not time.median_ms:
        return lambda _concept, _action: 0.0
    draw = choices.stream("handler").draw
    sample = sampler(LogNormal(math.log(time.median_ms), time.sigma, "scenario", "BG"))
    return lambda _concept, _action: draw(sample) / 1000.0


def gather_threads(
    kernel: Kernel, calls: Sequence[Callable[[], list[Completion]]]
) -> list[list[Completion] | ClefError]:
    """Runs calls side by side, each in a virtual thread of the caller's instance."""
    if len(calls) == 1:
        return [_ended(calls[0])]
    caller = kernel.current
    if caller is None:
        raise BadInput("gather_threads works in a virtual thread only")
    threads = [
        kernel.spawn(partial(_ended, call), who=f"{caller.who}.{number}", instance=caller.instance)
        for number, call in enumerate(calls, 1)
    ]
    return [kernel.wait(thread.done) for thread in threads]


def _ended(call: Callable[[], list[Completion]]) -> list[Completion] | ClefError:
    try:
        return call()
    except ClefError as error:
        return error


def _serve(service: EngineService, request: httpx.Request) -> httpx.Response:
    """An engine's server: its request and its errors, in httpx's form."""
    event = event_of(request, "")
    try:
        answer = service.handle(request_of(event))
    except ClefError as error:
        answer = error_response(error)
    return response_of(answer_to(event, answer), None)
