"""What the adapters over AWS clients share: what an SDK error means, and items in DynamoDB's notation.

The clients are plain boto3 low-level clients, made by whoever wires the runtime, with `client_config()`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    ConnectTimeoutError,
    EndpointConnectionError,
    FlexibleChecksumError,
    HTTPClientError,
    IncompleteReadError,
    ParamValidationError,
)
from botocore.parsers import ResponseParserError

from clef_runtime.context import Clock
from clef_runtime.errors import (
    BadInput,
    ClefError,
    Conflict,
    Indeterminate,
    NotFound,
    Refused,
    Throttled,
    TooLarge,
    Unreachable,
)
from clef_runtime.retry import Caller, Retry

Item: TypeAlias = dict[str, Any]
"""An item as DynamoDB's client takes and gives it: `{"pk": {"S": ".."}}`."""

_THROTTLED = frozenset(
    (
        "ThrottlingException",
        "Throttling",
        "ThrottlingError",
        "ThrottledException",
        "ProvisionedThroughputExceededException",
        "ProvisionedThroughputExceeded",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "TooManyRequestsException",
        "OverLimit",
        "SlowDown",
        # S3: another conditional write of the object is under way.
        "ConditionalRequestConflict",
        # Another transaction is at the item: nothing was done, and it is over in milliseconds.
        "TransactionConflictException",
        "TransactionConflict",
    )
)
_NOT_FOUND = frozenset(
    (
        "ResourceNotFoundException",
        "QueueDoesNotExist",
        "AWS.SimpleQueueService.NonExistentQueue",
        "NoSuchBucket",
    )
)
_UNKNOWN = frozenset(
    (
        "InternalServerError",
        "InternalError",
        "InternalFailure",
        "ServiceUnavailable",
        "RequestTimeout",
        "RequestTimeoutException",
        # The same transaction, sent before, is still under way.
        "TransactionInProgressException",
    )
)
_TOO_LARGE = frozenset(
    (
        "ItemCollectionSizeLimitExceededException",
        "BatchRequestTooLong",
        "EntityTooLarge",
        "AWS.SimpleQueueService.BatchRequestTooLong",
    )
)


_BROKEN_BODY = IncompleteReadError | FlexibleChecksumError
"""An S3 object that did not arrive whole."""


class ConditionFailed(Conflict):
    """A DynamoDB condition that did not hold. `items` has, for each item of the request, the stored one where its
    condition failed and None where it held; a failed condition on an absent item has `{}`."""

    def __init__(self, message: str, items: list[Item | None]) -> None:
        self.items = items
        super().__init__(message)


def client_config() -> dict[str, Any]:
    """What to give to `botocore.config.Config`: no retries by the SDK (the runtime does them, on its Clock),
    time-outs in seconds that fit into a function's own, connections for one instance's threads."""
    return {
        "retries": {"mode": "standard", "total_max_attempts": 1},
        "connect_timeout": 1.0,
        "read_timeout": 5.0,
        "max_pool_connections": 32,
        "tcp_keepalive": True,
    }


def caller(clock: Clock, retry: Retry) -> Caller:
    """Adapters keep its `__call__`: calling a method costs half of calling an object."""
    return Caller(clock, retry, (ClientError, BotoCoreError, ResponseParserError), translate)


def translate(error: Exception, arguments: Mapping[str, Any]) -> ClefError:
    """The runtime's error for an SDK's. A code that nobody knows is a plain refusal, a missing answer or a 5xx
    status is indeterminate."""
    if isinstance(error, ClientError):
        return _translate_answer(error, arguments)
    words = f"{_target(arguments)}: {type(error).__name__}: {error}"
    if isinstance(error, ParamValidationError):
        return BadInput(words)
    if isinstance(error, EndpointConnectionError | ConnectTimeoutError):
        return Unreachable(f"{words}; nothing was sent")
    if isinstance(error, HTTPClientError | ConnectionError | ResponseParserError | _BROKEN_BODY):
        return Indeterminate(f"{words}; it may have been done")
    return Refused(words)


def _translate_answer(error: ClientError, arguments: Mapping[str, Any]) -> ClefError:
    answer = error.response
    code = answer.get("Error", {}).get("Code", "")
    message = answer.get("Error", {}).get("Message", "")
    words = f"{error.operation_name} on {_target(arguments)}: {code}: {message}"
    if code == "ConditionalCheckFailedException":
        return ConditionFailed(words, [answer.get("Item") or {}])
    if code == "PreconditionFailed":
        return Conflict(words)
    if code == "TransactionCanceledException":
        return _canceled(answer.get("CancellationReasons", ()), words)
    status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return of_code(code, words, message, server_error=status >= 500)


def of_code(code: str, words: str, message: str = "", *, server_error: bool = False) -> ClefError:
    """The runtime's error for an AWS error code; `words` is its text."""
    if code in _THROTTLED:
        return Throttled(words)
    if code in _NOT_FOUND:
        return NotFound(f"{words}; create it, or correct its name")
    if code in _TOO_LARGE or ("maximum" in message and "size" in message):
        return TooLarge(words)
    if code in _UNKNOWN or server_error:
        return Indeterminate(f"{words}; it may have been done")
    return Refused(words)


def _canceled(reasons: Any, words: str) -> ClefError:
    codes = [reason.get("Code", "None") for reason in reasons]
    if "ConditionalCheckFailed" in codes:
        failed = [
            (reason.get("Item") or {}) if code == "ConditionalCheckFailed" else None
            for reason, code in zip(reasons, codes, strict=True)
        ]
        return ConditionFailed(words, failed)
    for reason, code in zip(reasons, codes, strict=True):
        if code != "None":
            return of_code(code, words, reason.get("Message") or "")
    return Refused(words)


def _target(arguments: Mapping[str, Any]) -> str:
    if "TableName" in arguments:
        return f"table {arguments['TableName']!r}"
    if "Bucket" in arguments:
        return f"bucket {arguments['Bucket']!r}" + (f", object {arguments['Key']!r}" if "Key" in arguments else "")
    if "QueueUrl" in arguments:
        return f"queue {arguments['QueueUrl']!r}"
    tables = set(arguments.get("RequestItems", ())) | {
        table
        for item in arguments.get("TransactItems", ())
        for table in (each.get("TableName") for each in item.values())
    }
    return f"tables {sorted(map(str, tables))}" if tables else "AWS"


def pages(call: Callable[..., Any], method: Any, arguments: dict[str, Any]) -> Iterator[list[Item]]:
    """The items of every page of a Query or Scan."""
    answer = call(method, arguments)
    yield answer["Items"]
    while "LastEvaluatedKey" in answer:
        answer = call(method, {**arguments, "ExclusiveStartKey": answer["LastEvaluatedKey"]})
        yield answer["Items"]


BATCH_WRITES = 25
"""DynamoDB's limit for one BatchWriteItem."""

_BATCH_TRIES = 10


def delete_batches(call: Caller, client: Any, table: str, keys: Sequence[Item]) -> None:
    """Deletes the items. Idempotent. Raises Throttled where the service leaves items of a batch undone each time."""
    for start in range(0, len(keys), BATCH_WRITES):
        left = [{"DeleteRequest": {"Key": key}} for key in keys[start : start + BATCH_WRITES]]
        for tried in range(_BATCH_TRIES):
            if tried:
                call.pause(tried)
            answer = call(client.batch_write_item, {"RequestItems": {table: left}})
            left = answer.get("UnprocessedItems", {}).get(table, [])
            if not left:
                break
        else:
            raise Throttled(
                f"BatchWriteItem on table {table!r} left {len(left)} items in each of {_BATCH_TRIES} tries"
            )


def table(name: str, *keys: str) -> dict[str, Any]:
    """The arguments of `create_table` for a table with these text keys (partition key, then sort key), billed by
    request."""
    return {
        "TableName": name,
        "KeySchema": [
            {"AttributeName": key, "KeyType": kind} for key, kind in zip(keys, ("HASH", "RANGE"), strict=False)
        ],
        "AttributeDefinitions": [{"AttributeName": key, "AttributeType": "S"} for key in keys],
        "BillingMode": "PAY_PER_REQUEST",
    }
