"""Google Cloud Functions' entries: an HTTP request as functions-framework hands it over, or a CloudEvent.

| what comes in | goes to | answer |
| --- | --- | --- |
| HTTP, `POST /_clef/messages`: a push subscription's message | `service.batch` | 204; else it comes again |
| HTTP, anything else | see `http_service` | what the service answers |
| CloudEvent of a published message | `service.batch` | nothing; what it raises, brings it again |

A function has one kind of trigger: one that answers the outside and takes messages as well has an HTTP trigger, and
a push subscription to its `MESSAGES_PATH`. Nothing here imports functions-framework or Flask.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol, TypeAlias
from urllib.parse import parse_qsl, quote, urlsplit

from clef_runtime.errors import BadInput
from clef_runtime.serverless.cold_start import create_module_initializer
from clef_runtime.serverless.http_body import decode_body, encode_answer, joined
from clef_runtime.serverless.http_service import answered, serve
from clef_runtime.serverless.service import FunctionService
from clef_runtime.transport.pubsub import pushed
from clef_runtime.web import HttpRequest, HttpResponse

MESSAGES_PATH = "/_clef/messages"

PUBLISHED = "google.cloud.pubsub.topic.v1.messagePublished"
"""The type of the one CloudEvent that is understood."""

BODY_BYTES = 32 * 1024 * 1024
"""The service's limit for a request and for an answer: cloud.google.com/functions/quotas."""

Answer: TypeAlias = tuple[str, int, dict[str, str]]
"""Body, status, headers: what Flask takes for a response."""

_log = logging.getLogger(__name__)


class Headers(Protocol):
    def items(self) -> Iterable[tuple[str, str]]: ...


class Request(Protocol):
    """What is asked of a request: Flask's has it."""

    @property
    def method(self) -> str: ...

    @property
    def path(self) -> str:
        """Decoded."""

    @property
    def query_string(self) -> bytes: ...

    @property
    def headers(self) -> Headers: ...

    @property
    def environ(self) -> Mapping[str, Any]:
        """WSGI's; its `RAW_URI` or `REQUEST_URI` has the path as it was sent."""

    def get_data(self) -> bytes: ...


HttpHandler: TypeAlias = Callable[[Request], Answer]
EventHandler: TypeAlias = Callable[[Any], None]


def make_http_handler(build: Callable[[], FunctionService]) -> HttpHandler:
    """The handler of an HTTP function. The service is built at the first request, and again at the next where that
    fails."""
    service = create_module_initializer(build)

    def handle(request: Request) -> Answer:
        return answered(lambda: _answer(request, service()), _form)

    return handle


def make_event_handler(build: Callable[[], FunctionService]) -> EventHandler:
    """The handler of a function that messages trigger, as `make_http_handler`."""
    service = create_module_initializer(build)

    def handle(event: Any) -> None:
        if event["type"] != PUBLISHED:
            raise BadInput(f"event of type {event['type']!r} is not understood; trigger the function by {PUBLISHED}")
        _deliver(event.data, service())

    return handle


def request_of(request: Request) -> HttpRequest:
    """The request in the runtime's form; of a query field that stands several times, the last counts.

    Raises:
        BadInput: the body is not JSON.
        TooLarge: the body has more than `BODY_BYTES`.
    """
    sent = request.environ.get("RAW_URI") or request.environ.get("REQUEST_URI")
    path = urlsplit(str(sent)).path if sent else quote(request.path)
    query = dict(parse_qsl(request.query_string.decode("latin-1"), keep_blank_values=True))
    headers = joined(request.headers.items())
    return HttpRequest(request.method, path or "/", query, headers, decode_body(request.get_data(), BODY_BYTES))


def _answer(request: Request, service: FunctionService) -> HttpResponse:
    read = request_of(request)
    if (read.method, read.path) == ("POST", MESSAGES_PATH):
        _deliver(read.body, service)
        return HttpResponse(204)
    # functions-framework gives each execution an id of its own: a client's retry needs the first.
    request_id = read.headers.get("x-request-id") or read.headers.get("function-execution-id")
    if not request_id:
        raise BadInput("the request has no id; send one as the header `x-request-id`")
    return serve(service, read, request_id)


def _deliver(envelope: Any, service: FunctionService) -> None:
    message = pushed(envelope)
    (error,) = service.batch([message.body])
    if error is not None:
        _log.info("message %s comes again: %s", message.id, error)
        raise error


def _form(response: HttpResponse) -> Answer:
    body, headers = encode_answer(response, BODY_BYTES)
    return body, response.status, headers
