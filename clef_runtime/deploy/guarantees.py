"""What guard, delivery and log promise, for what, and at what cost in writes and time; and what idling costs."""

from __future__ import annotations

import msgspec

from clef_runtime.deploy.manifest import Manifest


class Guarantee(msgspec.Struct, frozen=True):
    """`what` is promised `holds`; `because` says how, and when not; `cost` what it takes."""

    what: str
    holds: str
    because: str
    cost: str


class _Millis(msgspec.Struct, frozen=True):
    """Medians of one service's calls, in the same region, in milliseconds."""

    read: float
    write: float
    transaction: float


_MS = {
    # PutItem and TransactWriteItems of 5: A. DeBrie, dynamodb-performance-testing, 2020. GetItem: derived there.
    "dynamodb": _Millis(5.0, 7.5, 25.0),
    # Get and set: Tomatwo.DataStore, 2019. A transaction is one get and one set.
    "firestore": _Millis(24.0, 57.0, 80.0),
    # Point read and commit on Aurora: common knowledge, not measured.
    "sql": _Millis(1.6, 5.0, 5.0),
    "redis": _Millis(1.0, 1.0, 1.0),
    # Over REST: common knowledge, not measured.
    "upstash": _Millis(3.0, 3.0, 3.0),
    "memory": _Millis(0.0, 0.0, 0.0),
}


def guarantees(manifest: Manifest) -> tuple[Guarantee, ...]:
    return (_joins(manifest), _firing(manifest), _action(manifest))


def _calls(service: str, *, reads: int = 0, writes: int = 0, transactions: int = 0) -> str:
    """`2 writes, about 15 ms`: calls one after another, by their medians."""
    counts = ((reads, "read"), (writes, "write"), (transactions, "transaction"))
    words = ", ".join(f"{count} {word}{'s' if count > 1 else ''}" for count, word in counts if count)
    if not words or service == "none":
        return "nothing"
    each = _MS[service]
    total_ms = reads * each.read + writes * each.write + transactions * each.transaction
    return f"{words} ({service}, about {total_ms:.0f} ms)"


def _joins(manifest: Manifest) -> Guarantee:
    log, what = manifest.action_log, "a match of completions that arrive on two instances at once"
    if manifest.topology == "A" and manifest.evaluating.tasks == 1:
        return Guarantee(what, "is seen", "one engine holds the flow in memory", "nothing")
    load = _calls(log.kind, reads=1, writes=int(log.append != "receiver"))
    if log.append == "after_load":
        why = "each loads the flow before it appends its own completion: both may miss the other's"
        return Guarantee(what, "may be lost", why, load)
    if not log.consistent_reads:
        why = "the flow is read eventually consistent: each may miss the other's completion"
        return Guarantee(what, "may be lost", why, load)
    why = "a completion is on record before its flow is read, and the read is consistent"
    return Guarantee(what, "is seen by at least one", why, load)


def _firing(manifest: Manifest) -> Guarantee:
    guard, edge = manifest.guard, _calls(manifest.action_log.kind, writes=1)
    what = "the sending of a firing's invocations"
    if guard.kind == "none":
        why = "only this engine's memory knows: a crash loses or repeats what it was sending"
        return Guarantee(what, "once while the engine lives", why, f"its edge: {edge}")
    if guard.protocol == "once":
        why = "whoever acquires the guard sends; if it dies in between, nobody does: the firing is lost"
        cost = f"acquire: {_calls(guard.kind, writes=1)}; its edge: {edge}"
        return Guarantee(what, "at most once", why, cost)
    why = f"a claim not marked as sent within {guard.lease_s:g} s is taken over, with the invocations stored in it"
    cost = f"claim and mark: {_calls(guard.kind, writes=2)}; its edge: {edge}"
    return Guarantee(what, "at least once", why, cost)


def _action(manifest: Manifest) -> Guarantee:
    log, what = manifest.action_log.kind, "the action of an invocation"
    if manifest.delivery == "plain":
        sent = "at most once" if manifest.guard.protocol == "once" and not manifest.transport.is_queue else ""
        why = "nobody recognises an invocation that comes again: it runs again, and counts as one more completion"
        return Guarantee(what, sent or "once for each time it is delivered", why, "nothing")
    if manifest.delivery == "recorded":
        why = (
            "its completion is recorded exactly once and answers the invocation when it comes again; an instance "
            "that dies between the action's writes and the record lets the writes happen again"
        )
        return Guarantee(what, "at least once, completed exactly once", why, _calls(log, reads=1, writes=1))
    why = (
        "its writes and its completion commit together or not at all; what it does outside of this storage "
        "may happen again"
    )
    return Guarantee(what, "exactly once, for its writes and its completion", why, _calls(log, transactions=1))


HOURS_MONTH = 730

# us-east-1, x86, per vCPU-hour and GB-hour: vantage.sh/blog/fargate-pricing.
_FARGATE_USD = (0.04048, 0.004445)
# us-central1, always on, per vCPU-second and GiB-second: cloud.google.com/run/pricing.
_CLOUD_RUN_USD = (0.000018 * 3600, 0.000002 * 3600)


def idle_cost(manifest: Manifest) -> tuple[float | None, str]:
    """What a month (730 h) without any request costs in US dollars, and what that leaves out."""
    if manifest.topology != "A":
        return 0.0, "nothing runs while nothing happens; stored data and empty polls of queues come on top"
    engine = manifest.evaluating
    cpu_usd, memory_usd = _FARGATE_USD if engine.kind == "ecs-fargate" else _CLOUD_RUN_USD
    usd = engine.tasks * HOURS_MONTH * (engine.cpu * cpu_usd + engine.memory_mb / 1024 * memory_usd)
    more = "a load balancer (16.4) and a public address (3.65) come on top" if manifest.cloud == "aws" else ""
    return round(usd, 2), f"the engine's {engine.kind}, list price; {more or 'kept always on'}"
