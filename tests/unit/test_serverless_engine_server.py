"""Option A's engine behind a real ASGI application."""

from __future__ import annotations

import threading
import warnings
from typing import Any

import pytest

from clef_runtime.action_log.memory import MemoryActionLog
from clef_runtime.concept import Catalogue
from clef_runtime.context import SystemClock, SystemIds
from clef_runtime.engine.firing import Firer
from clef_runtime.engine.index import SyncIndex
from clef_runtime.engine.persistent import PersistentEngine
from clef_runtime.engine.where import StorageFacts
from clef_runtime.language import parse_text
from clef_runtime.model import Completion, complete, completion_id, invocation_id, ok, to_wire
from clef_runtime.serverless.engine_server import application
from clef_runtime.storage.memory import MemoryStorage
from clef_runtime.transport.memory import MemoryDispatcher

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the client names the httpx that it would rather have
    from starlette.testclient import TestClient

SYNCS = parse_text("sync Greet when { User/register: [] => ok(user: ?u) } then { Mail/send: [ to: ?u ] }")

REGISTERED = Completion(
    id="c1",
    concept="urn:clef/User",
    action="register",
    input={},
    variant="ok",
    output={"user": "ann"},
    flow="f",
    timestamp="2026-01-01T00:00:00.000Z",
)


def client(log: MemoryActionLog | None = None, **options: Any) -> TestClient:
    clock, ids, storage = SystemClock(), SystemIds(), MemoryStorage()
    firer = Firer(
        dispatcher=MemoryDispatcher(lambda each: [complete(each, ok(), each.timestamp)]),
        facts=StorageFacts(Catalogue([]), lambda _: storage, clock, ids),
        clock=clock,
        ids=ids,
        guard=None,
        protocol="lease",
        log=log,
    )
    return TestClient(application(PersistentEngine(SyncIndex(SYNCS), firer, clock, log=log), **options))


def test_engine_server_answers_a_completion_with_the_flow_it_leads_to() -> None:
    with client() as http:
        answer = http.post("/completions", json={"completions": [to_wire(REGISTERED)]})
    assert answer.status_code == 200
    assert [each["action"] for each in answer.json()["completions"]] == ["register", "send"]


def test_engine_server_replays_its_log_before_it_is_healthy() -> None:
    log = MemoryActionLog(SystemClock())
    log.append(REGISTERED)
    with client(log) as http:
        assert http.get("/health").json() == {"status": "ready"}
    edge = log.for_match("Greet", ["c1"], "f")
    assert edge is not None
    assert completion_id(edge.invocation_ids[0]) == completion_id(invocation_id(edge.firing, 0, 0))


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ("{", 400, "not JSON"),
        ("[]", 400, "body must be"),
        ('{"completions": []}', 400, "must not be empty"),
        ('{"completions": [3]}', 400, "completion"),
    ],
)
def test_engine_server_refuses_what_is_no_completion(body: str, status: int, words: str) -> None:
    with client() as http:
        answer = http.post("/completions", content=body)
    assert answer.status_code == status
    assert words in answer.text


def test_engine_server_of_an_unknown_path_answers_404() -> None:
    with client() as http:
        assert http.get("/nowhere").status_code == 404


def test_engine_server_removes_what_has_had_its_time_again_and_again() -> None:
    twice, turns = threading.Event(), []

    def expire() -> None:
        turns.append(1)
        if len(turns) > 1:
            twice.set()

    with client(expire=expire, expire_s=0.001):
        assert twice.wait(10)
