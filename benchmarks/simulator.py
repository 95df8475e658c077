"""How fast the simulator is: the function platform with no code in it."""

from __future__ import annotations

import gc
import time
import tracemalloc
from typing import Any

from clef_sim.history import History
from clef_sim.kernel.choices import Seeded
from clef_sim.kernel.events import Later
from clef_sim.kernel.threads import Kernel
from clef_sim.platform.functions import Function, FunctionPlatform
from clef_sim.profiles import profile

SERVICE_MS = 200.0
BUSY = 0.8  # share of the instances that serve at a time, on average


class PoissonLoad:
    """Independent arrivals, one event each."""

    def __init__(self, kernel: Kernel, choices: Seeded, platform: FunctionPlatform, per_s: float, count: int) -> None:
        self._env = kernel.env
        self._stream = choices.stream("arrivals")
        self._submit = platform.deployed("f").submit
        self._mean_s = 1.0 / per_s
        self._left = count
        self._later = Later(self._arrive)
        self.done = 0
        self._env.schedule(self._later)

    def _arrive(self) -> None:
        self._submit(None, self._count)
        self._left -= 1
        if self._left:
            self._env.schedule(self._later, delay=self._stream.exponential(self._mean_s))

    def _count(self, _result: Any, _error: Exception | None) -> None:
        self.done += 1


def bare_platform(instances: int, requests: int) -> dict[str, float]:
    """Runs `requests` at about `instances` busy instances; returns requests per wall second and counts."""
    kernel, choices = Kernel(), Seeded(1, record=False)
    platform = FunctionPlatform(kernel, choices, History(kernel, keep=False), profile("aws"), concurrency=1000)
    deployed = platform.deploy(
        Function(name="f", memory_mb=512, service_ms=lambda r: SERVICE_MS * (0.5 + r.random()))
    )
    per_s = max(0.5, instances * BUSY) / (SERVICE_MS / 1000.0)
    load = PoissonLoad(kernel, choices, platform, per_s, requests)
    start = time.process_time()
    kernel.run()
    seconds = time.process_time() - start
    assert load.done == requests == deployed.requests
    return {
        "requests_per_s": round(requests / seconds),
        "cold_starts": deployed.cold_starts,
        "throttled": deployed.throttled,
        "in_flight_max": deployed.pool.in_flight_max,
    }


def memory_growth_kib(requests: int) -> float:
    """By how many KiB the heap's peak is larger in a run of ten times `requests`."""
    peaks = []
    for count in (requests, 10 * requests):
        gc.collect()
        tracemalloc.start()
        bare_platform(100, count)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    return round((peaks[1] - peaks[0]) / 1024.0, 1)


def run(argv: list[str]) -> dict[str, Any]:
    """Measures; `--quick` with fewer requests. Returns plain data."""
    requests = 20_000 if "--quick" in argv else 1_000_000
    by_instances = {str(n): bare_platform(n, requests) for n in (1, 10, 100, 1000)}
    rates = {n: each["requests_per_s"] for n, each in by_instances.items()}
    return {
        "platform_requests_per_s": rates,
        "platform_flatness": round(max(rates.values()) / min(rates.values()), 2),
        "platform_memory_growth_kib": memory_growth_kib(requests // 20),
        "platform": by_instances,
    }
