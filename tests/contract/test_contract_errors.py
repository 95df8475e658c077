"""Clauses E of docs/contracts.md: what an SDK's error means, and what is done about it."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
    ReadTimeoutError,
)
from contract_backends import TestClock

from clef_runtime.aws import ConditionFailed, caller, client_config, translate
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
from clef_runtime.retry import Retry, exponential
from clef_runtime.transport.batches import batches

URL = "https://x.invalid"


def refusal(code: str, message: str = "", *, status: int = 400, **answer: Any) -> ClientError:
    return ClientError(
        {
            "Error": {"Code": code, "Message": message},
            "ResponseMetadata": {"HTTPStatusCode": status},
            **answer,
        },
        "PutItem",
    )


def canceled(*codes: str, message: str = "") -> ClientError:
    reasons = [{"Code": code, "Message": message, "Item": {"pk": {"S": code}}} for code in codes]
    return refusal("TransactionCanceledException", CancellationReasons=reasons)


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        (refusal("ThrottlingException"), Throttled),
        (refusal("ProvisionedThroughputExceededException"), Throttled),
        (refusal("RequestLimitExceeded"), Throttled),
        (refusal("RequestThrottled", status=403), Throttled),
        (refusal("TransactionConflictException"), Throttled),
        (refusal("ThrottlingException", status=503), Throttled),
        (refusal("ConditionalCheckFailedException"), Conflict),
        (refusal("ResourceNotFoundException"), NotFound),
        (refusal("AWS.SimpleQueueService.NonExistentQueue"), NotFound),
        (refusal("QueueDoesNotExist"), NotFound),
        (refusal("ValidationException", "Item size has exceeded the maximum allowed size"), TooLarge),
        (refusal("ValidationException", "ExpressionAttributeValues must not be empty"), Refused),
        (refusal("BatchRequestTooLong"), TooLarge),
        (refusal("AccessDeniedException"), Refused),
        (refusal("InternalServerError", status=500), Indeterminate),
        (refusal("ServiceUnavailable", status=503), Indeterminate),
        (refusal("Whatever", status=502), Indeterminate),
        (refusal("TransactionInProgressException"), Indeterminate),
        (canceled("None", "ConditionalCheckFailed"), Conflict),
        (canceled("ConditionalCheckFailed", "TransactionConflict"), Conflict),
        (canceled("None", "TransactionConflict"), Throttled),
        (canceled("ThrottlingError"), Throttled),
        (canceled("ProvisionedThroughputExceeded"), Throttled),
        (canceled("ValidationError", message="Item size to update has exceeded the maximum allowed size"), TooLarge),
        (canceled("ValidationError"), Refused),
        (ReadTimeoutError(endpoint_url=URL), Indeterminate),
        (ConnectionClosedError(endpoint_url=URL), Indeterminate),
        (EndpointConnectionError(endpoint_url=URL), Unreachable),
        (ConnectTimeoutError(endpoint_url=URL), Unreachable),
        (ParamValidationError(report="x"), BadInput),
        (NoCredentialsError(), Refused),
    ],
    ids=str,
)
def test_sdk_error_means_what_the_service_said(error: Exception, meaning: type[ClefError]) -> None:  # E1
    found = translate(error, {"TableName": "users"})
    assert isinstance(found, meaning)
    assert meaning in (type(found), Conflict)
    assert found.definite is (meaning is not Indeterminate)
    assert found.retryable is (meaning in (Throttled, Unreachable, Indeterminate))
    assert "'users'" in str(found)


def test_failed_condition_carries_the_stored_items() -> None:  # E2
    one = translate(refusal("ConditionalCheckFailedException", Item={"pk": {"S": "x"}}), {})
    many = translate(canceled("None", "ConditionalCheckFailed"), {})
    assert isinstance(one, ConditionFailed) and isinstance(many, ConditionFailed)
    assert one.items == [{"pk": {"S": "x"}}]
    assert many.items == [None, {"pk": {"S": "ConditionalCheckFailed"}}]


def _failing(*errors: Exception) -> Any:
    left = list(errors)

    def method() -> str:
        if left:
            raise left.pop(0)
        return "done"

    return method


THROTTLED, LOST = refusal("ThrottlingException"), ReadTimeoutError(endpoint_url=URL)


@pytest.mark.parametrize(
    ("errors", "idempotent", "ends", "pauses"),
    [
        ([THROTTLED, THROTTLED], True, "done", 2),
        ([THROTTLED, LOST], True, "done", 2),
        ([THROTTLED] * 3, True, Throttled, 2),
        ([THROTTLED, THROTTLED], False, "done", 2),
        ([LOST], False, Indeterminate, 0),
        ([THROTTLED, LOST], False, Indeterminate, 1),
        ([LOST, THROTTLED, THROTTLED], True, Indeterminate, 2),
        ([LOST, refusal("AccessDeniedException")], True, Indeterminate, 1),
        ([refusal("AccessDeniedException")], True, Refused, 0),
        ([LOST, refusal("ConditionalCheckFailedException")], True, Conflict, 1),
        ([KeyError("a bug")], True, KeyError, 0),
    ],
    ids=str,
)
def test_call_is_repeated_where_that_is_safe(
    errors: list[Exception], idempotent: bool, ends: Any, pauses: int
) -> None:  # E3 E4
    clock = TestClock()
    call = caller(clock, Retry(attempts=3))
    if ends == "done":
        assert call(_failing(*errors), {}, idempotent=idempotent) == "done"
    else:
        with pytest.raises(ends) as caught:
            call(_failing(*errors), {}, idempotent=idempotent)
        if ends is Conflict:
            assert caught.value.after_doubt
    assert clock.pauses == [0.05, 0.1][:pauses]


def test_conflict_without_a_doubt_is_anothers() -> None:  # E4
    with pytest.raises(Conflict) as caught:
        caller(TestClock(), Retry())(_failing(THROTTLED, refusal("ConditionalCheckFailedException")), {})
    assert not caught.value.after_doubt


def test_retry_bounds_are_checked_and_pauses_grow_to_the_longest() -> None:  # E3
    with pytest.raises(BadInput, match="attempts"):
        Retry(attempts=0)
    pause = exponential(0.1, 0.5)
    assert [pause(failures) for failures in (1, 2, 3, 4, 5)] == [0.1, 0.2, 0.4, 0.5, 0.5]


def test_client_config_switches_the_sdks_own_retries_off() -> None:  # E5
    from botocore.config import Config

    assert Config(**client_config()).retries == {"mode": "standard", "total_max_attempts": 1}


def test_batches_are_bounded_by_count_and_bytes() -> None:  # T3
    def cut(*sizes: int) -> list[list[int]]:
        return list(batches(sizes, lambda size: size, count_max=3, bytes_max=10, name=str))

    assert cut() == []
    assert cut(1, 1, 1, 1) == [[1, 1, 1], [1]]
    assert cut(5, 5, 1) == [[5, 5], [1]]
    assert cut(10, 10) == [[10], [10]]
    with pytest.raises(TooLarge, match="11 has 11 bytes; one call takes 10"):
        cut(1, 11)
