"""What storage, action log, guard and delivery must keep to for their guarantees to hold."""

from __future__ import annotations

from clef_runtime.deploy.manifest import EVALUATES, Manifest
from clef_runtime.deploy.problems import Path, Problems
from clef_runtime.deploy.resolve import DURABLE
from clef_runtime.model import Record

_SHARED_GUARDS = (*DURABLE, "redis", "upstash")
_RETENTION_S = 345_600
"""4 days: how long SQS keeps a message unless told otherwise."""

_HOME = {"dynamodb": "aws", "firestore": "gcp"}
_OPTION = {
    "A": "option A with several tasks",
    "B": "option B (engine: true)",
    "C": "option C (a queue transport)",
}


def _sharing(manifest: Manifest) -> str:
    """Why state must be shared: two instances evaluate one flow; nothing where one process does."""
    several_tasks = any(runtime.role == "engine" and runtime.tasks > 1 for runtime in manifest.runtimes.values())
    return _OPTION[manifest.topology] if manifest.topology != "A" or several_tasks else ""


def log(manifest: Manifest, _: Record, problems: Problems) -> None:
    kind, why = manifest.action_log.kind, _sharing(manifest)
    path = ("action_log", "kind")
    if why and kind not in DURABLE:
        problems.error(
            path, f"kind(={kind!r}): {why} needs a durable action log; must be one of {', '.join(DURABLE)}"
        )
    elif kind not in DURABLE:
        problems.warn(
            path,
            f"kind(={kind!r}): flows live in the engine's memory and are lost when it restarts; kept with "
            f"{', '.join(DURABLE)}",
        )


def guard(manifest: Manifest, _: Record, problems: Problems) -> None:
    kind, why = manifest.guard.kind, _sharing(manifest)
    if why and kind not in _SHARED_GUARDS:
        problems.error(
            ("guard", "kind"),
            f"kind(={kind!r}): {why} needs a guard that instances share; must be one of {', '.join(_SHARED_GUARDS)}",
        )


def lease(manifest: Manifest, _: Record, problems: Problems) -> None:
    settings, transport = manifest.guard, manifest.transport
    if settings.protocol != "lease" or settings.kind == "none":
        return
    for name, runtime in manifest.runtimes.items():
        if runtime.role == EVALUATES[manifest.topology] and settings.lease_s < runtime.timeout_s:
            problems.warn(
                ("guard", "lease_s"),
                f"lease_s(={settings.lease_s:g}) is less than "
                f"runtimes.{name}.timeout_s(={runtime.timeout_s:g}): another instance may send a firing again "
                "that is still being sent",
            )
    lasts_s = transport.visibility_timeout_s * (transport.max_receive_count - 1)
    if transport.is_queue and settings.lease_s >= lasts_s:
        problems.error(
            ("guard", "lease_s"),
            f"lease_s(={settings.lease_s:g}) must be < visibility_timeout_s * (max_receive_count - 1) "
            f"(={lasts_s:g}): else the completion is in the dead-letter queue before the claim of a holder "
            "that died ends",
        )
    if manifest.delivery == "plain":
        problems.warn(
            ("delivery",),
            "delivery(='plain') with guard.protocol lease: a firing that is sent twice runs its actions "
            "twice; recorded or transactional recognise the second",
        )


def memory_of_messages(manifest: Manifest, _: Record, problems: Problems) -> None:
    """Log and guard must remember a firing for as long as a message about it can come again."""
    for section, settings in (("guard", manifest.guard), ("action_log", manifest.action_log)):
        ttl_s = settings.ttl_s
        if manifest.transport.is_queue and ttl_s is not None and ttl_s <= _RETENTION_S:
            problems.warn(
                (section, "ttl_s"),
                f"ttl_s(={ttl_s:g}) is not more than the {_RETENTION_S} s that a queue keeps messages: one "
                "that comes late finds nothing and fires again",
            )
        if settings.kind == "sql" and ttl_s is not None and manifest.topology != "A":  # A's engine does it
            problems.warn(
                (section, "ttl_s"),
                f"ttl_s(={ttl_s:g}): SQL removes nothing by itself; call clef_runtime.sql.delete_expired each day",
            )


def delivery(manifest: Manifest, _: Record, problems: Problems) -> None:
    wanted, kind = manifest.delivery, manifest.action_log.kind
    if wanted != "plain" and kind == "none":
        problems.error(
            ("delivery",),
            f"delivery(={wanted!r}) needs an action log; set action_log.kind, or take delivery: plain",
        )
        return
    if wanted != "plain" and manifest.action_log.append == "after_load":
        problems.error(
            ("action_log", "append"),
            f"append(='after_load') does not go with delivery {wanted}, whose receiver appends before "
            "anybody loads; leave it out, or take delivery: plain",
        )
    if wanted != "transactional":
        return
    rows_of = manifest.storage.rows_of
    others = {concept: other for concept, other in manifest.storage.overrides.items() if rows_of(other) != kind}
    if rows_of(manifest.storage.default) != kind:
        others["storage.default"] = manifest.storage.default
    elif not others:
        return
    words = ", ".join(f"{where}: {other}" for where, other in others.items())
    problems.error(
        ("delivery",),
        f"delivery(='transactional') commits in one backend, but action_log.kind is {kind} and there is "
        f"{words}; take recorded, or one backend",
    )


def storage(manifest: Manifest, given: Record, problems: Problems) -> None:
    settings = manifest.storage
    if "index" in given["storage"] and "blob" not in settings.kinds:
        problems.error(("storage", "index"), "`index` has no meaning without kind: blob, whose rows it holds")
    places: list[tuple[Path, str]] = [(("storage", "default"), settings.default)]
    places += [(("storage", "overrides", concept), kind) for concept, kind in settings.overrides.items()]
    for path, kind in places:
        if kind == "redis":
            problems.warn(path, "redis holds a TCP connection for every function instance; upstash (HTTP) holds none")
        elif kind == "memory":
            problems.warn(path, "memory is each instance's own and is lost with it; for trials only")


def other_cloud(manifest: Manifest, _: Record, problems: Problems) -> None:
    used: list[tuple[Path, str]] = [
        (("storage", "default"), manifest.storage.default),
        *((("storage", "overrides", concept), kind) for concept, kind in manifest.storage.overrides.items()),
        *([(("storage", "index"), manifest.storage.index)] if "blob" in manifest.storage.kinds else []),
        (("action_log", "kind"), manifest.action_log.kind),
        (("guard", "kind"), manifest.guard.kind),
    ]
    for path, kind in used:
        home = _HOME.get(kind, manifest.cloud)
        if home != manifest.cloud:
            problems.warn(
                path, f"{kind} is on cloud {home}, the runtimes on {manifest.cloud}: every call crosses over"
            )
