"""Every check, by the words of its error; all of a file at once; one mistake reported once."""
# ruff: noqa: E501 - a case and the words of its error stand in one line

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from clef_runtime.deploy.checks import CHECKS
from clef_runtime.deploy.manifest import load_manifest
from clef_runtime.errors import ManifestError

A, B, C, GCP = "aws-persistent-engine", "aws-per-request", "aws-event-driven", "gcp-event-driven"

ERRORS: list[tuple[str, dict[str, Any], list[str]]] = [
    # the shape
    (C, {"storage.default": "dynamo"}, ["storage.default: default(='dynamo') must be one of dynamodb, firestore, redis, upstash, blob, sql, memory; did you mean `dynamodb`?"]),
    (C, {"storage.default": "postgres"}, ["storage.default: default(='postgres') must be one of dynamodb, firestore, redis, upstash, blob, sql, memory; did you mean `sql`?"]),
    (C, {"storage.overrides.Token": "rediss"}, ["storage.overrides.Token: Token(='rediss') must be one of", "did you mean `redis`?"]),
    (C, {"guard": {"leases": 3}}, ["guard.leases: no such key `leases`; did you mean `lease_s`? allowed: kind, protocol, lease_s, ttl_s"]),
    (C, {"transport.visibility_timeout_s": 0}, ["transport.visibility_timeout_s: visibility_timeout_s(=0) must be > 0 and <= 43200"]),
    (C, {"transport.batch_size": 2.5}, ["transport.batch_size: batch_size(=2.5) must be a whole number >= 1 and <= 10000"]),
    (C, {"transport.fifo": "yes"}, ["transport.fifo: fifo(='yes') must be true or false"]),
    (C, {"guard.ttl_s": float("inf")}, ["guard.ttl_s: ttl_s(=inf) must be > 0 and <= 1000000000, or null"]),
    (C, {"guard.lease_s": float("nan")}, ["guard.lease_s: lease_s(=nan) must be > 0"]),
    (C, {"name": "My Shop"}, ["name: name(='My Shop') must be 1 to 32 lower-case letters, digits or `-`, a letter first"]),
    (C, {"app": 3}, ["app: app(=3) must be text"]),
    (C, {"guard": "dynamodb"}, ["guard: guard(='dynamodb') must be a mapping with kind, protocol, lease_s, ttl_s"]),
    (C, {"runtimes": []}, ["runtimes: runtimes(=[]) must map names to runtimes"]),
    (C, {"storage.overrides": ["Token"]}, ["storage.overrides: overrides(=['Token']) must map names of concepts to a storage"]),
    (C, {"cloud": None}, ["cloud: is missing; must be one of aws, gcp"]),
    (C, {"storage": {}}, ["storage.default: is missing; must be one of dynamodb"]),
    (C, {"runtimes.evaluator": {"kind": "lambda"}}, ["runtimes.evaluator.role: is missing; must be one of concepts, engine, evaluator"]),
    (C, {"storage.index": "redis", "storage.default": "blob"}, ["storage.index: index(='redis') must be one of dynamodb, firestore, sql"]),
    (C, {"storage.index": "sql"}, ["storage.index: `index` has no meaning without kind: blob, whose rows it holds"]),
    (C, {"delivery": "transactional", "storage.overrides.Media": "blob", "storage.index": "sql"}, ["delivery: delivery(='transactional') commits in one backend, but action_log.kind is dynamodb and there is Media: blob; take recorded, or one backend"]),
    # runtimes
    (C, {"runtimes.evaluator.kind": "cloud-function"}, ["runtimes.evaluator.kind: kind(='cloud-function') does not exist on cloud aws; allowed: lambda, ecs-fargate"]),
    (C, {"runtimes.evaluator.memory_mb": 20000}, ["runtimes.evaluator.memory_mb: memory_mb(=20000) must be <= 10240 on lambda"]),
    (A, {"runtimes.concepts.timeout_s": 901}, ["runtimes.concepts.timeout_s: timeout_s(=901) must be <= 900 on lambda"]),
    (C, {"runtimes.evaluator.tasks": 2}, ["runtimes.evaluator.tasks: `tasks` is a service's; a lambda has memory_mb alone"]),
    (C, {"runtimes.evaluator.functions": "one"}, ["runtimes.evaluator.functions: `functions` is for role: concepts; this one is evaluator"]),
    (A, {"runtimes.engine.kind": "lambda", "runtimes.engine.cpu": None, "runtimes.engine.tasks": None}, ["runtimes.engine.role: role(='engine') does not go with kind lambda; allowed: concepts, evaluator; for an engine in functions set engine: true on the concepts"]),
    (C, {"runtimes.evaluator.role": "concepts"}, ["runtimes.evaluator.role: role concepts is taken by runtime 'concepts'; each has one"]),
    (B, {"runtimes.concepts.role": "evaluator", "runtimes.concepts.engine": None}, ["runtimes: no runtime has role: concepts; add a function with it"]),
    # the engine's place
    (B, {"runtimes.concepts.engine": False}, ["runtimes: nothing runs the engine: add a service with role: engine (option A), engine: true on the concepts (option B), or a queue transport with role: evaluator (option C)"]),
    (A, {"runtimes.concepts.engine": True}, ["runtimes.concepts.engine: engine(=True) runs the engine in the functions, runtime 'engine' runs it too; take one of them out"]),
    (C, {"runtimes.evaluator": None}, ["transport.kind: kind(='sqs') needs a runtime with role: evaluator that its completions feed; there are roles concepts"]),
    (C, {"runtimes.concepts.engine": True}, ["runtimes.concepts.engine: engine(=True) (option B) calls over http; with transport sqs the evaluator is the engine"]),
    (C, {"transport": {"kind": "http"}}, ["runtimes.evaluator.role: role evaluator needs a queue to feed it; set transport.kind to sqs or pubsub"]),
    # the queue
    (C, {"transport": {"kind": "pubsub"}}, ["transport.kind: kind(='pubsub') feeds no functions on cloud aws; allowed: http, sqs"]),
    (A, {"transport.fifo": True}, ["transport.fifo: `fifo` has no meaning with kind: http, which has no queue"]),
    (GCP, {"transport.batch_size": 5}, ["transport.batch_size: `batch_size` has no meaning with kind: pubsub, which pushes one message a call"]),
    (C, {"transport.fifo": True, "transport.window_s": 1}, ["transport.window_s: window_s(=1) must be 0 with fifo: no batch window there"]),
    (C, {"transport.fifo": True, "transport.batch_size": 11}, ["transport.batch_size: batch_size(=11) must be <= 10 with fifo"]),
    (C, {"transport.batch_size": 100}, ["transport.window_s: window_s(=0) must be >= 1 for batch_size(=100) > 10"]),
    (GCP, {"transport.visibility_timeout_s": 700}, ["transport.visibility_timeout_s: visibility_timeout_s(=700) must be >= 10 and <= 600: Pub/Sub's ack deadline"]),
    (GCP, {"transport.max_receive_count": 2}, ["transport.max_receive_count: max_receive_count(=2) must be >= 5 and <= 100 on Pub/Sub"]),
    # log, guard, delivery
    (C, {"action_log": None, "guard": None}, ["action_log.kind: kind(='none'): option C (a queue transport) needs a durable action log; must be one of dynamodb, firestore, sql", "guard.kind: kind(='none'): option C (a queue transport) needs a guard that instances share"]),
    (B, {"action_log.kind": "memory"}, ["action_log.kind: kind(='memory'): option B (engine: true) needs a durable action log"]),
    (A, {"action_log.kind": "none", "runtimes.engine.tasks": 2}, ["action_log.kind: kind(='none'): option A with several tasks needs a durable action log"]),
    (C, {"guard.kind": "memory"}, ["guard.kind: kind(='memory'): option C (a queue transport) needs a guard that instances share; must be one of dynamodb, firestore, sql, redis"]),
    (C, {"guard.lease_s": 720}, ["guard.lease_s: lease_s(=720) must be < visibility_timeout_s * (max_receive_count - 1) (=720): else the completion is in the dead-letter queue before the claim of a holder that died ends"]),
    (A, {"action_log": None, "delivery": "recorded"}, ["delivery: delivery(='recorded') needs an action log; set action_log.kind, or take delivery: plain"]),
    (C, {"action_log.append": "after_load"}, ["action_log.append: append(='after_load') does not go with delivery transactional, whose receiver appends before anybody loads; leave it out, or take delivery: plain"]),
    (C, {"delivery": "transactional", "storage.overrides.Token": "upstash"}, ["delivery: delivery(='transactional') commits in one backend, but action_log.kind is dynamodb and there is Token: upstash; take recorded, or one backend"]),
    (C, {"delivery": "transactional", "storage.default": "sql"}, ["action_log.kind is dynamodb and there is storage.default: sql"]),
]  # fmt: skip

WARNINGS: list[tuple[str, dict[str, Any], str]] = [
    (C, {"transport.visibility_timeout_s": 20}, "transport.visibility_timeout_s: visibility_timeout_s(=20) is less than runtimes.concepts.timeout_s(=30)"),
    (C, {"transport.partial_batch_responses": False}, "transport.partial_batch_responses: one message that fails returns all 10 of its batch"),
    (C, {"transport.max_receive_count": 1, "guard.protocol": "once"}, "transport.max_receive_count: max_receive_count(=1) moves a message that was received and never seen"),
    (C, {"guard.lease_s": 5}, "guard.lease_s: lease_s(=5) is less than runtimes.evaluator.timeout_s(=30)"),
    (C, {"guard.ttl_s": 3600}, "guard.ttl_s: ttl_s(=3600) is not more than the 345600 s that a queue keeps messages"),
    (C, {"action_log.ttl_s": 3600}, "action_log.ttl_s: ttl_s(=3600) is not more than the 345600 s"),
    (C, {"guard.kind": "sql", "guard.ttl_s": 1e6}, "guard.ttl_s: ttl_s(=1e+06): SQL removes nothing by itself"),
    (C, {"delivery": "plain"}, "delivery: delivery(='plain') with guard.protocol lease: a firing that is sent twice runs its actions twice"),
    (C, {"storage.default": "redis"}, "storage.default: redis holds a TCP connection for every function instance; upstash (HTTP) holds none"),
    (C, {"storage.overrides.Token": "memory"}, "storage.overrides.Token: memory is each instance's own and is lost with it"),
    (C, {"storage.default": "firestore"}, "storage.default: firestore is on cloud gcp, the runtimes on aws: every call crosses over"),
    (A, {"action_log": None, "guard": None}, "action_log.kind: kind(='none'): flows live in the engine's memory and are lost when it restarts"),
]  # fmt: skip


@pytest.mark.parametrize(("template", "changes", "words"), ERRORS, ids=lambda value: None)
def test_manifest_that_cannot_be_deployed_says_why(template: str, changes: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(ManifestError) as raised:
        load_manifest(template, changes)
    for each in words:
        assert each in str(raised.value)


@pytest.mark.parametrize(("template", "changes", "words"), ERRORS, ids=lambda value: None)
def test_mistake_is_reported_once(template: str, changes: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(ManifestError) as raised:
        load_manifest(template, changes)
    lines = str(raised.value).splitlines()
    own = [line for line in lines if any(each in line for each in words)]
    related = [line for line in lines if line not in own]
    # Changing a role or a transport breaks two rules at most: the role that is gone, and what hung on it.
    assert len(related) <= 1, related


@pytest.mark.parametrize(("template", "changes", "words"), WARNINGS, ids=lambda value: None)
def test_manifest_of_doubtful_use_loads_with_a_warning(template: str, changes: dict[str, Any], words: str) -> None:
    assert any(words in str(warning) for warning in load_manifest(template, changes).warnings)


def test_errors_are_all_reported_in_the_order_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "shop.deploy.yaml"
    path.write_text(
        "cloud: aws\n"
        "runtimes:\n"
        "  concepts: { role: concepts, kind: lamda }\n"
        "  evaluator:\n"
        "    role: evaluator\n"
        "    kind: lambda\n"
        "    memory: 512\n"
        "storage:\n"
        "  default: postgres\n"
        "transport:\n"
        "  kind: sqs\n"
        "  fifo: true\n"
        "  window_s: 5\n"
    )
    with pytest.raises(ManifestError) as raised:
        load_manifest(path)
    shown = [line.removeprefix(str(path)).split(": ")[:2] for line in str(raised.value).splitlines()]
    assert shown == [
        [":3:31", "runtimes.concepts.kind"],
        [":7:5", "runtimes.evaluator.memory"],
        [":9:3", "storage.default"],
        [":13:3", "transport.window_s"],
    ]
    assert (raised.value.file, raised.value.path) == (str(path), "runtimes.concepts.kind")


def test_check_runs_where_another_section_is_broken() -> None:
    with pytest.raises(ManifestError) as raised:
        load_manifest(C, {"storage.default": "x", "transport.batch_size": 100})
    assert "storage.default" in str(raised.value)
    assert "window_s(=0) must be >= 1" in str(raised.value)


def test_check_is_left_out_where_what_it_reads_is_broken() -> None:
    with pytest.raises(ManifestError) as raised:
        load_manifest(C, {"transport.kind": "sqss", "action_log": None, "guard": None})
    assert [line.split(": ")[1] for line in str(raised.value).splitlines()] == ["transport.kind"]


def test_every_check_is_seen_to_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """A check whose findings nobody tests could be dropped unnoticed."""
    from clef_runtime.deploy import checks

    for place in range(len(CHECKS)):
        without = CHECKS[:place] + CHECKS[place + 1 :]
        monkeypatch.setattr(checks, "CHECKS", without)
        assert not _all_found(), f"{CHECKS[place][1].__name__} is not tested"


def _all_found() -> bool:
    for template, changes, words in ERRORS:
        try:
            load_manifest(template, changes)
        except ManifestError as error:
            if all(each in str(error) for each in words):
                continue
        return False
    return all(
        any(words in str(warning) for warning in load_manifest(template, changes).warnings)
        for template, changes, words in WARNINGS
    )
