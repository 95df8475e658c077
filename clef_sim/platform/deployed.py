"""One deployed function: which instance takes a request, and what happens to it.

A request costs two events where no code runs: its end, and whatever submits it. Idle instances are a stack;
one that has outlived its keep-alive is found out when it comes to the top, so nothing is ever scanned.
"""

from __future__ import annotations

import math
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

from simpy.events import NORMAL

from clef_sim.history import EventOutcome
from clef_sim.kernel.choices import Sampler
from clef_sim.platform.errors import HandlerFailed, InstanceDied, TimedOut, TooManyRequests
from clef_sim.platform.instances import FunctionContext, FunctionInstance, OnDone
from clef_sim.platform.rates import Pool, Rate
from clef_sim.profiles import Profile

if TYPE_CHECKING:
    from clef_sim.platform.functions import Function, FunctionPlatform


TIME_OUT = "timeout"
EVICTED = "evicted"


class Deployed:
    """A function and its instances.

    Attributes:
        requests, throttled, cold_starts, failed, timed_out: counted since the start.
        billed_ms: execution and INIT, each rounded up to whole ms.
        in_flight: executions now, cold starts among them.
    """

    def __init__(self, function: Function, platform: FunctionPlatform, pool: Pool, requests: Rate) -> None:
        self.function = function
        self.pool = pool
        self.requests = self.throttled = self.cold_starts = self.failed = self.timed_out = 0
        self.billed_ms = 0
        self.in_flight = 0
        self._kernel = platform.kernel
        self._env = platform.kernel.env
        self._history = platform.history
        self._rate = requests
        profile = platform.profile
        self._scale_up = Rate(profile.limit("function.scale_up_per_s"), profile.limit("function.scale_up_burst"))
        self._idle: list[FunctionInstance] = []
        self._step_s, self._steps = keep_alive(profile)
        self._keep = platform.choices.stream(f"keep_alive.{function.name}").draw
        self._cold = platform.choices.stream(f"cold_start.{function.name}").draw
        self._serve = platform.choices.stream(f"service.{function.name}").draw
        self._placement_ms = profile.latency("function.placement")
        self._init_ms = profile.latency("function.init_bare" if function.bare_init else "function.init")
        self._first_call_ms = 0.0 if function.bare_init else profile.first_call_ms(function.memory_mb)

    @property
    def gb_s(self) -> float:
        """Billed GB-seconds."""
        return self.billed_ms / 1000.0 * self.function.memory_mb / 1024.0

    @property
    def waiting(self) -> list[FunctionInstance]:
        """Instances that wait for a request now."""
        return [each for each in self._idle if each.alive and each.idle_until_s > self._kernel.now]

    @property
    def idle(self) -> int:
        """How many are waiting."""
        return len(self.waiting)

    def evict_expired(self) -> None:
        """Ends instances whose time is up: done at the next request, unless somebody needs what they hold."""
        for instance in [each for each in self._idle if each.alive and each.idle_until_s <= self._kernel.now]:
            self._evict(instance)

    def submit(self, event: Any, on_done: OnDone) -> bool:
        """Starts one execution, or refuses it; returns whether it was started."""
        self.requests += 1
        pool, now = self.pool, self._kernel.now
        if pool.in_flight >= pool.limit:
            return self._throttle(f"over the concurrency limit of {pool.limit}", on_done)
        if not self._rate.take(now):
            return self._throttle("over the account's request rate", on_done)
        idle = self._idle
        while idle:
            instance = idle.pop()
            if instance.alive and instance.idle_until_s > now:
                self._take()
                if self.function.service_ms is None:
                    instance.thaw()
                    self._execute(instance, event, on_done)
                else:
                    self._pass_time(instance, 0.0, on_done)
                return True
            self._evict(instance)
        if not self._scale_up.take(now):
            return self._throttle("over the scale-up rate", on_done)
        self._start_cold(event, on_done)
        return True

    def _take(self) -> None:
        self.in_flight += 1
        pool = self.pool
        pool.in_flight += 1
        if pool.in_flight > pool.in_flight_max:
            pool.in_flight_max = pool.in_flight

    def _release(self) -> None:
        self.in_flight -= 1
        self.pool.in_flight -= 1

    def _throttle(self, why: str, on_done: OnDone) -> bool:
        self.throttled += 1
        error = TooManyRequests(f"function {self.function.name!r}: 429: {why}; retry after a pause")
        self._kernel.call_later(0.0, lambda: on_done(None, error))
        return False

    def _evict(self, instance: FunctionInstance) -> None:
        if instance.alive and self.function.service_ms is None:
            instance.kill(EVICTED)

    def _tell(self, name: str, instance: FunctionInstance, **data: Any) -> None:
        outcome: EventOutcome = "failed" if name == "failed" else "ok"
        self._history.add("instance", name, outcome, function=self.function.name, instance=instance.name, **data)

    def _killed(self, instance: FunctionInstance, reason: str) -> None:
        if reason == EVICTED:
            self._tell("evicted", instance, idle_until_s=instance.idle_until_s)
        else:
            self._tell("killed", instance, reason=reason)

    def _start_cold(self, event: Any, on_done: OnDone) -> None:
        self._take()
        self.cold_starts += 1
        instance = FunctionInstance(self, self.cold_starts)
        placement_ms, init_ms = self._cold(self._placement_ms), self._cold(self._init_ms)
        instance.on_kill.append(partial(self._killed, instance))
        ms = placement_ms + init_ms
        self._tell("cold", instance, ms=ms)
        self.billed_ms += math.ceil(init_ms)
        if self.function.service_ms is None:
            self._kernel.call_later(ms / 1000.0, lambda: self._initialise(instance, event, on_done))
        else:
            self._pass_time(instance, ms, on_done)

    def _wait_idle(self, instance: FunctionInstance) -> None:
        instance.idle_until_s = self._kernel.now + self._step_s * self._keep(self._steps)
        self._idle.append(instance)

    # ---- functions without code

    def _pass_time(self, instance: FunctionInstance, cold_ms: float, on_done: OnDone) -> None:
        assert self.function.service_ms is not None
        ms = self._serve(self.function.service_ms)
        if cold_ms:
            ms += self._first_call_ms
        instance.service_ms = ms
        instance.on_done = on_done
        later = instance.later
        seconds = ms / 1000.0
        if seconds > self.function.timeout_s:
            seconds = self.function.timeout_s
        self._env.schedule(later, NORMAL, seconds + cold_ms / 1000.0)

    def passed(self, instance: FunctionInstance) -> None:
        """An execution without code has ended."""
        self._release()
        on_done, ms = instance.on_done, instance.service_ms
        assert on_done is not None
        instance.on_done = None
        if ms <= self.function.timeout_s * 1000.0:
            self.billed_ms += math.ceil(ms)
            self._wait_idle(instance)
            on_done(None, None)
        else:
            self.timed_out += 1
            self.billed_ms += math.ceil(self.function.timeout_s * 1000.0)
            on_done(None, self._late(instance.name))

    def _late(self, who: str) -> TimedOut:
        return TimedOut(f"{who}: ran for longer than timeout_s(={self.function.timeout_s:g}) and was killed")

    # ---- functions with code

    def _initialise(self, instance: FunctionInstance, event: Any, on_done: OnDone) -> None:
        """Runs the module's initialiser, for real, then the first execution."""
        init = self.function.init
        assert init is not None
        start_s = self._kernel.now

        who = f"{instance.name}:init"

        def ended(done: Any) -> None:
            self.billed_ms += math.ceil((self._kernel.now - start_s) * 1000.0)
            if done.ok and instance.alive:
                instance.handler = done.value
                self._execute(instance, event, on_done)
                return
            done.defused = True
            self._release()
            if instance.alive:
                self._fail(instance, who, done.value, on_done)
                instance.kill("its initialiser failed")
            else:
                self._died(instance, who, on_done)

        thread = self._kernel.spawn(partial(init, instance), who=who, instance=instance)
        assert thread.done.callbacks is not None
        thread.done.callbacks.append(ended)

    def _execute(self, instance: FunctionInstance, event: Any, on_done: OnDone) -> None:
        first = instance.executions == 0
        instance.executions += 1
        who = f"{instance.name}:{instance.executions}"
        kernel, timeout_s = self._kernel, self.function.timeout_s
        start_s = self._kernel.now
        if not first:
            self._tell("warm", instance, execution=who)

        def run() -> Any:
            if first:
                kernel.sleep(self._first_call_ms / 1000.0)
            assert instance.handler is not None
            return instance.handler(event, FunctionContext(kernel, instance, who, start_s + timeout_s))

        def ended(done: Any) -> None:
            timer.cancel()
            self._release()
            self.billed_ms += math.ceil((self._kernel.now - start_s) * 1000.0)
            if not done.good:
                done.defused = True
            if not instance.alive:
                self._died(instance, who, on_done)
                return
            self._rest(instance)
            if done.good:
                on_done(done.result, None)
            else:
                self._fail(instance, who, done.result, on_done)

        timer = kernel.timer(timeout_s, lambda: instance.kill(TIME_OUT))
        thread = kernel.spawn(run, who=who, instance=instance)
        assert thread.done.callbacks is not None
        thread.done.callbacks.append(ended)

    def _rest(self, instance: FunctionInstance) -> None:
        """Nothing of an idle instance runs."""
        instance.freeze()
        self._wait_idle(instance)

    def _died(self, instance: FunctionInstance, who: str, on_done: OnDone) -> None:
        self.failed += 1
        if instance.killed_by == TIME_OUT:
            self.timed_out += 1
            on_done(None, self._late(who))
        else:
            on_done(None, InstanceDied(f"{who}: its instance was killed: {instance.killed_by}"))

    def _fail(self, instance: FunctionInstance, who: str, error: Exception, on_done: OnDone) -> None:
        self.failed += 1
        failure = HandlerFailed(who, error)
        self._tell("failed", instance, execution=who, error=f"{type(error).__name__}: {error}")
        on_done(None, failure)


def keep_alive(profile: Profile) -> tuple[float, Sampler]:
    """How long an idle instance is kept: so many seconds, times what is drawn. A staircase, unless the profile has a
    distribution of it."""
    if "function.keep_alive" in profile.latencies:
        return 0.001, profile.latency("function.keep_alive")
    return profile.limit("function.keep_alive_halves_s"), keep_alive_steps


def keep_alive_steps(random: Random) -> float:
    """After how many steps of idleness an instance ends: 1, 2, 3.. with probability 1/2, 1/4, 1/8.."""
    return float(1 - math.frexp(random.random())[1])
