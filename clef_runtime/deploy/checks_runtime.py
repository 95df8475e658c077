"""What runtimes must keep to: the cloud's kinds and limits, one for each role, one place for the engine."""

from __future__ import annotations

from clef_runtime.deploy.manifest import Manifest, Runtime
from clef_runtime.deploy.problems import Problems
from clef_runtime.model import Record

_KINDS = {"aws": ("lambda", "ecs-fargate"), "gcp": ("cloud-function", "cloud-run")}
_ROLES = {
    "lambda": ("concepts", "evaluator"),
    "cloud-function": ("concepts", "evaluator"),
    "ecs-fargate": ("engine",),
    "cloud-run": ("engine",),
}
_MEMORY_MB_MAX = {"lambda": 10_240, "cloud-function": 32_768, "ecs-fargate": 122_880, "cloud-run": 32_768}
_TIMEOUT_S_MAX = {"lambda": 900, "cloud-function": 3600, "ecs-fargate": 4000, "cloud-run": 3600}
"""The services' own limits; for Fargate the load balancer's longest idle time-out."""

_OF_SERVICES = ("cpu", "tasks")
_OF_CONCEPTS = ("engine", "functions")


def kinds(manifest: Manifest, _: Record, problems: Problems) -> None:
    for name, runtime in manifest.runtimes.items():
        allowed = _KINDS[manifest.cloud]
        if runtime.kind not in allowed:
            problems.error(
                ("runtimes", name, "kind"),
                f"kind(={runtime.kind!r}) does not exist on cloud {manifest.cloud}; allowed: {', '.join(allowed)}",
            )


def limits(manifest: Manifest, _: Record, problems: Problems) -> None:
    for name, runtime in manifest.runtimes.items():
        memory_mb_max, timeout_s_max = _MEMORY_MB_MAX[runtime.kind], _TIMEOUT_S_MAX[runtime.kind]
        if runtime.memory_mb > memory_mb_max:
            problems.error(
                ("runtimes", name, "memory_mb"),
                f"memory_mb(={runtime.memory_mb}) must be <= {memory_mb_max} on {runtime.kind}",
            )
        if runtime.timeout_s > timeout_s_max:
            problems.error(
                ("runtimes", name, "timeout_s"),
                f"timeout_s(={runtime.timeout_s:g}) must be <= {timeout_s_max} on {runtime.kind}",
            )


def meaningless(manifest: Manifest, given: Record, problems: Problems) -> None:
    """Settings that would silently do nothing."""
    for name, runtime in manifest.runtimes.items():
        said = given["runtimes"][name]
        for field in _OF_SERVICES:
            if runtime.is_function and field in said:
                problems.error(
                    ("runtimes", name, field),
                    f"`{field}` is a service's; a {runtime.kind} has memory_mb alone",
                )
        for field in _OF_CONCEPTS:
            if runtime.role != "concepts" and field in said:
                problems.error(
                    ("runtimes", name, field), f"`{field}` is for role: concepts; this one is {runtime.role}"
                )


def engine(manifest: Manifest, _: Record, problems: Problems) -> None:
    """Each role at most once, concepts exactly once, and one place where the engine runs."""
    roles: dict[str, str] = {}
    for name, runtime in manifest.runtimes.items():
        path = ("runtimes", name, "role")
        if runtime.role not in _ROLES[runtime.kind]:
            problems.error(path, _wrong_role(runtime))
        elif runtime.role in roles:
            problems.error(path, f"role {runtime.role} is taken by runtime {roles[runtime.role]!r}; each has one")
        roles.setdefault(runtime.role, name)
    if "concepts" not in roles:
        problems.error(("runtimes",), "no runtime has role: concepts; add a function with it")
        return
    per_request = ("runtimes", roles["concepts"], "engine")
    if manifest.transport.is_queue:
        _event_driven(manifest, roles, problems)
    elif manifest.concepts.engine and "engine" in roles:
        problems.error(
            per_request,
            f"engine(=True) runs the engine in the functions, runtime {roles['engine']!r} runs it too; "
            "take one of them out",
        )
    elif not manifest.concepts.engine and "engine" not in roles:
        problems.error(
            ("runtimes",),
            "nothing runs the engine: add a service with role: engine (option A), engine: true on the "
            "concepts (option B), or a queue transport with role: evaluator (option C)",
        )
    if "evaluator" in roles and not manifest.transport.is_queue:
        problems.error(
            ("runtimes", roles["evaluator"], "role"),
            "role evaluator needs a queue to feed it; set transport.kind to sqs or pubsub",
        )


def _event_driven(manifest: Manifest, roles: dict[str, str], problems: Problems) -> None:
    kind = manifest.transport.kind
    if "evaluator" not in roles:
        problems.error(
            ("transport", "kind"),
            f"kind(={kind!r}) needs a runtime with role: evaluator that its completions feed; there are "
            f"roles {', '.join(roles)}",
        )
    if "engine" in roles:
        problems.error(
            ("runtimes", roles["engine"], "role"),
            f"role engine has nothing to do with transport {kind}: the evaluator is the engine; take it out",
        )
    if manifest.concepts.engine:
        problems.error(
            ("runtimes", roles["concepts"], "engine"),
            f"engine(=True) (option B) calls over http; with transport {kind} the evaluator is the engine",
        )


def _wrong_role(runtime: Runtime) -> str:
    allowed = ", ".join(_ROLES[runtime.kind])
    advice = "" if not runtime.is_function else "; for an engine in functions set engine: true on the concepts"
    return f"role(={runtime.role!r}) does not go with kind {runtime.kind}; allowed: {allowed}{advice}"
