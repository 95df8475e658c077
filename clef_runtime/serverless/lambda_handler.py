"""AWS Lambda's entry: an event comes in as a dict, the answer goes out as one.

| event | goes to | answer |
| --- | --- | --- |
| SQS records | `service.batch` | the messages that failed, which come again |
| HTTP, `POST /_clef/invoke` with `{"invocations": [..]}` | `service.invoke` | 200 `{"completions": [..]}` |
| HTTP, anything else | `service.request` | what the service answers |
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from clef_runtime.errors import BadInput, ClefError
from clef_runtime.model import Invocation, Record, invocation_from, to_wire
from clef_runtime.serverless.cold_start import create_module_initializer
from clef_runtime.serverless.http_event import answer_to, is_http, request_id_of, request_of
from clef_runtime.serverless.service import FunctionService, error_response
from clef_runtime.web import HttpRequest, HttpResponse

INVOKE_PATH = "/_clef/invoke"

Handler: TypeAlias = Callable[[Mapping[str, Any], Any], Record]

_log = logging.getLogger(__name__)


def make_handler(service: FunctionService, *, partial_batch_responses: bool = True) -> Handler:
    """The handler of a function whose service is ready.

    Args:
        partial_batch_responses: whether the event source has `ReportBatchItemFailures`. Without, one failed
            message raises, and the whole batch comes again.
    """
    return make_lazy_handler(lambda: service, partial_batch_responses=partial_batch_responses)


def make_lazy_handler(build: Callable[[], FunctionService], *, partial_batch_responses: bool = True) -> Handler:
    """As `make_handler`, the service being built at the first event, and again at the next where that fails."""
    service = create_module_initializer(build)

    def handle(event: Mapping[str, Any], context: Any = None) -> Record:
        if is_http(event):
            return _http(event, service, getattr(context, "aws_request_id", ""))
        if _is_sqs(event):
            return _sqs(event["Records"], service(), partial_batch_responses)
        raise BadInput(
            f"event with {', '.join(sorted(map(str, event))[:8]) or 'nothing in it'} is neither HTTP (API Gateway v1 "
            "or v2, Function URL) nor SQS; connect the function to one of these"
        )

    return handle


def _http(event: Mapping[str, Any], service: Callable[[], FunctionService], aws_request_id: str) -> Record:
    try:
        request = request_of(event)
        response = _answer(request, request_id_of(event) or aws_request_id, service())
        return answer_to(event, response)
    except ClefError as error:
        return answer_to(event, error_response(error))
    except Exception as error:  # a bug: the caller gets its words, the log the traceback
        _log.exception("request failed")
        return answer_to(event, error_response(error))


def _answer(request: HttpRequest, request_id: str, service: FunctionService) -> HttpResponse:
    if (request.method, request.path) != ("POST", INVOKE_PATH):
        return service.request(request, request_id)
    completions = service.invoke(_invocations(request.body))
    return HttpResponse(200, {"completions": [to_wire(completion) for completion in completions]})


def _invocations(body: Any) -> list[Invocation]:
    wanted = body.get("invocations") if isinstance(body, dict) else None
    if not isinstance(wanted, list):
        raise BadInput('body must be {"invocations": [..]}')
    return [invocation_from(each) for each in wanted]


def _is_sqs(event: Mapping[str, Any]) -> bool:
    records = event.get("Records")
    return isinstance(records, list) and all(each.get("eventSource") == "aws:sqs" for each in records)


def _sqs(records: Sequence[Mapping[str, Any]], service: FunctionService, partial: bool) -> Record:
    ended = service.batch([record["body"] for record in records])
    failed: list[str] = []
    stopped: set[str] = set()
    for record, error in zip(records, ended, strict=True):
        # In a FIFO group nothing may overtake: what follows a failure comes again after it.
        group = record.get("attributes", {}).get("MessageGroupId") if _is_fifo(record) else None
        if error is None and group not in stopped:
            continue
        failed.append(record["messageId"])
        if group is not None:
            stopped.add(group)
    first = next((error for error in ended if error is not None), None)
    if first is not None:
        _log.info("%d of %d messages come again; the first failed with: %s", len(failed), len(records), first)
        if not partial:
            raise first
    return {"batchItemFailures": [{"itemIdentifier": message} for message in failed]}


def _is_fifo(record: Mapping[str, Any]) -> bool:
    """A standard queue's messages may carry a group too (fair queues); it means no order there."""
    return str(record.get("eventSourceARN", "")).endswith(".fifo")
