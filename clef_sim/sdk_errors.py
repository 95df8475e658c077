"""The SDK errors that faults raise, and how an SDK error is recorded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError, ReadTimeoutError

from clef_sim.history import EventOutcome
from clef_sim.services.sdk import Refusal, client_error

THROTTLES = {
    "dynamodb": ("ProvisionedThroughputExceededException", 400),
    "sqs": ("RequestThrottled", 400),
    "lambda": ("TooManyRequestsException", 429),
    "s3": ("SlowDown", 503),
}
"""The error code and HTTP status by which a service throttles."""


GOOGLE = ("firestore", "pubsub", "gcs")
"""Services whose errors are those of `google.api_core`, which is imported only where they are there."""

REDIS = ("redis", "upstash")
"""Services whose errors are those of their own SDKs, imported as Google's."""

_TIME_OUTS = ("DeadlineExceeded", "LostAnswer", "ReadTimeout", "TimeoutError")
"""The classes of what `timed_out` returns, where their SDK may not be here."""


def throttle(service: str, operation: str) -> Exception:
    """What the service answers where it is over its rate."""
    if service in GOOGLE:
        return _google("ResourceExhausted", "Quota exceeded.")
    if service == "sql":
        from clef_sim.services.sql import errors as sql_errors

        return sql_errors.throttled(operation)
    if service in REDIS:
        from clef_sim.services.redis import errors as redis_errors

        return redis_errors.throttled(service)
    code, status = THROTTLES.get(service, ("ThrottlingException", 400))
    return client_error(Refusal(code, "Rate exceeded", status=status), operation)


def timed_out(service: str) -> Exception:
    """What the client raises where no answer came in time."""
    if service in GOOGLE:
        return _google("DeadlineExceeded", "Deadline Exceeded")
    if service == "sql":
        from clef_sim.services.sql import errors as sql_errors

        return sql_errors.lost_answer()
    if service in REDIS:
        from clef_sim.services.redis import errors as redis_errors

        return redis_errors.lost_answer(service)
    error: Exception = ReadTimeoutError(endpoint_url=f"https://{service}.invalid/", error="the answer was lost")
    return error


def is_time_out(failure: Exception | None) -> bool:
    """Whether it is what `timed_out` returns: whoever gets it has waited for nothing."""
    return isinstance(failure, ReadTimeoutError) or type(failure).__name__ in _TIME_OUTS


def _google(name: str, words: str) -> Exception:
    from google.api_core import exceptions

    kind: type[Exception] = getattr(exceptions, name)
    return kind(words)


def conflict(service: str, kwargs: dict[str, Any], operation: str) -> Exception:
    """What the service answers where another transaction holds something of the write."""
    if service in GOOGLE:
        return _google("Aborted", "Aborted due to cross-transaction contention.")
    if service == "sql":
        from clef_sim.services.sql import errors as sql_errors

        return sql_errors.serialization_failure()
    if service == "s3":
        words = "A conflicting conditional operation is currently in progress against this resource."
        return client_error(Refusal("ConditionalRequestConflict", words, status=409), operation)
    items = kwargs.get("TransactItems")
    if items is None:
        return client_error(Refusal("TransactionConflictException", "Transaction is ongoing for the item"), operation)
    reasons = [{"Code": "TransactionConflict", "Message": "Transaction is ongoing for the item"}]
    reasons += [{"Code": "None"} for _ in items[1:]]
    codes = ", ".join(reason["Code"] for reason in reasons)
    message = f"Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]"
    refusal = Refusal("TransactionCanceledException", message, CancellationReasons=reasons)
    return client_error(refusal, operation)


def partly_refused(send: Callable[..., Any], kwargs: dict[str, Any]) -> dict[str, Any]:
    """What SQS answers where it takes the first half of a batch and not the others: nothing of them was done."""
    entries = kwargs["Entries"]
    taken, refused = entries[: len(entries) // 2], entries[len(entries) // 2 :]
    answer = send(**{**kwargs, "Entries": taken}) if taken else {"Successful": []}
    failed = [
        {"Id": each["Id"], "SenderFault": False, "Code": "RequestThrottled", "Message": "Rate exceeded"}
        for each in refused
    ]
    return {**answer, "Failed": [*answer.get("Failed", ()), *failed]}


def code_of(failure: Exception) -> str:
    """The service's error code; for other errors their class's name."""
    if isinstance(failure, ClientError):
        return str(failure.response["Error"]["Code"])
    return getattr(failure, "sqlstate", None) or type(failure).__name__


def outcome_of(failure: Exception) -> EventOutcome:
    """`unknown` for a time-out or a server's own failure, else `failed`: surely not done."""
    if is_time_out(failure):
        return "unknown"
    if code_of(failure) == "SlowDown":  # S3's throttle, whose status is 503
        return "failed"
    if isinstance(failure, ClientError):
        status = failure.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400)
    else:
        status = getattr(failure, "code", None) or 400  # of google.api_core's errors: an HTTP status
    return "unknown" if status >= 500 else "failed"
