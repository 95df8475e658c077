"""What a function's service makes of an HTTP request, whatever platform it came through.

| request | goes to | answer |
| --- | --- | --- |
| `POST /_clef/invoke` with `{"invocations": [..]}` | `service.invoke` | 200 `{"completions": [..]}` |
| anything else | `service.request` | what the service answers |
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, TypeVar

from clef_runtime.errors import BadInput, ClefError
from clef_runtime.model import Invocation, invocation_from, to_wire
from clef_runtime.serverless.service import FunctionService, error_response
from clef_runtime.web import HttpRequest, HttpResponse

INVOKE_PATH = "/_clef/invoke"

_log = logging.getLogger(__name__)

T = TypeVar("T")


def answered(answer: Callable[[], HttpResponse], form: Callable[[HttpResponse], T]) -> T:
    """The answer in its platform's form. What either of them raises is answered as well."""
    try:
        return form(answer())
    except ClefError as error:
        return form(error_response(error))
    except Exception as error:  # a bug: the caller gets its words, the log the traceback
        _log.exception("request failed")
        return form(error_response(error))


def serve(service: FunctionService, request: HttpRequest, request_id: str) -> HttpResponse:
    """Raises what the service raises; BadInput for invocations that are none."""
    if (request.method, request.path) != ("POST", INVOKE_PATH):
        return service.request(request, request_id)
    completions = service.invoke(_invocations(request.body))
    return HttpResponse(200, {"completions": [to_wire(completion) for completion in completions]})


def _invocations(body: Any) -> list[Invocation]:
    wanted = body.get("invocations") if isinstance(body, dict) else None
    if not isinstance(wanted, list):
        raise BadInput('body must be {"invocations": [..]}')
    return [invocation_from(each) for each in wanted]
