"""Runs many: scenarios times seeds, in this process or several, and keeps what a replay needs."""

from __future__ import annotations

import re
import shlex
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import msgspec

from clef_runtime.context import SystemClock
from clef_runtime.errors import BadInput
from clef_sim.certify.blame import Blame, blame
from clef_sim.checkers import AppInfo, Settings, Verdict, run_checkers, worst
from clef_sim.emulated.backends import BackendFailed, Backends, services_of
from clef_sim.flows import timeline, worst_flow
from clef_sim.history import Event
from clef_sim.kernel.choices import Choices, Seeded
from clef_sim.kernel.decision_log import DecisionLog
from clef_sim.metrics import measure
from clef_sim.prepared import Prepared, prepare
from clef_sim.results import RunResult, WorldName, WorstFlow, standing_of
from clef_sim.run import Run
from clef_sim.scenario import load_scenario
from clef_sim.world import World

SPANS_KEPT = 400
"""Of the worst flow's timeline."""

SUFFIX = ".decisions"


class Job(msgspec.Struct, frozen=True):
    """One run, as it goes to a process: which file, which variant, which topology, which seed.

    `keep` is the folder for decision logs of runs that are worth replaying; empty keeps none. `backends`: the
    emulated world's; None is the model's world.
    """

    file: str
    variant: str
    topology: str
    seed: int
    keep: str = ""
    check_determinism: bool = False
    backends: Backends | None = None

    @property
    def world(self) -> str:
        return world_of(self.backends)

    @property
    def about(self) -> dict[str, Any]:
        """What a decision log says of the run it is of."""
        return {"file": self.file, "variant": self.variant, "topology": self.topology, "world": self.world}


def world_of(backends: Backends | None) -> WorldName:
    return "model" if backends is None else "emulated"


def jobs_of(
    prepared: Sequence[Prepared],
    seeds: Sequence[int],
    *,
    keep: str = "",
    check_determinism: bool = False,
    backends: Backends | None = None,
) -> list[Job]:
    """Every seed of every run, in order."""
    return [
        Job(each.scenario.file, each.variant.name, each.topology, seed, keep, check_determinism, backends)
        for each in prepared
        for seed in seeds
    ]


def prepared_for(file: str, variant: str, topology: str) -> Prepared:
    """The run that a job or a decision log speaks of.

    Raises:
        BadInput: the file is gone, or has no such variant or topology any more.
    """
    for each in prepare([load_scenario(Path(file))]):
        if each.variant.name == variant and each.topology == topology:
            return each
    raise BadInput(f"{file}: has no variant {variant!r} on {topology!r} any more")


_prepared: dict[tuple[str, str, str], Prepared] = {}


def run_job(job: Job) -> RunResult:
    """Runs one job; the entry point in a worker process."""
    key = (job.file, job.variant, job.topology)
    if key not in _prepared:
        for each in prepare([load_scenario(Path(job.file))]):
            _prepared[job.file, each.variant.name, each.topology] = each
    prepared = _prepared[key]
    choices = Seeded(job.seed)
    result, history = run_once(prepared, choices, job.seed, backends=job.backends)
    result = blamed(result, prepared, Seeded(job.seed, record=False), job.backends)
    if job.check_determinism:
        result = _with(result, _same_again(prepared, job.seed, history, job.backends))
    if job.keep and choices.log is not None and result.verdict != "valid":
        result = msgspec.structs.replace(result, replay=_keep(job, choices.log, result))
    return result


def run_once(
    prepared: Prepared,
    choices: Choices,
    seed: int,
    progress: Callable[[float], None] | None = None,
    *,
    backends: Backends | None = None,
) -> tuple[RunResult, list[Event]]:
    """Runs and judges; returns the history too. Where a real service failed, the verdict is unknown, and the one who
    says so is `backend`."""
    clock = SystemClock()
    started_s = clock.monotonic()
    world: World | None = None
    to_blame = Blame("", "")
    try:
        run = Run(prepared, choices, backends)
        world = run.world
        run.run(progress)
        verdicts = judged(prepared, world.history, [armed.name for armed in world.faults.armed])
    except BackendFailed as failed:
        verdicts = (Verdict("backend", "unknown", 1, str(failed), (str(failed),)),)
        to_blame = Blame(f"backend {failed.backend.way}", str(failed))
    history = [] if world is None else list(world.history)
    result = result_of(
        prepared,
        history,
        verdicts,
        seed=seed,
        faults={} if world is None else {armed.name: armed.struck for armed in world.faults.armed},
        virtual_s=0.0 if world is None else round(world.kernel.now, 6),
        wall_s=round(clock.monotonic() - started_s, 3),
        history_digest="" if world is None else world.history.digest,
        world=world_of(backends),
        backends=ways_used(prepared, backends),
        blame=to_blame.who,
        because=to_blame.why,
    )
    return result, history


def blamed(result: RunResult, prepared: Prepared, choices: Choices, backends: Backends | None) -> RunResult:
    """The result with who is to blame, where its verdict is invalid: the run is made once more for that.

    Args:
        choices: as the run's were, from their start.
    """
    if result.verdict != "invalid":
        return result
    found = blame(prepared, choices, result.history_digest, backends)
    return msgspec.structs.replace(result, blame=found.who, because=found.why)


def result_of(
    prepared: Prepared,
    history: list[Event],
    verdicts: tuple[Verdict, ...],
    *,
    seed: int,
    world: WorldName,
    backends: dict[str, str],
    **measured: Any,
) -> RunResult:
    """What is told of a run that was judged. `measured`: the other fields of a `RunResult`."""
    counts = {each.checker: each.count for each in verdicts}
    verdict = worst(verdicts)
    expected = prepared.expected
    return RunResult(
        name=prepared.name,
        shows=prepared.scenario.shows,
        app=prepared.app.name,
        topology=prepared.manifest.topology,
        manifest=prepared.template,
        cloud=prepared.manifest.cloud,
        guard=prepared.manifest.guard.protocol if prepared.manifest.guard.kind != "none" else "none",
        delivery=prepared.manifest.delivery,
        seed=seed,
        verdict=verdict,
        expected=expected,
        standing=standing_of(verdict, verdicts, expected),
        checkers=verdicts,
        metrics=measure(
            history,
            prepared.syncs,
            duplicate_firings=counts.get("no_duplicate_firing"),
            lost_firings=counts.get("no_lost_firing"),
        ),
        replay=_again(prepared, seed, world, backends),
        worst=_worst(history),
        world=world,
        backends=backends,
        **measured,
    )


def judged(prepared: Prepared, history: Iterable[Event], faults: Iterable[str]) -> tuple[Verdict, ...]:
    """The checkers' verdicts on a history. `faults`: the names of those that were asked for."""
    settings = Settings(
        latency_targets=prepared.scenario.targets,
        faults=tuple(faults),
        settle_within_s=prepared.scenario.settle_s,
    )
    return tuple(run_checkers(history, prepared.syncs, AppInfo.of(prepared.app), settings))


def ways_used(prepared: Prepared, backends: Backends | None) -> dict[str, str]:
    """Of the services that the run used."""
    used = () if backends is None else services_of([prepared.manifest])
    return {service: backends[service].way for service in used if backends and service in backends}


def _worst(history: list[Event]) -> WorstFlow | None:
    flow = worst_flow(history)
    return None if flow is None else WorstFlow(flow, tuple(timeline(history, flow)[:SPANS_KEPT]))


def _again(prepared: Prepared, seed: int, world: WorldName, backends: Mapping[str, str]) -> str:
    """The command that runs the same from its seed."""
    words = ["clef-sim", "run", prepared.scenario.file, "--seed", str(seed), *there(world, backends)]
    select = f"{prepared.variant.name} and {prepared.template}" if prepared.variant.name else prepared.template
    return shlex.join([*words, "-k", select])


def _keep(job: Job, log: DecisionLog, result: RunResult) -> str:
    """Stores the decision log; returns the command that replays it."""
    folder = Path(job.keep)
    folder.mkdir(parents=True, exist_ok=True)
    name = re.sub(r"[^\w.-]+", "-", f"{result.name}-{result.manifest}-{job.seed}")
    path = folder / (name + SUFFIX)
    log.about = {**job.about, "digest": result.history_digest}
    log.save(path)
    return shlex.join(["clef-sim", "replay", str(path), *there(result.world, result.backends)])


def there(world: WorldName, ways: Mapping[str, str]) -> list[str]:
    """The options that lead to the same world by the same ways."""
    if world == "model":
        return []
    return ["--world", world, *(word for way in dict.fromkeys(ways.values()) for word in ("--way", way))]


def _with(result: RunResult, verdict: Verdict) -> RunResult:
    checkers = (*result.checkers, verdict)
    total = worst(checkers)
    return msgspec.structs.replace(
        result, checkers=checkers, verdict=total, standing=standing_of(total, checkers, result.expected)
    )


def _same_again(prepared: Prepared, seed: int, first: list[Event], backends: Backends | None) -> Verdict:
    """Runs once more and names the first event that differs."""
    try:
        run = Run(prepared, Seeded(seed, record=False), backends)
        run.run()
    except BackendFailed as failed:
        return Verdict("determinism", "unknown", 1, str(failed), (str(failed),))
    second = list(run.world.history)
    for number, (one, other) in enumerate(zip(first, second, strict=False)):
        if repr(one) != repr(other):
            words = f"event {number} differs: {_shown(one)} the first time, {_shown(other)} the second"
            return Verdict("determinism", "invalid", 1, words, (words,), len(first))
    if len(first) != len(second):
        words = f"{len(first)} events the first time, {len(second)} the second"
        return Verdict("determinism", "invalid", 1, words, (words,), len(first))
    return Verdict("determinism", "valid", examined=len(first))


def _shown(event: Event) -> str:
    return f"{event.kind} {event.name} of {event.who} at {event.at:.6f} s ({str(event.data)[:120]})"


def run_jobs(jobs: Sequence[Job], workers: int) -> Iterator[RunResult]:
    """Results as they come; in this process where `workers` is 1. Stopped half-way, it ends its processes."""
    if workers == 1 or len(jobs) <= 1:
        yield from map(run_job, jobs)
        return
    pool = ProcessPoolExecutor(min(workers, len(jobs)), mp_context=get_context("spawn"))
    try:
        with _deaf_children():
            futures: list[Future[RunResult]] = [pool.submit(run_job, job) for job in jobs]
        for future in as_completed(futures):
            yield future.result()
    except BaseException:
        processes = list((pool._processes or {}).values())  # no public way to end them before Python 3.14
        for process in processes:
            process.terminate()
        # Waits for the pool's own thread too, which else would still be closing its pipes while Python exits.
        pool.shutdown(cancel_futures=True)
        raise
    pool.shutdown()


@contextmanager
def _deaf_children() -> Iterator[None]:
    """Processes started inside do not hear Ctrl-C, which reaches all of a terminal: the parent alone acts on it.
    They take it over at their start, so that none is caught while it still imports."""
    heard = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, heard)
