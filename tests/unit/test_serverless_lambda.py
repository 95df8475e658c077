"""Events as AWS sends them, and what the handler makes of each."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any

import pytest

from clef_runtime.errors import (
    BadInput,
    ClefError,
    Conflict,
    Held,
    Indeterminate,
    NotFound,
    Refused,
    Throttled,
    TooLarge,
)
from clef_runtime.model import Completion, Invocation, complete, ok, to_wire
from clef_runtime.serverless.http_event import BODY_BYTES, answer_to, request_of
from clef_runtime.serverless.lambda_handler import make_handler, make_lazy_handler
from clef_runtime.web import HttpRequest, HttpResponse


class Service:
    """Answers every request with what reached it; fails the messages it is told to."""

    def __init__(self, error: Exception | None = None, bad: dict[str, ClefError] | None = None) -> None:
        self.error, self.bad = error, bad or {}
        self.seen: list[tuple[HttpRequest, str]] = []

    def request(self, request: HttpRequest, request_id: str) -> HttpResponse:
        if self.error:
            raise self.error
        self.seen.append((request, request_id))
        return HttpResponse(201, {"ok": True}, {"Set-Cookie": "a=b"})

    def invoke(self, invocations: Sequence[Invocation]) -> list[Completion]:
        return [complete(each, ok(n=number), "2026-01-01T00:00:00.000Z") for number, each in enumerate(invocations)]

    def batch(self, bodies: Sequence[str]) -> list[ClefError | None]:
        return [self.bad.get(body) for body in bodies]


def v1(**changes: Any) -> dict[str, Any]:
    """A REST API's proxy event."""
    return {
        "resource": "/{proxy+}",
        "path": "/articles/how-to",
        "httpMethod": "POST",
        "headers": {"Content-Type": "application/json", "Accept": "text/html"},
        "multiValueHeaders": {"Content-Type": ["application/json"], "Accept": ["application/json", "text/html"]},
        "queryStringParameters": {"tag": "b", "limit": ""},
        "multiValueQueryStringParameters": {"tag": ["a", "b"], "limit": [""]},
        "pathParameters": {"proxy": "articles/how-to"},
        "requestContext": {
            "resourceId": "abc123",
            "stage": "prod",
            "requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
            "httpMethod": "POST",
            "path": "/prod/articles/how-to",
            "identity": {"sourceIp": "192.0.2.1"},
        },
        "body": '{"article": {"title": "é"}}',
        "isBase64Encoded": False,
        **changes,
    }


def v2(**changes: Any) -> dict[str, Any]:
    """An HTTP API's event, payload format 2.0."""
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/prod/articles/how-to",
        "rawQueryString": "tag=a&tag=b%20c&limit=",
        "cookies": ["s=1", "t=2"],
        "headers": {"content-type": "application/json", "x-forwarded-for": "192.0.2.1, 192.0.2.2"},
        "queryStringParameters": {"tag": "a,b c", "limit": ""},
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "api-id",
            "domainName": "api-id.execute-api.us-east-1.amazonaws.com",
            "http": {
                "method": "POST",
                "path": "/prod/articles/how-to",
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1",
            },
            "requestId": "JKJaXmPLvHcESHA=",
            "stage": "prod",
            "timeEpoch": 1583348638390,
        },
        "body": '{"article": {"title": "é"}}',
        "isBase64Encoded": False,
        **changes,
    }


def function_url(**changes: Any) -> dict[str, Any]:
    """A Function URL's event: as v2, stage `$default`, bodies often in base64."""
    event = v2(
        rawPath="/articles/how-to",
        body=base64.b64encode('{"article": {"title": "é"}}'.encode()).decode(),
        isBase64Encoded=True,
    )
    event["requestContext"] = {
        **event["requestContext"],
        "domainName": "abc.lambda-url.us-east-1.on.aws",
        "http": {"method": "POST", "path": "/articles/how-to", "protocol": "HTTP/1.1"},
        "requestId": "e1506fd5-9e7b-434f-bd42-4f8fa224b599",
        "stage": "$default",
    }
    return {**event, **changes}


def sqs(*records: tuple[str, str, str], fifo: bool = False) -> dict[str, Any]:
    """An event source mapping's batch; a record is its message id, body, and group."""
    return {
        "Records": [
            {
                "messageId": message,
                "receiptHandle": f"receipt-{message}",
                "body": body,
                "attributes": {
                    "ApproximateReceiveCount": "1",
                    "SentTimestamp": "1545082649183",
                    "MessageGroupId": group,
                },
                "messageAttributes": {},
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:shop-completions" + (".fifo" if fifo else ""),
                "awsRegion": "us-east-1",
            }
            for message, body, group in records
        ]
    }


BODY = {"article": {"title": "é"}}


@pytest.mark.parametrize("event", [v1(), v2(), function_url()], ids=["v1", "v2", "function_url"])
def test_http_event_of_any_kind_is_the_same_request(event: dict[str, Any]) -> None:
    request = request_of(event)
    assert (request.method, request.path, request.body) == ("POST", "/articles/how-to", BODY)
    assert request.headers["content-type"] == "application/json"
    assert request.query["limit"] == ""


def test_v1_joins_headers_and_takes_the_last_query_value() -> None:
    request = request_of(v1())
    assert request.headers["accept"] == "application/json, text/html"
    assert request.query == {"tag": "b", "limit": ""}


def test_v1_without_multi_values_reads_the_single_ones() -> None:
    request = request_of(v1(multiValueHeaders=None, multiValueQueryStringParameters=None))
    assert (request.headers["accept"], request.query["tag"]) == ("text/html", "b")


def test_v1_without_query_and_headers_has_none() -> None:
    nothing = dict.fromkeys(
        ("headers", "multiValueHeaders", "queryStringParameters", "multiValueQueryStringParameters", "body")
    )
    request = request_of(v1(**nothing))
    assert (request.headers, request.query, request.body) == ({}, {}, None)


def test_v2_reads_cookies_and_the_raw_query() -> None:
    request = request_of(v2())
    assert request.headers["cookie"] == "s=1; t=2"
    assert request.query == {"tag": "b c", "limit": ""}


def test_v2_path_that_only_begins_like_its_stage_is_kept() -> None:
    assert request_of(v2(rawPath="/products")).path == "/products"
    assert request_of(v2(rawPath="/prod")).path == "/"


@pytest.mark.parametrize("make", [v1, v2, function_url])
def test_answer_is_json_with_its_status(make: Any) -> None:
    answer = make_handler(Service())(make(), None)
    assert (answer["statusCode"], json.loads(answer["body"])) == (201, {"ok": True})
    assert answer["headers"]["content-type"] == "application/json"
    if make is v1:
        assert answer["headers"]["set-cookie"] == "a=b"
    else:
        assert answer["cookies"] == ["a=b"]


def test_answer_without_a_body_is_empty_and_text_goes_as_it_is() -> None:
    assert answer_to(v2(), HttpResponse(204))["body"] == ""
    assert answer_to(v2(), HttpResponse(200, "<p>", {"Content-Type": "text/html"}))["body"] == "<p>"
    assert answer_to(v2(), HttpResponse(200, "<p>"))["body"] == '"<p>"'


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (v1(headers={"X-Request-Id": "mine"}), "mine"),
        (v1(), "c6af9ac6-7b61-11e6-9a41-93e8deadbeef"),
        (v2(), "JKJaXmPLvHcESHA="),
        (v1(requestContext={}), "of-the-context"),
    ],
)
def test_request_id_is_the_clients_or_the_gateways(event: dict[str, Any], expected: str) -> None:
    class Context:
        aws_request_id = "of-the-context"

    service = Service()
    make_handler(service)(event, Context())
    assert [request_id for _, request_id in service.seen] == [expected]


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({"body": "{nope"}, 400, "body is not JSON"),
        ({"body": base64.b64encode(b'"\xff"').decode(), "isBase64Encoded": True}, 400, "body is not JSON"),
        ({"body": "%%%", "isBase64Encoded": True}, 400, "said to be base64 and is not"),
        ({"body": '"' + "x" * BODY_BYTES + '"'}, 413, "must be <= 6291456"),
    ],
)
def test_body_that_cannot_be_read_is_answered_and_reaches_nobody(
    changes: dict[str, Any], status: int, words: str
) -> None:
    service = Service()
    answer = make_handler(service)(v2(**changes), None)
    assert answer["statusCode"] == status
    assert words in answer["body"]
    assert service.seen == []


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (BadInput("w"), 400),
        (NotFound("w"), 404),
        (Conflict("w"), 409),
        (TooLarge("w"), 413),
        (Throttled("w"), 429),
        (Held("w", retry_after_s=2.1), 503),
        (Indeterminate("w"), 503),
        (Refused("w"), 500),
        (KeyError("w"), 500),
    ],
)
def test_error_becomes_a_status_with_its_words(error: Exception, status: int) -> None:
    answer = make_handler(Service(error))(v1(), None)
    assert answer["statusCode"] == status
    (words,) = json.loads(answer["body"])["errors"]["body"]
    assert words == ("w" if isinstance(error, ClefError) else "KeyError: 'w'")
    assert answer["headers"].get("retry-after") == ("3" if isinstance(error, Held) else None)


def test_answer_over_the_limit_says_so() -> None:
    class Big(Service):
        def request(self, request: HttpRequest, request_id: str) -> HttpResponse:
            return HttpResponse(200, "x" * BODY_BYTES)

    answer = make_handler(Big())(v1(), None)
    assert answer["statusCode"] == 413
    assert "the answer's body of 6291458 bytes must be <= 6291456" in answer["body"]


def _invocation(number: int) -> Invocation:
    return Invocation(id=f"i{number}", concept="urn:clef/User", action="register", input={}, flow="f", timestamp="t")


def test_invoke_runs_invocations_and_answers_with_completions() -> None:
    event = v2(
        rawPath="/prod/_clef/invoke", body=json.dumps({"invocations": [to_wire(_invocation(n)) for n in (1, 2)]})
    )
    answer = make_handler(Service())(event, None)
    completions = json.loads(answer["body"])["completions"]
    assert [(each["parent"], each["output"]) for each in completions] == [("i1", {"n": 0}), ("i2", {"n": 1})]


@pytest.mark.parametrize(
    "body", ["", "[]", "{}", '{"invocations": {}}', '{"invocations": [{"id": 1}]}', '{"invocations": [3]}']
)
def test_invoke_with_another_body_is_bad_input(body: str) -> None:
    answer = make_handler(Service())(v2(rawPath="/prod/_clef/invoke", body=body), None)
    assert answer["statusCode"] == 400


def test_sqs_batch_returns_the_messages_that_failed() -> None:
    handler = make_handler(Service(bad={"two": Throttled("slow")}))
    answer = handler(sqs(("m1", "one", "g"), ("m2", "two", "g"), ("m3", "three", "g")), None)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m2"}]}


def test_sqs_batch_without_a_failure_returns_nothing() -> None:
    assert make_handler(Service())(sqs(("m1", "one", "g")), None) == {"batchItemFailures": []}


def test_fifo_batch_returns_what_follows_a_failure_in_its_group() -> None:
    handler = make_handler(Service(bad={"two": Throttled("slow")}))
    records = [("m1", "one", "g"), ("m2", "two", "g"), ("m3", "three", "h"), ("m4", "four", "g")]
    answer = handler(sqs(*records, fifo=True), None)
    assert [each["itemIdentifier"] for each in answer["batchItemFailures"]] == ["m2", "m4"]


def test_sqs_batch_without_partial_responses_raises_for_all() -> None:
    handler = make_handler(Service(bad={"two": Throttled("slow")}), partial_batch_responses=False)
    with pytest.raises(Throttled, match="slow"):
        handler(sqs(("m1", "one", "g"), ("m2", "two", "g")), None)
    assert handler(sqs(("m1", "one", "g")), None) == {"batchItemFailures": []}


def test_service_that_forgets_a_message_fails_the_batch() -> None:
    class Forgetful(Service):
        def batch(self, bodies: Sequence[str]) -> list[ClefError | None]:
            return []

    with pytest.raises(ValueError, match="shorter"):
        make_handler(Forgetful())(sqs(("m1", "one", "g")), None)


@pytest.mark.parametrize("event", [{}, {"detail-type": "Scheduled Event"}, {"Records": [{"eventSource": "aws:s3"}]}])
def test_event_of_another_source_is_refused_by_name(event: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match=r"neither HTTP .* nor SQS"):
        make_handler(Service())(event, None)


def test_lazy_handler_builds_at_the_first_event_and_once() -> None:
    built: list[int] = []

    def build() -> Service:
        built.append(1)
        return Service()

    handler = make_lazy_handler(build)
    assert built == []
    handler(v1(), None)
    handler(sqs(("m1", "one", "g")), None)
    assert built == [1]


def test_lazy_handler_builds_again_where_building_failed() -> None:
    failures = [Indeterminate("no answer yet")]

    def build() -> Service:
        if failures:
            raise failures.pop()
        return Service()

    handler = make_lazy_handler(build)
    assert handler(v1(), None)["statusCode"] == 503
    assert handler(v1(), None)["statusCode"] == 201


@pytest.mark.parametrize(("deep", "refused"), [(100, False), (101, True), (500, True)])
def test_body_nested_too_deep_is_refused(deep: int, refused: bool) -> None:
    event = v2(body="[" * deep + "]" * deep)
    if refused:
        with pytest.raises(BadInput, match="nested more than 100 deep"):
            request_of(event)
    else:
        assert request_of(event).body is not None


def test_body_nested_beyond_what_json_may_be_is_refused() -> None:
    with pytest.raises(BadInput):
        request_of(v2(body="[" * 100_000 + "]" * 100_000))
