"""Fills in what a manifest's file leaves open. Every default is here, the derived ones with their reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clef_runtime.model import Record

FUNCTIONS = ("lambda", "cloud-function")
_INDEX = {"aws": "dynamodb", "gcp": "firestore"}
"""Where `blob` keeps its rows: the cloud's own."""

DURABLE = ("dynamodb", "firestore", "sql")
"""Action logs that every instance shares and that outlive it."""

KEEP_S = 1_209_600.0
"""14 days, the longest that SQS keeps a message. A log or guard that forgets sooner can meet a message about
what it has forgotten."""

_FUNCTION_TIMEOUT_S = 30.0
_SERVICE_TIMEOUT_S = 60.0
"""The idle time-out of an AWS load balancer before it gives a call up."""

_FUNCTION_INSTANCES = 1000
"""Lambda's default limit for one account and region."""

_SERVICE_CALLS = 80
"""Cloud Run's default for one instance."""

_VISIBILITY_FACTOR = 6.0
"""AWS advises a visibility time-out of at least six times the function's time-out, plus the batch window."""

_PUBSUB_ACK_MAX_S = 600.0


def resolve(record: Mapping[str, Any]) -> Record:
    """A record with every key that the loaded manifest has. What `record` says stays as it is."""
    full: Record = {"name": "", "app": "", "delivery": None, **record}
    full["runtimes"] = {name: _runtime(runtime) for name, runtime in record["runtimes"].items()}
    full["storage"] = {"layout": "single", "overrides": {}, "index": _INDEX[record["cloud"]], **record["storage"]}
    full["transport"] = _transport(record.get("transport", {}), full["runtimes"])
    log: Record = {"kind": "none", "ttl_s": KEEP_S, **record.get("action_log", {})}
    guard: Record = {"protocol": "lease", "ttl_s": KEEP_S, **record.get("guard", {})}
    # The log's backend serves the guard too; with no shared one, a persistent engine's memory is the guard.
    guard.setdefault("kind", log["kind"] if log["kind"] in DURABLE else "none")
    # A holder that is killed at its time-out sends no more: from then on another may.
    guard.setdefault("lease_s", _evaluating_timeout_s(full))
    once = guard["protocol"] == "once"
    full["delivery"] = full["delivery"] or _delivery(once, log["kind"], full["storage"])
    log.setdefault("consistent_reads", not once)
    log["append"] = _append(log.get("append"), once, full["delivery"])
    full["action_log"], full["guard"] = log, guard
    return full


def _runtime(given: Mapping[str, Any]) -> Record:
    function = given["kind"] in FUNCTIONS
    return {
        "memory_mb": 512,
        "timeout_s": _FUNCTION_TIMEOUT_S if function else _SERVICE_TIMEOUT_S,
        "concurrency": _FUNCTION_INSTANCES if function else _SERVICE_CALLS,
        "cpu": 0.25,
        "tasks": 1,
        "engine": False,
        "functions": "per-concept",
        **given,
    }


def _transport(given: Mapping[str, Any], runtimes: Mapping[str, Record]) -> Record:
    full: Record = {
        "kind": "http",
        "fifo": False,
        "window_s": 0.0,
        "max_receive_count": 5,
        "partial_batch_responses": True,
        **given,
    }
    push = full["kind"] == "pubsub"  # a push subscription delivers one message a call
    full.setdefault("batch_size", 1 if push else 10)
    timeouts_s = [runtime["timeout_s"] for runtime in runtimes.values() if runtime["kind"] in FUNCTIONS]
    wanted_s = _VISIBILITY_FACTOR * max(timeouts_s, default=_FUNCTION_TIMEOUT_S) + full["window_s"]
    full.setdefault("visibility_timeout_s", min(wanted_s, _PUBSUB_ACK_MAX_S) if push else wanted_s)
    return full


def _evaluating_timeout_s(full: Mapping[str, Any]) -> float:
    queue = full["transport"]["kind"] != "http"
    for runtime in full["runtimes"].values():
        if runtime["role"] == ("evaluator" if queue else "engine") or (runtime["engine"] and not queue):
            return float(runtime["timeout_s"])
    return _FUNCTION_TIMEOUT_S


def _delivery(once: bool, log: str, storage: Mapping[str, Any]) -> str:
    """As the design document has it under `once`; else the strongest that log and storages allow."""
    if once or log == "none":
        return "plain"
    kinds = {storage["default"], *storage["overrides"].values()}
    one_backend = {storage["index"] if kind == "blob" else kind for kind in kinds} == {log}
    return "transactional" if one_backend else "recorded"


def _append(given: str | None, once: bool, delivery: str) -> str:
    """Under `recorded` and `transactional` the receiver has appended before anybody evaluates."""
    if delivery != "plain" and given in (None, "first"):
        return "receiver"
    return given or ("after_load" if once else "first")
