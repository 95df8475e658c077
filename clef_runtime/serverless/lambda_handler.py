"""AWS Lambda's entry: an event comes in as a dict, the answer goes out as one.

| event | goes to | answer |
| --- | --- | --- |
| SQS records | `service.batch` | the messages that failed, which come again |
| HTTP | see `http_service` | what the service answers |
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from clef_runtime.errors import BadInput
from clef_runtime.model import Record
from clef_runtime.serverless.cold_start import create_module_initializer
from clef_runtime.serverless.http_event import answer_to, is_http, request_id_of, request_of
from clef_runtime.serverless.http_service import answered, serve
from clef_runtime.serverless.service import FunctionService
from clef_runtime.transport.batches import to_repeat
from clef_runtime.web import HttpResponse

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
        if _is_sqs(event):
            return _sqs(event["Records"], service(), partial_batch_responses)
        if is_http(event):
            return _http(event, service, getattr(context, "aws_request_id", ""))
        raise BadInput(
            f"event with {', '.join(sorted(map(str, event))[:8]) or 'nothing in it'} is neither HTTP (API Gateway v1 "
            "or v2, Function URL) nor SQS; connect the function to one of these"
        )

    return handle


def _http(event: Mapping[str, Any], service: Callable[[], FunctionService], aws_request_id: str) -> Record:
    def answer() -> HttpResponse:
        request = request_of(event)
        return serve(service(), request, request_id_of(event) or aws_request_id)

    return answered(answer, lambda response: answer_to(event, response))


def _is_sqs(event: Mapping[str, Any]) -> bool:
    records = event.get("Records")
    if not isinstance(records, list):
        return False
    sources = [each.get("eventSource") for each in records]
    return sources.count("aws:sqs") == len(sources)


def _sqs(records: Sequence[Mapping[str, Any]], service: FunctionService, partial: bool) -> Record:
    ended = service.batch([record["body"] for record in records])
    if ended.count(None) == len(records):
        return {"batchItemFailures": []}
    # A standard queue's messages may carry a group too (fair queues); it means no order there.
    groups = [record.get("attributes", {}).get("MessageGroupId") if _is_fifo(record) else None for record in records]
    again = to_repeat(ended, groups)
    failed = [record["messageId"] for record, bad in zip(records, again, strict=True) if bad]
    first = next((error for error in ended if error is not None), None)
    if first is not None:
        _log.info("%d of %d messages come again; the first failed with: %s", len(failed), len(records), first)
        if not partial:
            raise first
    return {"batchItemFailures": [{"itemIdentifier": message} for message in failed]}


def _is_fifo(record: Mapping[str, Any]) -> bool:
    return str(record.get("eventSourceARN", "")).endswith(".fifo")
