"""A container service: tasks that stay up, share the requests, and are replaced when they die.

Modelled: CPU as slots that each request holds for a given time, connection refused while no task is up, the
start-up delay and a real run of the initialiser (which replays the durable log). Left out: health checks,
deployments and autoscaling.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import httpx
import msgspec
from simpy.events import Event

from clef_runtime.errors import BadInput
from clef_sim.history import EventOutcome, History
from clef_sim.kernel.choices import Choices, Sampler
from clef_sim.kernel.instance import Instance
from clef_sim.kernel.threads import Kernel
from clef_sim.network_http import Answer, serve_request
from clef_sim.profiles import Profile

Serve: TypeAlias = Callable[[httpx.Request], httpx.Response]


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """What runs.

    Args:
        init: run in each new task; returns what answers requests.
        tasks: kept up, >= 1.
        cpu_slots: requests that one task computes at a time, >= 1.
        cpu_ms: how long each request computes, >= 0. Waiting for others is on top, and takes no slot.
        start_ms: draws how long a replacement takes to start; the profile's `service.start`, if None.
    """

    name: str
    init: Callable[[Instance], Serve]
    tasks: int = 1
    cpu_slots: int = 1
    cpu_ms: float = 1.0
    memory_mb: int = 1024
    start_ms: Sampler | None = None
    skew_s: Callable[[], float] | None = None


class _Task(Instance):
    """One container."""

    def __init__(self, kernel: Kernel, service: Service, number: int) -> None:
        skew_s = 0.0 if service.skew_s is None else service.skew_s()
        super().__init__(f"{service.name}-{number}", memory_mb=service.memory_mb, skew_s=skew_s)
        self._kernel = kernel
        self._cpu_s = service.cpu_ms / 1000.0
        self._free = service.cpu_slots
        self._queue: deque[Event] = deque()
        self.served = 0
        self.serve: Serve | None = None

    def compute(self) -> None:
        """Holds a CPU slot for as long as one request computes; first come, first served."""
        if self._free:
            self._free -= 1
        else:
            turn = self._kernel.event()
            self._queue.append(turn)
            self._kernel.wait(turn)
        self._kernel.sleep(self._cpu_s)
        if self._queue:
            self._queue.popleft().succeed()
        else:
            self._free += 1


class ContainerService:
    """A running service. An endpoint: mount it with the latency `http.service`."""

    def __init__(
        self, service: Service, kernel: Kernel, choices: Choices, history: History, profile: Profile
    ) -> None:
        for name, least in (("tasks", 1), ("cpu_slots", 1), ("cpu_ms", 0)):
            value = getattr(service, name)
            if not value >= least:
                raise BadInput(f"service {service.name!r}: {name}(={value}) must be >= {least}")
        self.service = service
        self.restarts = 0
        self._kernel = kernel
        self._history = history
        self._draw = choices.stream(f"service_start.{service.name}").draw
        self._start_ms = service.start_ms or profile.latency("service.start")
        self._up: list[_Task] = []
        self._made = 0
        self._turn = 0

    @property
    def tasks(self) -> tuple[Instance, ...]:
        """Those that answer now."""
        return tuple(self._up)

    def start(self) -> None:
        """Starts all tasks now, without the start-up delay."""
        for _ in range(self.service.tasks):
            self._start(None)

    def restart(self, reason: str) -> None:
        """Kills all tasks; each is replaced after the start-up delay."""
        for task in list(self._up):
            task.kill(reason)

    def submit(self, request: httpx.Request, answer: Answer) -> None:
        if not self._up:
            answer(httpx.ConnectError(f"connection refused: no task of {self.service.name!r} is up"))
            return
        self._turn += 1
        task = self._up[self._turn % len(self._up)]
        task.served += 1
        who = f"{task.name}:{task.served}"
        serve_request(self._kernel, partial(_handle, task), request, answer, who=who, instance=task)

    def _start(self, since_s: float | None) -> None:
        self._made += 1
        start_s = self._kernel.now if since_s is None else since_s
        task = _Task(self._kernel, self.service, self._made)
        task.on_kill.append(partial(self._replace, task))
        thread = self._kernel.spawn(partial(self.service.init, task), who=f"{task.name}:init", instance=task)
        assert thread.done.callbacks is not None
        thread.done.callbacks.append(partial(self._started, task, start_s, since_s is None))

    def _started(self, task: _Task, start_s: float, first: bool, done: Any) -> None:
        if not done.ok:
            done.defused = True
            if task.alive:
                self._tell("failed", task, error=f"{type(done.value).__name__}: {done.value}")
                task.kill("its initialiser failed")
        elif task.alive:
            task.serve = done.value
            self._up.append(task)
            ms = round((self._kernel.now - start_s) * 1000.0, 3)
            self._tell("cold" if first else "restarted", task, ms=ms)

    def _replace(self, task: _Task, reason: str) -> None:
        """A task dies: another will take its place."""
        if task in self._up:
            self._up.remove(task)
        self.restarts += 1
        self._tell("killed", task, reason=reason)
        since_s = self._kernel.now
        self._kernel.call_later(self._draw(self._start_ms) / 1000.0, partial(self._start, since_s))

    def _tell(self, name: str, task: _Task, **data: Any) -> None:
        outcome: EventOutcome = "failed" if name == "failed" else "ok"
        self._history.add("instance", name, outcome, function=self.service.name, instance=task.name, **data)


def _handle(task: _Task, request: httpx.Request) -> httpx.Response:
    task.compute()
    assert task.serve is not None
    return task.serve(request)
