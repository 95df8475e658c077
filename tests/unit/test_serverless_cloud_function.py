"""Requests, pushed messages and CloudEvents as Google's platform sends them, and what the handlers make of each."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import functions_framework
import pytest
from cloudevents.http import CloudEvent
from flask import Request
from werkzeug.test import Client, EnvironBuilder

from clef_runtime.errors import BadInput, ClefError, Conflict, Held, Indeterminate, Throttled
from clef_runtime.model import Completion, Invocation, complete, ok, to_wire
from clef_runtime.serverless import cloud_function_handler
from clef_runtime.serverless.cloud_function_handler import (
    MESSAGES_PATH,
    PUBLISHED,
    make_event_handler,
    make_http_handler,
    request_of,
)
from clef_runtime.transport.pubsub import pushed
from clef_runtime.web import HttpRequest, HttpResponse


class Service:
    """Remembers what reached it; fails with what it is told to."""

    def __init__(self, error: ClefError | None = None) -> None:
        self.error = error
        self.requests: list[tuple[HttpRequest, str]] = []
        self.bodies: list[str] = []

    def request(self, request: HttpRequest, request_id: str) -> HttpResponse:
        if self.error:
            raise self.error
        self.requests.append((request, request_id))
        return HttpResponse(201, {"ok": "é"}, {"X-Made": "yes"})

    def invoke(self, invocations: Sequence[Invocation]) -> list[Completion]:
        return [complete(each, ok(n=number), "2026-01-01T00:00:00.000Z") for number, each in enumerate(invocations)]

    def batch(self, bodies: Sequence[str]) -> list[ClefError | None]:
        self.bodies += bodies
        return [self.error for _ in bodies]


def flask_request(path: str = "/articles/how%2Fto?tag=a&tag=b%20c&limit=", **changes: Any) -> Request:
    given = {"method": "POST", "json": {"a": 1}, "headers": {"X-Request-Id": "r1"}, **changes}
    return Request(EnvironBuilder(path=path, **given).get_environ())


def envelope(body: str = '{"x":"é"}', **more: Any) -> dict[str, Any]:
    """What a push subscription posts."""
    data = base64.b64encode(body.encode()).decode()
    return {
        "message": {"data": data, "messageId": "7", "publishTime": "2026-01-01T00:00:00Z", "attributes": {}, **more},
        "subscription": "projects/p/subscriptions/s",
    }


def test_request_is_read_with_its_path_as_sent() -> None:
    read = request_of(flask_request())
    assert (read.method, read.path, read.query) == ("POST", "/articles/how%2Fto", {"tag": "b c", "limit": ""})
    assert (read.body, read.headers["x-request-id"]) == ({"a": 1}, "r1")


@pytest.mark.parametrize("raw", ["/a%20b?x=1", "http://host/a%20b"])
def test_request_path_is_the_gateways_raw_one(raw: str) -> None:
    request = flask_request("/other")
    request.environ["RAW_URI"] = raw
    assert request_of(request).path == "/a%20b"


def test_request_without_a_raw_path_is_encoded_again() -> None:
    request = flask_request("/a%20b%25")
    for name in ("RAW_URI", "REQUEST_URI"):
        request.environ.pop(name, None)
    assert request_of(request).path == "/a%20b%25"


def test_answer_is_json_with_its_status() -> None:
    body, status, headers = make_http_handler(Service)(flask_request())
    assert (json.loads(body), status) == ({"ok": "é"}, 201)
    assert headers == {"x-made": "yes", "content-type": "application/json"}


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"X-Request-Id": "mine", "Function-Execution-Id": "e1"}, "mine"),
        ({"Function-Execution-Id": "e1"}, "e1"),
    ],
)
def test_request_id_is_the_clients_or_the_frameworks(headers: dict[str, str], expected: str) -> None:
    service = Service()
    make_http_handler(lambda: service)(flask_request(headers=headers))
    assert [request_id for _, request_id in service.requests] == [expected]


def test_request_without_an_id_is_refused_and_opens_no_flow() -> None:
    service = Service()
    body, status, _ = make_http_handler(lambda: service)(flask_request(headers={}))
    assert (status, service.requests) == (400, [])
    assert "x-request-id" in body


def test_invoke_runs_invocations_and_answers_with_completions() -> None:
    asked = Invocation(id="i1", concept="urn:clef/User", action="register", input={}, flow="f", timestamp="t")
    request = flask_request("/_clef/invoke", json={"invocations": [to_wire(asked)]})
    body, status, _ = make_http_handler(Service)(request)
    assert (status, json.loads(body)["completions"][0]["parent"]) == (200, "i1")


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({"json": None, "data": b"{nope"}, 400, "body is not JSON"),
        ({"json": None, "data": b"[" * 101 + b"]" * 101}, 400, "nested"),
        ({"json": None, "data": b'"' + b"x" * 100 + b'"'}, 413, "must be <= 100"),
    ],
)
def test_body_that_cannot_be_read_is_answered_and_reaches_nobody(
    changes: dict[str, Any], status: int, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if status == 413:
        monkeypatch.setattr(cloud_function_handler, "BODY_BYTES", 100)
    service = Service()
    answer = make_http_handler(lambda: service)(flask_request(**changes))
    assert answer[1] == status
    assert words in answer[0]
    assert service.requests == []


def test_error_is_answered_with_its_status_and_words() -> None:
    body, status, headers = make_http_handler(lambda: Service(Held("w", retry_after_s=2.1)))(flask_request())
    assert (status, json.loads(body), headers["retry-after"]) == (503, {"errors": {"body": ["w"]}}, "3")


@pytest.mark.parametrize(
    ("error", "status"),
    [(None, 204), (Throttled("w"), 429), (Indeterminate("w"), 503), (Conflict("w"), 409), (BadInput("w"), 400)],
)
def test_pushed_message_is_done_or_comes_again(error: ClefError | None, status: int) -> None:
    service = Service(error)
    request = flask_request(MESSAGES_PATH, json=envelope(), headers={})  # a push has no request id
    body, answered, _ = make_http_handler(lambda: service)(request)
    assert (answered, service.bodies) == (status, ['{"x":"é"}'])
    assert (body == "") is (error is None)


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {},
        {"message": "text"},
        {"message": {}},
        {"message": {"data": 3}},
        {"message": {"data": "%%%"}},
        {"message": {"data": base64.b64encode(b"\xff").decode()}},
    ],
    ids=str,
)
def test_pushed_body_of_another_form_is_refused(body: Any) -> None:
    with pytest.raises(BadInput, match="base64"):
        pushed(body)
    service = Service()
    assert make_http_handler(lambda: service)(flask_request(MESSAGES_PATH, json=body))[1] == 400
    assert service.bodies == []


def test_pushed_message_keeps_its_id_and_ordering_key() -> None:
    read = pushed(envelope("{}", orderingKey="flow-1"))
    assert (read.body, read.id, read.key) == ("{}", "7", "flow-1")


def published(**changes: Any) -> CloudEvent:
    return CloudEvent({"type": PUBLISHED, "source": "//pubsub.googleapis.com/t", **changes}, envelope())


def test_event_of_a_message_is_worked_on() -> None:
    service = Service()
    assert make_event_handler(lambda: service)(published()) is None
    assert service.bodies == ['{"x":"é"}']


def test_event_whose_work_fails_raises_so_that_it_comes_again() -> None:
    with pytest.raises(Throttled, match="slow"):
        make_event_handler(lambda: Service(Throttled("slow")))(published())


def test_event_of_another_type_is_refused_by_name() -> None:
    with pytest.raises(BadInput, match=r"google\.cloud\.storage.* not understood"):
        make_event_handler(Service)(published(type="google.cloud.storage.object.v1.finalized"))


@pytest.mark.parametrize("kind", ["http", "event"])
def test_handler_builds_at_the_first_call_and_again_where_building_failed(kind: str) -> None:
    failures, built = [Indeterminate("no answer yet")], list[int]()

    def build() -> Service:
        if failures:
            raise failures.pop()
        built.append(1)
        return Service()

    if kind == "http":
        http = make_http_handler(build)
        assert [http(flask_request())[1] for _ in range(3)] == [503, 201, 201]
    else:
        event = make_event_handler(build)
        with pytest.raises(Indeterminate):
            event(published())
        event(published())
        event(published())
    assert built == [1]


SOURCE = """
import test_serverless_cloud_function as here
http, event = here.make_http_handler(lambda: here.SERVED), here.make_event_handler(lambda: here.SERVED)
"""

SERVED = Service()


def framework(tmp_path: Path, target: str, kind: str) -> Client:
    """functions-framework's own application, as it is deployed."""
    source = tmp_path / "main.py"
    source.write_text(SOURCE, "utf-8")
    app = functions_framework.create_app(target, str(source), kind)
    SERVED.__init__()
    return Client(app)


def test_framework_serves_requests_with_an_execution_id_for_each(tmp_path: Path) -> None:
    client = framework(tmp_path, "http", "http")
    for _ in range(2):
        answer = client.post("/articles/a%2Fb", json={})
        assert (answer.status_code, answer.json) == (201, {"ok": "é"})
    assert [request.path for request, _ in SERVED.requests] == ["/articles/a%2Fb"] * 2
    assert len({request_id for _, request_id in SERVED.requests}) == 2
    assert client.post(MESSAGES_PATH, json=envelope()).status_code == 204
    SERVED.error = Throttled("slow")
    assert client.post(MESSAGES_PATH, json=envelope()).status_code == 429


@pytest.mark.parametrize("form", ["raw push", "CloudEvent"])
def test_framework_hands_messages_to_the_event_function(tmp_path: Path, form: str) -> None:
    client = framework(tmp_path, "event", "cloudevent")
    headers = (
        {} if form == "raw push" else {"ce-id": "7", "ce-source": "s", "ce-type": PUBLISHED, "ce-specversion": "1.0"}
    )
    assert client.post("/", json=envelope(), headers=headers).status_code == 200
    assert SERVED.bodies == ['{"x":"é"}']
    SERVED.error = Throttled("slow")
    assert client.post("/", json=envelope(), headers=headers).status_code == 500
