"""The deploy manifest: what runs where, on which storage, log, guard and transport.

A `*.deploy.yaml` is the one description that simulation, emulators and deployment are wired from. The
structs here are a manifest as loaded: every default, also the derived ones (`resolve.py`), is filled in.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import Meta

from clef_runtime.deploy.problems import Problem
from clef_runtime.errors import BadInput
from clef_runtime.language.findings import did_you_mean

Cloud: TypeAlias = Literal["aws", "gcp"]
Topology: TypeAlias = Literal["A", "B", "C"]
RuntimeKind: TypeAlias = Literal["lambda", "cloud-function", "ecs-fargate", "cloud-run"]
Role: TypeAlias = Literal["concepts", "engine", "evaluator"]
StorageKind: TypeAlias = Literal["dynamodb", "firestore", "redis", "upstash", "blob", "sql", "memory"]
LogKind: TypeAlias = Literal["dynamodb", "firestore", "sql", "memory", "none"]
IndexKind: TypeAlias = Literal["dynamodb", "firestore", "sql"]
GuardKind: TypeAlias = Literal["dynamodb", "firestore", "redis", "upstash", "sql", "memory", "none"]
TransportKind: TypeAlias = Literal["http", "sqs", "pubsub"]
Delivery: TypeAlias = Literal["plain", "recorded", "transactional"]

EVALUATES: dict[Topology, Role] = {"A": "engine", "B": "concepts", "C": "evaluator"}
"""The role of the runtime in which syncs are evaluated and fired."""

_Count: TypeAlias = Annotated[int, Meta(ge=1, le=1_000_000)]
_Seconds: TypeAlias = Annotated[float, Meta(gt=0, le=1_000_000_000)]
NAME = re.compile("[a-z][a-z0-9-]{0,31}")
NAME_WORDS = "1 to 32 lower-case letters, digits or `-`, a letter first"
_Name: TypeAlias = Annotated[str, Meta(pattern=f"^({NAME.pattern})?$", description=NAME_WORDS)]


class Runtime(msgspec.Struct, frozen=True, kw_only=True):
    """Where code runs: functions (`lambda`, `cloud-function`) or a service (`ecs-fargate`, `cloud-run`).

    `timeout_s`: of one call; a function is killed at it. `concurrency`: of a function, the most instances at
    once; of a service, the most calls at once in one task. `cpu` (vCPU of a task) and `tasks` are a
    service's. `engine`: a function evaluates its own completions (option B). `functions`: one function for
    each concept, or `one` for all of them.
    """

    kind: RuntimeKind
    role: Role
    memory_mb: Annotated[int, Meta(ge=128, le=122_880)]
    timeout_s: _Seconds
    concurrency: _Count
    cpu: Annotated[float, Meta(gt=0, le=16)]
    tasks: Annotated[int, Meta(ge=1, le=1000)]
    engine: bool
    functions: Literal["per-concept", "one"]

    @property
    def is_function(self) -> bool:
        return self.kind in ("lambda", "cloud-function")


class StorageSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where concepts keep their state. `layout`: in DynamoDB, one table for all or one for each relation. `index`:
    where `blob` keeps its rows, and the values that are not large."""

    default: StorageKind
    layout: Literal["single", "prefixed"]
    index: IndexKind
    overrides: dict[str, StorageKind]

    def kind_of(self, concept: str) -> StorageKind:
        """The storage of a concept, by its name."""
        return self.overrides.get(concept, self.default)

    @property
    def kinds(self) -> tuple[StorageKind, ...]:
        """Every kind in use, the default first."""
        return tuple(dict.fromkeys((self.default, *self.overrides.values())))

    def rows_of(self, kind: StorageKind) -> StorageKind:
        """Where a kind's rows are: itself, and for `blob` its index."""
        return self.index if kind == "blob" else kind

    @property
    def row_kinds(self) -> tuple[StorageKind, ...]:
        """Every kind that holds rows."""
        return tuple(dict.fromkeys(map(self.rows_of, self.kinds)))


class ActionLogSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The action log. `append`: who appends a completion, when: the evaluating engine before it loads the
    flow (`first`), the engine after it (`after_load`), or the `receiver` of the invocation, before anything
    is evaluated. `ttl_s`: seconds that records are kept; None: for ever."""

    kind: LogKind
    consistent_reads: bool
    append: Literal["first", "after_load", "receiver"]
    ttl_s: _Seconds | None


class GuardSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The firing guard. `lease_s`: how long a claim holds. `ttl_s`: as in the action log."""

    kind: GuardKind
    protocol: Literal["once", "lease"]
    lease_s: _Seconds
    ttl_s: _Seconds | None


class TransportSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How completions and invocations travel. All but `kind` is about queues and without meaning for `http`.

    `fifo`: FIFO queues (SQS), ordering keys (Pub/Sub). `window_s`: how long a batch may gather.
    `visibility_timeout_s`: until an unfinished message is delivered again (Pub/Sub: the ack deadline).
    `max_receive_count`: deliveries before a message goes to the dead-letter queue.
    """

    kind: TransportKind
    fifo: bool
    batch_size: Annotated[int, Meta(ge=1, le=10_000)]
    window_s: Annotated[float, Meta(ge=0, le=300)]
    visibility_timeout_s: Annotated[float, Meta(gt=0, le=43_200)]
    max_receive_count: Annotated[int, Meta(ge=1, le=1000)]
    partial_batch_responses: bool

    @property
    def is_queue(self) -> bool:
        return self.kind != "http"


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """A manifest as loaded and checked. `app` is a module that defines `app`; empty: the caller names it.
    `name` empty: the app's own name counts."""

    file: str
    name: _Name
    cloud: Cloud
    app: str
    runtimes: dict[str, Runtime]
    storage: StorageSettings
    action_log: ActionLogSettings
    guard: GuardSettings
    delivery: Delivery
    transport: TransportSettings
    warnings: tuple[Problem, ...] = ()

    @property
    def topology(self) -> Topology:
        """Where the engine runs: A in a service of its own, B in each function, C behind a queue."""
        if self.transport.is_queue:
            return "C"
        return "B" if any(runtime.engine for runtime in self.runtimes.values()) else "A"

    @property
    def concepts(self) -> Runtime:
        """The runtime that runs the concepts; every manifest has one."""
        return self.runtimes[self.runtime_name("concepts")]

    @property
    def evaluating(self) -> Runtime:
        """The runtime in which syncs are evaluated and fired."""
        return self.runtimes[self.runtime_name(EVALUATES[self.topology])]

    def runtime_name(self, role: Role) -> str:
        for name, runtime in self.runtimes.items():
            if runtime.role == role:
                return name
        raise BadInput(f"{self.file}: runtimes: none has role: {role}; add one")


TEMPLATES = Path(__file__).with_name("templates")
_SUFFIX = ".deploy.yaml"


def templates() -> tuple[str, ...]:
    """The names of the templates that come with the package."""
    return tuple(sorted(path.name.removesuffix(_SUFFIX) for path in TEMPLATES.glob(f"*{_SUFFIX}")))


def find_manifest(name_or_path: str | Path) -> Path:
    """The file that is meant: an existing one, or a template by its name (`aws-event-driven`).

    Raises:
        BadInput: neither; names the templates.
    """
    path = Path(name_or_path)
    if path.is_file():
        return path
    name = str(name_or_path).removesuffix(_SUFFIX)
    if name in templates():
        return TEMPLATES / (name + _SUFFIX)
    hint = did_you_mean(name, templates())
    raise BadInput(
        f"manifest(={str(name_or_path)!r}) is no file and no template{hint}; templates: {', '.join(templates())}"
    )


def load_manifest(path: str | Path, overrides: Mapping[str, Any] | None = None) -> Manifest:
    """Reads, completes and checks a manifest.

    Args:
        path: a file, or the name of a template.
        overrides: see `document.override`; applied before anything is derived.

    Raises:
        ManifestError: cannot be deployed; its text has every error with file, line, column, path and what
            is allowed.
        BadInput: no such file or template, or an override of a path that does not exist.
    """
    from clef_runtime.deploy.checks import complete
    from clef_runtime.deploy.document import override, read_document

    document = read_document(find_manifest(path))
    changes = overrides or {}
    return complete(
        msgspec.structs.replace(document, record=override(document.record, changes)),
        overridden=tuple(changes),
    )
