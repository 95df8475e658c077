"""What a manifest comes to for an app: functions, services, tables, queues, topics, and what they promise."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from clef_runtime.app import App
from clef_runtime.deploy.guarantees import Guarantee, guarantees, idle_cost
from clef_runtime.deploy.manifest import Cloud, Delivery, Manifest, Role, RuntimeKind, StorageKind, Topology
from clef_runtime.deploy.names import Names
from clef_runtime.errors import BadInput
from clef_runtime.language.findings import did_you_mean


class Unit(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A function or service. `fed_by`: `http`, or the queue or topic that brings it its work. `evaluates`:
    syncs are evaluated and fired here."""

    name: str
    runtime: str
    kind: RuntimeKind
    role: Role
    memory_mb: int
    timeout_s: float
    concurrency: int
    fed_by: tuple[str, ...]
    concepts: tuple[str, ...] = ()
    evaluates: bool = False
    cpu: float | None = None
    tasks: int | None = None


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """A table, collection, key space or bucket. `keys`: its key attributes; `ttl_s`: None keeps rows for ever."""

    name: str
    service: str
    holds: str
    keys: tuple[str, ...] = ()
    ttl_s: float | None = None


class Queue(msgspec.Struct, frozen=True, kw_only=True):
    """An SQS queue and the function that it feeds; or a Pub/Sub topic with the subscription that does."""

    name: str
    service: str
    consumer: str
    fifo: bool
    dead_letters: str
    visibility_timeout_s: float
    max_receive_count: int
    batch_size: int
    window_s: float
    partial_batch_responses: bool


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The whole of it. `idle_usd_month`: what waiting costs, None where unknown."""

    name: str
    file: str
    cloud: Cloud
    topology: Topology
    delivery: Delivery
    guard: str
    units: tuple[Unit, ...]
    tables: tuple[Table, ...]
    queues: tuple[Queue, ...]
    topics: tuple[Queue, ...]
    guarantees: tuple[Guarantee, ...]
    idle_usd_month: float | None
    idle_words: str
    warnings: tuple[str, ...]


ANY = "<concept>"
"""Stands for each concept where no app is given."""


def plan(manifest: Manifest, app: App | None = None) -> Plan:
    """What `manifest` deploys for `app`; without an app, with one stand-in for its concepts.

    Raises:
        BadInput: a storage override for a concept that the app does not have; two things of one name.
    """
    concepts = [concept.name for concept in app.catalogue] if app else [ANY]
    facts = {concept.name: concept.facts for concept in app.catalogue} if app else {ANY: "<relation>"}
    if app:
        _check_overrides(manifest, concepts)
    names = Names(manifest, app.name if app else "")
    split = manifest.concepts.functions == "per-concept"
    stand_in = f"{names.base}-{ANY}" if split else names.function("any")
    functions: dict[str, tuple[str, ...]] = names.functions(concepts) if app else {stand_in: (ANY,)}
    usd, words = idle_cost(manifest)
    queues = _queues(manifest, names, functions)
    return Plan(
        name=names.base,
        file=manifest.file,
        cloud=manifest.cloud,
        topology=manifest.topology,
        delivery=manifest.delivery,
        guard=f"{manifest.guard.kind} ({manifest.guard.protocol})",
        units=_units(manifest, names, functions),
        tables=(*_state(manifest, names, facts), *_records(manifest, names)),
        queues=queues if manifest.transport.kind == "sqs" else (),
        topics=queues if manifest.transport.kind == "pubsub" else (),
        guarantees=guarantees(manifest),
        idle_usd_month=usd,
        idle_words=words,
        warnings=tuple(map(str, manifest.warnings)),
    )


def _check_overrides(manifest: Manifest, concepts: Sequence[str]) -> None:
    for concept in manifest.storage.overrides:
        if concept not in concepts:
            hint = did_you_mean(concept, concepts)
            raise BadInput(
                f"{manifest.file}: storage.overrides.{concept}: the app has no such concept{hint}; "
                f"it has {', '.join(concepts)}"
            )


def _units(manifest: Manifest, names: Names, functions: dict[str, tuple[str, ...]]) -> tuple[Unit, ...]:
    units = [
        _unit(
            manifest,
            "concepts",
            name,
            concepts=concepts,
            fed_by=("http", names.queue_of(name)) if manifest.transport.is_queue else ("http",),
        )
        for name, concepts in functions.items()
    ]
    if manifest.topology == "A":
        units.append(_unit(manifest, "engine", names.engine, fed_by=("http",)))
    elif manifest.topology == "C":
        units.append(_unit(manifest, "evaluator", names.evaluator, fed_by=(names.completion_queue,)))
    return tuple(units)


def _unit(
    manifest: Manifest, role: Role, name: str, *, fed_by: tuple[str, ...], concepts: tuple[str, ...] = ()
) -> Unit:
    runtime_name = manifest.runtime_name(role)
    runtime = manifest.runtimes[runtime_name]
    return Unit(
        name=name,
        runtime=runtime_name,
        kind=runtime.kind,
        role=role,
        memory_mb=runtime.memory_mb,
        timeout_s=runtime.timeout_s,
        concurrency=runtime.concurrency,
        fed_by=fed_by,
        concepts=concepts,
        evaluates=runtime is manifest.evaluating,
        cpu=None if runtime.is_function else runtime.cpu,
        tasks=None if runtime.is_function else runtime.tasks,
    )


def _state(manifest: Manifest, names: Names, facts: dict[str, str]) -> list[Table]:
    """Where concepts keep their state; concepts that share a table or bucket are named together."""
    storage = manifest.storage
    shared: dict[StorageKind, list[str]] = {}
    tables: list[Table] = []
    for concept, relation in facts.items():
        kind = storage.rows_of(storage.kind_of(concept))
        if kind == "dynamodb" and storage.layout == "prefixed":
            name = f"{names.table_prefix}{concept}.{relation}"
            holds = f"state of {concept}; a table for each further relation"
            tables.append(Table(name=name, service=kind, holds=holds, keys=("pk",)))
        else:
            shared.setdefault(kind, []).append(concept)
    for service, concepts in shared.items():
        holds = f"state of {', '.join(concepts)}"
        tables.append(Table(name=names.storage_table, service=service, holds=holds, keys=_keys(service, "pk", "sk")))
    offloading = [concept for concept in facts if storage.kind_of(concept) == "blob"]
    if offloading:
        holds = f"large values of {', '.join(offloading)}"
        tables.append(Table(name=names.bucket, service="s3" if manifest.cloud == "aws" else "gcs", holds=holds))
    return tables


def _keys(service: str, *keys: str) -> tuple[str, ...]:
    """The key attributes of a DynamoDB table; the other services have keys of their own."""
    return keys if service == "dynamodb" else ()


def _records(manifest: Manifest, names: Names) -> list[Table]:
    log, guard = manifest.action_log, manifest.guard
    tables: list[Table] = []
    if log.kind != "none":
        keys = _keys(log.kind, "pk", "sk")
        tables.append(Table(name=names.log_table, service=log.kind, holds="action log", keys=keys, ttl_s=log.ttl_s))
    if guard.kind != "none":
        keys = _keys(guard.kind, "pk")
        tables.append(
            Table(name=names.guard_table, service=guard.kind, holds="firing guard", keys=keys, ttl_s=guard.ttl_s)
        )
    return tables


def _queues(manifest: Manifest, names: Names, functions: dict[str, tuple[str, ...]]) -> tuple[Queue, ...]:
    transport = manifest.transport
    if not transport.is_queue:
        return ()
    fed = {names.completion_queue: names.evaluator, **{names.queue_of(name): name for name in functions}}
    return tuple(
        Queue(
            name=queue,
            service=transport.kind,
            consumer=consumer,
            fifo=transport.fifo,
            dead_letters=names.dead_letters(queue),
            visibility_timeout_s=transport.visibility_timeout_s,
            max_receive_count=transport.max_receive_count,
            batch_size=transport.batch_size,
            window_s=transport.window_s,
            partial_batch_responses=transport.partial_batch_responses,
        )
        for queue, consumer in fed.items()
    )
