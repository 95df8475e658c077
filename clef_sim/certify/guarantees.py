"""What is raced, of which service, and what a manifest needs of it."""

from __future__ import annotations

import msgspec

from clef_runtime.deploy.manifest import Manifest


class Guarantee(msgspec.Struct, frozen=True):
    """`noun`: what a service is fit or unfit for. `level`: by the SDK's calls, or at the runtime's port over them.
    `raced`: what is counted. `promise`: what may be relied on. `group`: contenders of one race."""

    noun: str
    level: str
    raced: str
    promise: str
    group: int


GUARANTEES = {
    "create": Guarantee(
        "conditional writes",
        "SDK",
        "raced keys",
        "of several that create one key where it is absent, one wins, and its value stays",
        8,
    ),
    "compare-and-set": Guarantee(
        "compare-and-set",
        "SDK",
        "raced keys",
        "a write that is bound to what was read takes effect only where that is still there: no update is lost",
        4,
    ),
    "counter": Guarantee("counters", "SDK", "raced counters", "every addition counts, once", 8),
    "transaction": Guarantee(
        "transactions",
        "SDK",
        "raced transactions",
        "of several transactions that exclude each other one wins, and of the others nothing is done",
        4,
    ),
    "visibility": Guarantee(
        "visibility time-outs",
        "SDK",
        "messages",
        "a message is with one consumer until its visibility ends, comes again then unless it was deleted, and is not"
        " lost",
        16,
    ),
    "acquire": Guarantee(
        "the guard's protocol `once`", "port", "raced firings", "one of several acquires a firing; none may", 4
    ),
    "lease": Guarantee(
        "the guard's protocol `lease`",
        "port",
        "raced firings",
        "one claims, one takes over when the lease is over, and only the holder marks it fired",
        4,
    ),
    "append": Guarantee(
        "the action log", "port", "raced records", "of several records of one id the first stays, and is told so", 8
    ),
}

_RESTS = {"acquire": ("create",), "lease": ("create", "compare-and-set"), "append": ("create",)}


def rests_on(service: str, guarantee: str) -> tuple[str, ...]:
    """What of the service a port's guarantee is made of; empty for the service's own."""
    if service == "firestore" and guarantee == "acquire":
        return ("transaction",)
    return _RESTS.get(guarantee, ())


_PORTS = ("acquire", "lease", "append")

OF = {
    "dynamodb": ("create", "compare-and-set", "counter", "transaction", *_PORTS),
    "sqs": ("visibility",),
    "s3": ("create", "compare-and-set"),
    "firestore": ("create", "compare-and-set", "transaction", *_PORTS),
    "pubsub": ("visibility",),
    "redis": ("create", "compare-and-set", "counter", "acquire", "lease"),
    "postgres": ("create", "compare-and-set", "counter", "transaction", *_PORTS),
    "gcs": ("create", "compare-and-set"),
}
"""By service, in the order in which they are raced."""

FIGURES_NEEDED = 3
"""Races in which contenders met, for a verdict."""


class Need(msgspec.Struct, frozen=True, order=True):
    service: str
    guarantee: str


_SERVICES = {"dynamodb": "dynamodb", "firestore": "firestore", "redis": "redis", "sql": "postgres"}


def needs_of(manifest: Manifest) -> frozenset[Need]:
    """What a manifest's storage, log, guard and transport rely on, of services that can be raced."""
    found: list[tuple[str, str]] = []
    if "blob" in manifest.storage.kinds:
        found.append(("s3" if manifest.cloud == "aws" else "gcs", "create"))
    found += [(_SERVICES[kind], "compare-and-set") for kind in manifest.storage.row_kinds if kind in _SERVICES]
    log, guard = _SERVICES.get(manifest.action_log.kind), _SERVICES.get(manifest.guard.kind)
    if log:
        found += [(log, "create"), (log, "append")]
        if manifest.delivery == "transactional":
            found.append((log, "transaction"))
    if guard:
        protocol = "acquire" if manifest.guard.protocol == "once" else "lease"
        found += [(guard, each) for each in (*rests_on(guard, protocol), protocol)]
    if manifest.transport.kind in ("sqs", "pubsub"):
        found.append((manifest.transport.kind, "visibility"))
    return frozenset(Need(service, guarantee) for service, guarantee in found if guarantee in OF[service])
