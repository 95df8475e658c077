"""The second opinion on services: what their calls show of broken promises, and what they do not."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError
from google.api_core import exceptions
from google.cloud.firestore_v1.types import common, document, firestore, write
from google.protobuf.timestamp_pb2 import Timestamp

from clef_sim.certify.evidence import Evidence, Seen
from clef_sim.certify.promises import JUDGES, queues
from clef_sim.certify.promises.expressions import NotKnown, holds, updated
from clef_sim.history import Event
from clef_sim.scenario import Duplicate

NEW = {"ConditionExpression": "attribute_not_exists(pk)"}


def seen(operation: str, request: dict[str, Any], answer: Any = None, error: Any = None, **more: Any) -> Seen:
    return Seen(
        1.5, "engine-1", more.pop("service", "dynamodb"), operation, request, answer, error, **{"began": 0, **more}
    )


def refused(operation: str, code: str = "ConditionalCheckFailedException", **extra: Any) -> ClientError:
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": 400}, **extra}, operation)


def put(value: str, condition: Any = NEW, error: Any = None, **more: Any) -> Seen:
    item = {"pk": {"S": "k"}, "v": {"S": value}}
    return seen("PutItem", {"TableName": "t", "Item": item, **condition}, {}, error, **more)


def get(value: str | None) -> Seen:
    answer = {"Item": {"pk": {"S": "k"}, "v": {"S": value}}} if value else {}
    return seen("GetItem", {"TableName": "t", "Key": {"pk": {"S": "k"}}, "ConsistentRead": True}, answer)


WAS_A = {"ConditionExpression": "v = :was", "ExpressionAttributeValues": {":was": {"S": "a"}}}


def transact(value: str, error: Any = None, token: str = "") -> Seen:
    items = [
        {"Put": {"TableName": "t", "Item": {"pk": {"S": "k"}, "sk": {"S": sk}, "v": {"S": value}}, **NEW}}
        for sk in ("1", "2")
    ]
    return seen("TransactWriteItems", {"TransactItems": items, "ClientRequestToken": token}, {}, error)


def query(*sort_keys: str, **more: Any) -> Seen:
    items = [{"pk": {"S": "k"}, "sk": {"S": sk}, "v": {"S": "a"}} for sk in sort_keys]
    request = {
        "TableName": "t",
        "KeyConditionExpression": "pk = :pk",
        "ExpressionAttributeValues": {":pk": {"S": "k"}},
        "ConsistentRead": True,
        **more,
    }
    return seen("Query", request, {"Items": items})


CANCELED = refused(
    "TransactWriteItems",
    "TransactionCanceledException",
    CancellationReasons=[{"Code": "ConditionalCheckFailed"}, {"Code": "None"}],
)


@pytest.mark.parametrize(
    ("calls", "words"),
    [
        ([put("a"), put("b", error=refused("PutItem")), get("a")], ""),
        ([put("a"), put("b")], "was done although its condition (PutItem) did not hold"),
        ([put("b", error=refused("PutItem"))], "was refused although its condition held"),
        ([put("a"), put("b", WAS_A), get("b")], ""),
        ([put("a"), put("b", WAS_A), put("c", WAS_A)], "was done although its condition"),
        ([put("a"), get("b")], "had been written"),
        ([put("a"), get(None)], "had been written"),
        # What nobody heard an answer of is not judged.
        ([put("a", error=TimeoutError()), put("b"), get("b")], ""),
        # Throttled: surely not done.
        ([put("a", error=refused("PutItem", "ThrottlingException")), get("a")], "had been written"),
        ([transact("a"), query("1", "2")], ""),
        ([transact("a"), query("1")], "had been written"),
        ([transact("a"), query("1", Limit=1)], ""),
        ([transact("a"), transact("b", CANCELED), query("1", "2")], ""),
        ([transact("b", CANCELED)], "was refused although its condition held"),
        ([transact("a"), transact("b")], "TransactWriteItems on several items by engine-1"),
        # The same token again: an answer without an effect.
        ([transact("a", token="x"), transact("a", token="x")], ""),
        # A time to live that has passed: the item may be gone, or not.
        ([seen("PutItem", {"TableName": "t", "Item": {"pk": {"S": "k"}, "ttl": {"N": "5"}}}, {}), put("b")], ""),
    ],
)
def test_dynamodb_is_judged_by_what_it_answered(calls: list[Seen], words: str) -> None:
    found = JUDGES["dynamodb"](calls)
    assert words in found
    assert bool(words) is bool(found)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("attribute_exists(pk) AND NOT attribute_exists(w)", True),
        ("#s = :a OR n >= :two", True),
        ("#s <> :a AND (n < :two OR n > :two)", False),
        ("w <> :a", True),
        ("w = :a", False),
        ("n = :a", False),
    ],
)
def test_condition_is_read_as_dynamodb_does(text: str, expected: bool) -> None:
    request = {
        "ConditionExpression": text,
        "ExpressionAttributeNames": {"#s": "state"},
        "ExpressionAttributeValues": {":a": {"S": "a"}, ":two": {"N": "2"}},
    }
    assert holds(request, {"pk": {"S": "k"}, "state": {"S": "a"}, "n": {"N": "2.0"}}) is expected


@pytest.mark.parametrize("text", ["size(pk) > :a", "pk = ", "begins_with(pk, :a)", "pk ! :a"])
def test_condition_of_another_form_is_not_judged(text: str) -> None:
    with pytest.raises(NotKnown):
        holds({"ConditionExpression": text, "ExpressionAttributeValues": {":a": {"S": "a"}}}, {})


def test_update_is_followed() -> None:
    request = {
        "Key": {"pk": {"S": "k"}},
        "UpdateExpression": "SET #o = :me, u = :one ADD n :one REMOVE gone",
        "ExpressionAttributeNames": {"#o": "owner"},
        "ExpressionAttributeValues": {":me": {"S": "me"}, ":one": {"N": "1"}},
    }
    assert updated(request, {"pk": {"S": "k"}, "n": {"N": "2"}, "gone": {"S": ""}}) == {
        "pk": {"S": "k"},
        "owner": {"S": "me"},
        "u": {"N": "1"},
        "n": {"N": "3"},
    }


# ---- Firestore

NAME = "projects/p/databases/(default)/documents/c/k"


def commit(at: int, error: Any = None, transaction: bytes = b"", began: int = 0, **condition: Any) -> Seen:
    made = write.Write(update=document.Document(name=NAME))
    if condition:
        made.current_document = common.Precondition(**condition)
    results = [write.WriteResult(update_time=Timestamp(seconds=at))]
    request = {"request": {"writes": [made], "transaction": transaction}}
    answer = None if error else firestore.CommitResponse(write_results=results)
    return seen("Commit", request, answer, error, service="firestore", began=began)


def look(at: int | None, transaction: bytes = b"", began: int = 0) -> Seen:
    kind = firestore.BatchGetDocumentsResponse
    found = (
        kind(missing=NAME)
        if at is None
        else kind(found=document.Document(name=NAME, update_time=Timestamp(seconds=at)))
    )
    return seen(
        "BatchGetDocuments", {"request": {"transaction": transaction}}, [found], service="firestore", began=began
    )


@pytest.mark.parametrize(
    ("calls", "words"),
    [
        ([commit(1, exists=False), look(1, began=1)], ""),
        ([commit(1, exists=False), commit(2, exists=False, began=1)], "was done although its precondition"),
        ([commit(1, exists=False, error=exceptions.AlreadyExists("there"))], "although its preconditions held"),
        ([commit(1), commit(2, update_time=Timestamp(seconds=1), began=1)], ""),
        ([commit(1), commit(2, update_time=Timestamp(seconds=7), began=1)], "was done although its precondition"),
        ([commit(1), look(None, began=1)], "had been written"),
        # Two transactions that have both read that it is missing, and both commit.
        (
            [look(None, b"1"), look(None, b"2", 1), commit(1, None, b"1", 2), commit(2, None, b"2", 3)],
            "had changed since the transaction read it",
        ),
        (
            [
                look(None, b"1"),
                look(None, b"2", 1),
                commit(1, None, b"1", 2),
                commit(2, exceptions.Aborted("lock"), b"2", 3),
                look(1, began=4),
            ],
            "",
        ),
        # One that waited inside: it took effect before the look that was answered first.
        ([look(1, began=0), commit(1, began=0)], ""),
    ],
)
def test_firestore_is_judged_by_what_it_answered(calls: list[Seen], words: str) -> None:
    found = JUDGES["firestore"](calls)
    assert words in found
    assert bool(words) is bool(found)


# ---- Redis, SQS


def command(answer: Any, *words: str) -> Seen:
    return seen(words[0].title(), {"command": list(words)}, answer, service="redis")


def test_redis_that_sets_twice_where_it_is_to_set_once_is_told() -> None:
    judge = JUDGES["redis"]
    assert judge([command(True, "SET", "k", "a", "NX"), command(None, "SET", "k", "b", "NX")]) == ""
    assert "was done although a was there" in judge(
        [command(True, "SET", "k", "a", "NX"), command(True, "SET", "k", "b", "NX")]
    )
    assert judge([command(True, "SET", "k", "a", "NX", "PX", "5"), command(True, "SET", "k", "b", "NX")]) == ""


def delivery(at: float, message: str) -> Event:
    return Event(at, "q", "delivery", "q", "ok", {"message": message, "count": 1})


SETTLED = Event(99.0, "script", "phase", "settled", "ok", {})


def sent(*ids: str) -> Seen:
    return seen("SendMessageBatch", {}, {"Successful": [{"MessageId": each} for each in ids]}, service="sqs")


def test_sqs_is_judged_by_what_was_delivered() -> None:
    assert queues.broken([sent("1")], [delivery(1, "1"), delivery(31, "1"), SETTLED], 30.0, ()) == ""
    twice = [delivery(1, "1"), delivery(2, "1"), SETTLED]
    assert "handed out again at 2.000000 s, 1.000 s after" in queues.broken([sent("1")], twice, 30.0, ())
    assert queues.broken([sent("1")], twice, 30.0, [Duplicate(queue="q")]) == ""
    lost = queues.broken([sent("1", "2")], [delivery(1, "1"), SETTLED], 30.0, ())
    assert "message 2 was taken and never came" in lost
    assert queues.broken([sent("1", "2")], [delivery(1, "1")], 30.0, ()) == ""  # it is still under way


# ---- the recorder


def test_evidence_keeps_what_was_asked_as_it_was_then() -> None:
    evidence = Evidence({"s"})

    def apply(*, item: dict[str, int]) -> dict[str, int]:
        item["n"] = 2
        return item

    watched = evidence.watch("s", "Put", apply, lambda: (1.0, "me"))
    item = {"n": 1}
    assert watched(item=item) is item
    item["n"] = 3
    (call,) = evidence.calls
    assert (call.request, call.answer, call.at_s, call.who) == ({"item": {"n": 1}}, {"n": 2}, 1.0, "me")


def test_evidence_lets_other_services_and_errors_pass() -> None:
    evidence = Evidence({"s"})

    def apply() -> None:
        raise ValueError("no")

    assert evidence.watch("other", "Put", apply, lambda: (1.0, "me")) is apply
    with pytest.raises(ValueError, match="no"):
        evidence.watch("s", "Put", apply, lambda: (1.0, "me"))()
    assert isinstance(evidence.calls[0].error, ValueError)
    assert list(evidence.used) == ["other", "s"]
