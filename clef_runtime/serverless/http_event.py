"""HTTP as AWS Lambda sees it: events of API Gateway v1 (REST) and v2 (HTTP) and of Function URLs (as v2).

Of a query field or header that stands several times, HTTP's own rules hold: header values are joined by a
comma (cookies by a semicolon), of query fields the last counts.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from clef_runtime.errors import BadInput
from clef_runtime.model import Record
from clef_runtime.serverless.http_body import decode_body, encode_answer, joined
from clef_runtime.web import HttpRequest, HttpResponse

BODY_BYTES = 6 * 1024 * 1024
"""Lambda's limit for the event and for the answer of a synchronous call: docs.aws.amazon.com, Lambda quotas."""


def is_http(event: Mapping[str, Any]) -> bool:
    return "httpMethod" in event or _is_v2(event)


def _is_v2(event: Mapping[str, Any]) -> bool:
    context = event.get("requestContext")
    return isinstance(context, Mapping) and "http" in context


def request_of(event: Mapping[str, Any]) -> HttpRequest:
    """The request that an HTTP event is about.

    Raises:
        BadInput: the body is not JSON, or said to be base64 and is not.
        TooLarge: the body has more than `BODY_BYTES`.
    """
    read = _v2 if _is_v2(event) else _v1
    method, path, query, headers = read(event)
    return HttpRequest(method, path or "/", query, headers, _body(event))


def request_id_of(event: Mapping[str, Any]) -> str:
    """What tells this request from others: the header `x-request-id`, by which a client's retry is recognised,
    else the gateway's own id, new for each try; empty where there is neither."""
    headers = event.get("headers") or {}
    given = next((value for name, value in headers.items() if name.lower() == "x-request-id"), None)
    context = event.get("requestContext") or {}
    return str(given or context.get("requestId") or "")


def _v1(event: Mapping[str, Any]) -> tuple[str, str, dict[str, str], dict[str, str]]:
    query = {name: values[-1] for name, values in (event.get("multiValueQueryStringParameters") or {}).items()}
    headers = event.get("multiValueHeaders") or {
        name: [value] for name, value in (event.get("headers") or {}).items()
    }
    return (
        event["httpMethod"],
        event.get("path", "/"),
        query or dict(event.get("queryStringParameters") or {}),
        joined((name, value) for name, values in headers.items() for value in values),
    )


def _v2(event: Mapping[str, Any]) -> tuple[str, str, dict[str, str], dict[str, str]]:
    context = event["requestContext"]
    path = event.get("rawPath") or context["http"].get("path", "/")
    stage = context.get("stage", "$default")
    if stage != "$default" and (path + "/").startswith(f"/{stage}/"):
        path = path[len(stage) + 1 :]  # a named stage stands before the path, in this format alone
    headers = [*(event.get("headers") or {}).items(), *(("cookie", each) for each in event.get("cookies") or ())]
    query = dict(parse_qsl(event.get("rawQueryString", ""), keep_blank_values=True))
    return context["http"]["method"], path, query, joined(headers)


def _body(event: Mapping[str, Any]) -> Any:
    text = event.get("body")
    if not text:
        return None
    raw = _unpacked(text) if event.get("isBase64Encoded") else text.encode()
    return decode_body(raw, BODY_BYTES)


def _unpacked(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadInput(f"body is said to be base64 and is not: {error}") from error


def answer_to(event: Mapping[str, Any], response: HttpResponse) -> Record:
    """The form in which Lambda hands `response` to the event's gateway. Text under a content type of its own goes
    as it is; everything else as JSON.

    Raises:
        TooLarge: the body has more than `BODY_BYTES`; the gateway would answer 502 without a word.
    """
    body, headers = encode_answer(response, BODY_BYTES)
    cookies = [headers.pop("set-cookie")] if "set-cookie" in headers and _is_v2(event) else []
    answer = {"statusCode": response.status, "headers": headers, "body": body, "isBase64Encoded": False}
    return {**answer, "cookies": cookies} if cookies else answer
