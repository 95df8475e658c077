"""How fast the simulator is: the function platform with no code in it, and all of option C in virtual time.

Option C is the app `orders` on the template `aws-event-driven`: 300 orders a second, so that batches fill and no
table throttles (the tables' limits are as on AWS). Every SDK call goes through the network to a model. The history
keeps no events but digests all of them; no decision log, no checkers. Times are CPU seconds of this process,
garbage collection included. `loop_s` is what a plain loop of ten million turns takes, before and after a run: how
fast the machine was just then.
"""

from __future__ import annotations

import gc
import statistics
import time
import tracemalloc
from typing import Any

from clef_sim.clouds.aws import Aws
from clef_sim.history import Event, History
from clef_sim.kernel.choices import Seeded
from clef_sim.kernel.events import Later
from clef_sim.kernel.threads import Kernel
from clef_sim.platform.functions import Function, FunctionPlatform
from clef_sim.prepared import prepare
from clef_sim.profiles import profile
from clef_sim.run import Run
from clef_sim.scenario import Poisson, Scenario
from clef_sim.services.dynamodb import DynamoDB
from clef_sim.services.dynamodb.rates import no_delay
from clef_sim.services.dynamodb.rows import Rows
from clef_sim.world import World

SERVICE_MS = 200.0
BUSY = 0.8  # share of the instances that serve at a time, on average

TARGET_PER_S = {"option_c_completions_per_s": 5_000, "platform_requests_per_s_min": 80_000}
TARGET_FLATNESS = 1.3
ORDERS_PER_S = 300.0
SIZES = (250, 1_000, 3_750)  # orders
MEMORY_ORDERS_PER_S = 0.5
ROUNDS = 3


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


def platform_rates(requests: int) -> dict[str, dict[str, float]]:
    """`bare_platform` at each number of instances, with the median rate. The numbers take turns, so that a slow
    spell of the machine does not fall on one of them alone."""
    found: dict[str, list[dict[str, float]]] = {}
    for _ in range(ROUNDS):
        for instances in (1, 10, 100, 1000):
            found.setdefault(str(instances), []).append(bare_platform(instances, requests // ROUNDS))
    return {
        name: {**each[0], "requests_per_s": round(statistics.median(one["requests_per_s"] for one in each))}
        for name, each in found.items()
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


def loop_s() -> float:
    """CPU seconds of a plain loop: how busy the machine is."""
    start = time.process_time()
    total = 0
    for number in range(10_000_000):
        total += number
    return time.process_time() - start


def option_c_run(orders: int, per_s: float = ORDERS_PER_S, settings: dict[str, Any] | None = None) -> Run:
    """A run of so many orders, about, not yet started."""
    scenario = Scenario(
        shows="how fast option C is simulated",
        app="scenarios.apps.orders",
        requests="scenarios.requests.orders",
        topologies=("aws-event-driven",),
        settings=settings or {},
        workload=Poisson(rate_per_s=per_s, duration_s=orders / per_s, mix={"order": 1.0}),
        file="option-c.yaml",
    )
    (prepared,) = prepare([scenario])
    return Run(prepared, Seeded(1, record=False), keep=False)


def aws_of(world: World) -> Aws:
    assert isinstance(world.cloud, Aws)
    return world.cloud


def completions_of(world: World) -> int:
    """How many the action log holds."""
    dynamodb = aws_of(world).dynamodb
    arguments: dict[str, Any] = {"TableName": world.names.log_table}
    count = 0
    while True:
        page = dynamodb.scan(**arguments)
        count += len([item for item in page["Items"] if item["sk"]["S"].startswith("c#")])
        if "LastEvaluatedKey" not in page:
            return count
        arguments["ExclusiveStartKey"] = page["LastEvaluatedKey"]


def option_c(orders: int) -> dict[str, float]:
    """One timed run."""
    run = option_c_run(orders)
    before = loop_s()
    start = time.process_time()
    run.run()
    seconds = time.process_time() - start
    completions = completions_of(run.world)
    return {
        "completions": completions,
        "completions_per_s": round(completions / seconds),
        "us_per_completion": round(seconds / completions * 1e6, 1),
        "loop_s": round((before + loop_s()) / 2, 3),
    }


def work_of(orders: int) -> dict[str, float]:
    """What a completion takes, on average."""
    run = option_c_run(orders)
    counts = {"sdk": 0, "all": 0}

    def count(event: Event) -> None:
        counts["all"] += 1
        counts["sdk"] += event.kind == "sdk"

    run.world.history.listeners.append(count)
    run.run()
    completions = completions_of(run.world)
    messages = [(source.delivered, source.batches) for source in aws_of(run.world).sources]
    return {
        "sdk_calls_per_completion": round(counts["sdk"] / completions, 2),
        "history_events_per_completion": round(counts["all"] / completions, 2),
        "simpy_events_per_completion": round(run.world.kernel.number() / completions, 2),
        "messages_per_batch": round(sum(one for one, _ in messages) / sum(two for _, two in messages), 2),
    }


def option_c_memory(orders: int) -> dict[str, float]:
    """The heap's peak in KiB, without the rows that stay. Records of log and guard go 10 s after they were written,
    the tokens of transactions after the ten minutes that DynamoDB knows them: the orders come slowly, so that the
    run is longer than that. The concepts' own rows stay for good and are taken off: they are the app's."""
    run = option_c_run(orders, per_s=MEMORY_ORDERS_PER_S, settings={"action_log.ttl_s": 10, "guard.ttl_s": 10})
    world, dynamodb = run.world, aws_of(run.world).dynamodb
    assert isinstance(dynamodb, DynamoDB)
    for table in dynamodb._tables.values():
        table._ttl_delay_s = no_delay
    gc.collect()
    tracemalloc.start()
    run.run()
    peak = tracemalloc.get_traced_memory()[1]
    gc.collect()
    held = tracemalloc.get_traced_memory()[0]
    for name in dynamodb.tables:
        if name not in (world.names.log_table, world.names.guard_table):
            dynamodb._tables[name].rows = Rows(single=False)
    gc.collect()
    rows = held - tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return {"orders": orders, "peak_kib": round((peak - rows) / 1024), "rows_kib": round(rows / 1024)}


def run(argv: list[str]) -> dict[str, Any]:
    """Measures; `--quick` with fewer requests. Returns plain data."""
    quick = "--quick" in argv
    requests = 20_000 if quick else 1_000_000
    by_instances = platform_rates(requests)
    rates = {n: each["requests_per_s"] for n, each in by_instances.items()}
    flatness = round(max(rates.values()) / min(rates.values()), 2)
    sizes = SIZES[:1] if quick else SIZES
    runs = {size: [option_c(size) for _ in range(1 if quick else ROUNDS)] for size in sizes}
    per_s = {size: round(statistics.median(each["completions_per_s"] for each in runs[size])) for size in sizes}
    reached = {
        "option_c_completions_per_s": min(per_s.values()),
        "platform_requests_per_s_min": min(rates.values()),
    }
    return {
        "benchmark": "simulator",
        **reached,
        "option_c_flatness": round(max(per_s.values()) / min(per_s.values()), 2),
        "platform_flatness": flatness,
        "target": {**TARGET_PER_S, "platform_flatness": TARGET_FLATNESS},
        "met": all(reached[name] >= TARGET_PER_S[name] for name in reached) and flatness <= TARGET_FLATNESS,
        "option_c": {
            "work": work_of(sizes[0]),
            "runs": [{"orders": size, **each} for size in sizes for each in runs[size]],
            "memory": [option_c_memory(orders) for orders in ((50, 100) if quick else (400, 1_600))],
        },
        "platform_memory_growth_kib": memory_growth_kib(requests // 20),
        "platform": by_instances,
    }
