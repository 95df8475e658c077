"""Scenarios made ready: everything a file names is looked up and checked before anything runs."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import msgspec

from clef_runtime.app import App, load_app
from clef_runtime.deploy.manifest import Manifest, find_manifest, load_manifest
from clef_runtime.deploy.names import Names
from clef_runtime.engine.index import SyncIndex
from clef_runtime.errors import BadInput, ClefError
from clef_runtime.language import load_paths
from clef_runtime.language.artifact import artifact_of
from clef_runtime.language.compiled import CompiledSync
from clef_runtime.language.findings import did_you_mean
from clef_sim.checkers import CHECKERS
from clef_sim.checkers.latency import LATENCY_TARGETS
from clef_sim.kernel.choices import Seeded
from clef_sim.profiles import Profile, profile
from clef_sim.requests import RequestSet, load_requests
from clef_sim.scenario import (
    AtCall,
    ClockSkew,
    Conflict,
    Duplicate,
    EngineRestart,
    Fault,
    LateDelivery,
    PartlyRefused,
    Redrive,
    Reorder,
    Scenario,
    StaleRead,
    Variant,
)
from clef_sim.workload import arrivals


class Prepared(msgspec.Struct, frozen=True):
    """One run but for its seed: a scenario's variant on one manifest; `topology` is how the file names it."""

    scenario: Scenario
    variant: Variant
    topology: str
    manifest: Manifest
    app: App
    syncs: tuple[CompiledSync, ...]
    artifact: bytes
    requests: RequestSet
    profile: Profile

    @property
    def name(self) -> str:
        """`orders-crash` or `orders-crash/once`."""
        return self.scenario.name + (f"/{self.variant.name}" if self.variant.name else "")

    @property
    def template(self) -> str:
        """The manifest's file, without folder and suffix: `aws-event-driven`."""
        return Path(self.manifest.file).name.removesuffix(".deploy.yaml")

    @property
    def expected(self) -> dict[str, str]:
        """What is expected of each checker, `valid` unless named; or of all together, under `*`."""
        given = self.variant.expect
        return dict(given) if isinstance(given, dict) else {"*": given}

    @property
    def folder(self) -> Path:
        return Path(self.scenario.file).parent


def prepare(scenarios: Iterable[Scenario]) -> list[Prepared]:
    """Every variant of every scenario on each of its topologies.

    Raises:
        BadInput: whatever a scenario names and is not there, or does not fit; for all scenarios at once.
    """
    ready: list[Prepared] = []
    wrong: list[str] = []
    for scenario in scenarios:
        try:
            ready += _prepare(scenario)
        except ClefError as error:
            wrong.append(f"{scenario.file}: {error}")
    if wrong:
        raise BadInput("\n".join(wrong))
    _check_distinct(ready)
    return ready


def _check_distinct(ready: Iterable[Prepared]) -> None:
    """Results and decision logs are found by name."""
    seen: dict[tuple[str, str], Prepared] = {}
    for each in ready:
        other = seen.setdefault((each.name, each.template), each)
        if other is not each:
            files = " and ".join(dict.fromkeys((other.scenario.file, each.scenario.file)))
            raise BadInput(f"{files}: two runs are called {each.name!r} on {each.template}; rename one")


def _prepare(scenario: Scenario) -> list[Prepared]:
    app, syncs, artifact = _app(scenario.app)
    requests = load_requests(scenario.requests)
    next(iter(arrivals(scenario.workload, requests, Seeded(0, record=False), Path(scenario.file).parent)), None)
    _check_names("targets", scenario.targets, LATENCY_TARGETS)
    ready = []
    for variant in scenario.variants or (Variant(name="", expect=scenario.expect),):
        if isinstance(variant.expect, dict):
            _check_names("expect", variant.expect, CHECKERS)
        for topology in variant.topologies or scenario.topologies:
            manifest = load_manifest(_manifest_file(topology, scenario), {**scenario.settings, **variant.settings})
            made = Prepared(
                scenario, variant, topology, manifest, app, syncs, artifact, requests, profile(manifest.cloud)
            )
            _check_modelled(topology, manifest)
            for number, fault in enumerate(scenario.faults):
                _check_fault(f"faults.{number}", fault, made)
            ready.append(made)
    return ready


SHARED = ("sql", "redis", "upstash")
"""Kinds of services that belong to no cloud."""

MODELLED = {
    "aws": {"storage": ("dynamodb", "blob", *SHARED, "memory"), "transport": ("http", "sqs")},
    "gcp": {"storage": ("firestore", "blob", *SHARED, "memory"), "transport": ("http", "pubsub")},
}
"""Kinds that a cloud's simulation has a model of; the action log and the guard may also be none."""


def _check_modelled(topology: str, manifest: Manifest) -> None:
    stores = MODELLED[manifest.cloud]["storage"]
    kinds = dict.fromkeys((*manifest.storage.kinds, *manifest.storage.row_kinds))
    asked: list[tuple[str, str, tuple[str, ...]]] = [("storage", kind, stores) for kind in kinds]
    asked += [
        (port, kind, (*stores, "none"))
        for port, kind in (("action_log", manifest.action_log.kind), ("guard", manifest.guard.kind))
    ]
    asked.append(("transport", manifest.transport.kind, MODELLED[manifest.cloud]["transport"]))
    for port, kind, known in asked:
        if kind not in known:
            raise BadInput(
                f"topologies: {topology}: {port} {kind!r} has no model on {manifest.cloud} yet; "
                f"simulated are {', '.join(known)}"
            )


def _manifest_file(topology: str, scenario: Scenario) -> Path:
    beside = Path(scenario.file).parent / topology
    return beside if beside.is_file() else find_manifest(topology)


@lru_cache(maxsize=16)
def _app(module: str) -> tuple[App, tuple[CompiledSync, ...], bytes]:
    app = load_app(module)
    syncs = tuple(load_paths(app.syncs, app.functions))
    SyncIndex(syncs, app.functions)  # says what is wrong with them before anything runs
    return app, syncs, msgspec.json.encode(artifact_of(syncs))


def _check_names(where: str, given: Iterable[str], known: Iterable[str]) -> None:
    known = tuple(known)
    for name in given:
        if name not in known:
            raise BadInput(f"{where}: no {name!r}{did_you_mean(name, known)}; there are {', '.join(known)}")


def _check_fault(path: str, fault: Fault, made: Prepared) -> None:
    names = Names(made.manifest, made.app.name)
    functions = [*names.functions(concept.name for concept in made.app.catalogue), names.evaluator, names.engine]
    topology = made.manifest.topology
    if isinstance(fault, AtCall | ClockSkew):
        _check_part(f"{path}.function", fault.function, functions)
    if isinstance(fault, AtCall):
        service, _, operation = fault.call.partition(".")
        known = [*made.profile.latencies, "http.POST", "http.GET"]
        if operation != "*":
            _check_call(f"{path}.call", fault.call, known)
        elif not any(each.startswith(service + ".") for each in known):
            raise BadInput(f"{path}.call(={fault.call!r}): no service {service!r}")
        _check_part(f"{path}.target", fault.target, [*_targets(names, made), "/_clef/invoke", "/completions"])
    if isinstance(fault, PartlyRefused) and fault.call != "sqs.SendMessageBatch":
        raise BadInput(f"{path}.call(={fault.call!r}): only sqs.SendMessageBatch can be refused in part")
    if isinstance(fault, Conflict) and fault.call.partition(".")[0] in ("redis", "upstash"):
        raise BadInput(f"{path}.call(={fault.call!r}): Redis has no transactions that meet; take throttle")
    if isinstance(fault, StaleRead):
        if made.manifest.cloud != "aws":
            raise BadInput(f"{path}: {made.template} has no tables whose replicas lag; take the fault out")
        _check_part(f"{path}.table", fault.table, _targets(names, made))
    if isinstance(fault, Duplicate | Reorder | LateDelivery):
        if topology != "C":
            raise BadInput(f"{path}: {made.template} has no queues; take the fault out, or the topology")
        _check_part(f"{path}.queue", fault.queue, _targets(names, made))
    if isinstance(fault, Redrive) and topology != "C":
        raise BadInput(f"{path}: {made.template} has no queues; take the fault out, or the topology")
    if isinstance(fault, EngineRestart) and topology != "A":
        raise BadInput(f"{path}: {made.template} has no engine service; take the fault out, or the topology")


def _targets(names: Names, made: Prepared) -> list[str]:
    concepts = [concept.name for concept in made.app.catalogue]
    queues = [names.completion_queue, *(names.queue(concept) for concept in concepts)]
    stores = [names.storage_table, names.bucket, names.log_table, names.guard_table, names.table_prefix]
    return [*stores, *dict.fromkeys(queues)]


def _check_part(path: str, part: str, names: list[str]) -> None:
    if part and not any(part in name for name in names):
        raise BadInput(f"{path}(={part!r}) is no part of any name; there are {', '.join(names)}")


def _check_call(path: str, call: str, known: list[str]) -> None:
    if call not in known:
        near = difflib.get_close_matches(call, known, n=1)
        hint = f"; did you mean `{near[0]}`?" if near else ""
        raise BadInput(f"{path}(={call!r}) is no SDK call that the profile knows{hint}")
