"""The DynamoDB model's expressions: what they hold to, and how a bad one is refused."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from clef_sim.services import DynamoDB, Limits
from clef_sim.services.dynamodb.reserved import RESERVED

KEY = {"pk": {"S": "k"}}
ITEM = {
    **KEY,
    "word": {"S": "héllo"},
    "count_": {"N": "10"},
    "flag": {"BOOL": True},
    "nothing": {"NULL": True},
    "words": {"SS": ["a", "b"]},
    "list_": {"L": [{"S": "x"}, {"N": "1"}]},
    "map_": {"M": {"a": {"M": {"b": {"N": "2"}}}, "status": {"S": "open"}}},
}


def S(text: str) -> dict[str, Any]:
    return {"S": text}


def N(text: str) -> dict[str, Any]:
    return {"N": text}


@pytest.fixture
def db() -> DynamoDB:
    db = DynamoDB(lambda: 0.0, limits=Limits.none())
    db.create_table(
        TableName="t",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    db.put_item(TableName="t", Item=ITEM)
    return db


def holds(db: DynamoDB, condition: str, values: dict[str, Any], names: dict[str, str]) -> bool:
    request: dict[str, Any] = {"ConditionExpression": condition}
    if values:
        request["ExpressionAttributeValues"] = values
    if names:
        request["ExpressionAttributeNames"] = names
    try:
        db.put_item(TableName="t", Item=ITEM, **request)
    except db.exceptions.ConditionalCheckFailedException:
        return False
    return True


@pytest.mark.parametrize(
    ("condition", "values", "expected"),
    [
        ("count_ = :v", N("10.0"), True),
        ("count_ > :v", N("9"), True),
        ("count_ > :v", S("9"), False),
        ("count_ = :v", S("10"), False),
        ("count_ <> :v", S("10"), True),
        ("gone <> :v", S("10"), True),
        ("gone = :v", {"NULL": True}, False),
        ("gone < :v", S("10"), False),
        ("NOT gone < :v", S("10"), True),
        ("flag = :v", N("1"), False),
        ("words = :v", {"SS": ["b", "a"]}, True),
        ("list_ = :v", {"L": [S("x"), N("1.0")]}, True),
        ("list_[1] = :v", N("1"), True),
        ("list_[7] = :v", N("1"), False),
        ("map_.a.b = :v", N("2"), True),
        ("map_.a.b.c = :v", N("2"), False),
        ("size(word) = :v", N("5"), True),
        ("size(words) = :v", N("2"), True),
        ("size(gone) = :v", N("0"), False),
        ("size(count_) = :v", N("2"), False),
        ("contains(word, :v)", S("éll"), True),
        ("contains(words, :v)", S("b"), True),
        ("contains(words, :v)", N("1"), False),
        ("contains(list_, :v)", N("1"), True),
        ("begins_with(word, :v)", S("hé"), True),
        ("begins_with(count_, :v)", S("1"), False),
        ("attribute_type(map_, :v)", S("M"), True),
        ("count_ BETWEEN :v AND :v", N("10"), True),
        ("count_ IN (:v, list_[1])", N("3"), False),
        ("list_[1] IN (:v, list_[1])", N("3"), True),
        ("(count_) = (:v)", N("10"), True),
        ("count_ = :v AND (gone = :v OR NOT attribute_exists(gone))", N("10"), True),
        ("count_ = :v OR count_ = :v AND gone = :v", N("10"), True),
        ("NOT count_ = :v AND attribute_exists(pk)", N("10"), False),
        ("not count_ = :v oR attribute_exists(pk)", N("10"), True),
    ],
)
def test_condition_holds_as_the_service_documents(
    db: DynamoDB, condition: str, values: dict[str, Any], expected: bool
) -> None:
    assert holds(db, condition, {":v": values}, {}) is expected


@pytest.mark.parametrize(
    ("condition", "values", "names", "message"),
    [
        ("", {}, {}, "The expression can not be empty;"),
        ("a = ", {}, {}, 'Syntax error; token: "<EOF>"'),
        ("a = :v b", {":v": S("")}, {}, 'Syntax error; token: "b", near: ":v b"'),
        ("a ~ :v", {":v": S("")}, {}, 'Syntax error; token: "~"'),
        ("status = :v", {":v": S("")}, {}, "reserved keyword; reserved keyword: status"),
        ("map_.status = :v", {":v": S("")}, {}, "reserved keyword; reserved keyword: status"),
        ("a = :v", {}, {}, "not defined; attribute value: :v"),
        ("#a = :v", {":v": S("")}, {}, "not defined; attribute name: #a"),
        ("attribute_exists(a)", {":v": S("")}, {}, "unused in expressions: keys: {:v}"),
        ("attribute_exists(a)", {}, {"#a": "a"}, "unused in expressions: keys: {#a}"),
        ("a < :v", {":v": {"BOOL": True}}, {}, "operator: <, operand type: BOOL"),
        ("begins_with(a, :v)", {":v": N("1")}, {}, "begins_with, operand type: N"),
        ("attribute_type(a, :v)", {":v": N("1")}, {}, "attribute_type, operand type: N"),
        ("exists(a)", {}, {}, "Invalid function name; function: exists"),
        ("begins_with(a)", {}, {}, "number of operands: 1"),
        ("size(a)", {}, {}, "Syntax error"),
        ("if_not_exists(a, :v) = :v", {":v": S("")}, {}, "not allowed to be used this way"),
        ("attribute_exists(:v)", {":v": S("")}, {}, "requires a document path"),
    ],
)
def test_condition_that_cannot_be_read_is_refused_with_the_place(
    db: DynamoDB, condition: str, values: dict[str, Any], names: dict[str, str], message: str
) -> None:
    with pytest.raises(ClientError) as caught:
        holds(db, condition, values, names)
    assert caught.value.response["Error"]["Code"] == "ValidationException"
    assert message in caught.value.response["Error"]["Message"]


def updated(db: DynamoDB, update: str, values: dict[str, Any] | None = None, returns: str = "ALL_NEW") -> Any:
    request: dict[str, Any] = {"ExpressionAttributeValues": values} if values else {}
    return db.update_item(TableName="t", Key=KEY, UpdateExpression=update, ReturnValues=returns, **request).get(
        "Attributes"
    )


def test_update_reads_every_operand_from_the_old_item(db: DynamoDB) -> None:
    new = updated(db, "SET count_ = count_ + :one, a = count_, b = if_not_exists(gone, :one)", {":one": N("1")})
    assert (new["a"], new["count_"], new["b"]) == (N("10"), N("11"), N("1"))
    assert new["word"] == ITEM["word"]


def test_update_changes_what_is_nested_and_only_that(db: DynamoDB) -> None:
    before = db.get_item(TableName="t", Key=KEY)["Item"]
    new = updated(db, "SET map_.a.c = :v, list_[9] = :v REMOVE map_.a.b, list_[0]", {":v": S("new")})
    assert new["map_"]["M"]["a"] == {"M": {"c": S("new")}}
    assert new["list_"] == {"L": [N("1"), S("new")]}
    assert before["map_"] == ITEM["map_"]


def test_update_adds_to_numbers_and_sets_and_deletes_from_sets(db: DynamoDB) -> None:
    new = updated(db, "ADD count_ :n, fresh :n, words :w", {":n": N("-2.5"), ":w": {"SS": ["b", "c"]}})
    assert (new["count_"], new["fresh"]) == (N("7.5"), N("-2.5"))
    assert sorted(new["words"]["SS"]) == ["a", "b", "c"]
    assert "words" not in updated(db, "DELETE words :w", {":w": {"SS": ["a", "b", "c", "d"]}})


def test_update_of_a_missing_item_creates_it_with_its_key(db: DynamoDB) -> None:
    db.delete_item(TableName="t", Key=KEY)
    assert updated(db, "SET a = :v", {":v": S("1")}) == {**KEY, "a": S("1")}
    assert updated(db, "REMOVE a") == KEY


@pytest.mark.parametrize(
    ("returns", "expected"),
    [
        ("NONE", None),
        ("ALL_OLD", ITEM),
        ("UPDATED_OLD", {"count_": N("10")}),
        ("UPDATED_NEW", {"count_": N("1"), "fresh": N("1")}),
    ],
)
def test_update_returns_what_was_asked_for(db: DynamoDB, returns: str, expected: Any) -> None:
    assert updated(db, "SET count_ = :v, fresh = :v", {":v": N("1")}, returns) == expected


@pytest.mark.parametrize(
    ("update", "values", "message"),
    [
        ("SET pk = :v", {":v": S("x")}, "Cannot update attribute pk. This attribute is part of the key"),
        ("SET a = gone", {}, "attribute that does not exist in the item"),
        ("SET word = word + :v", {":v": N("1")}, "incorrect data type"),
        ("SET gone.x = :v", {":v": N("1")}, "document path provided in the update expression is invalid"),
        ("ADD word :v", {":v": N("1")}, "incorrect data type"),
        ("ADD gone :v", {":v": S("1")}, "Incorrect operand type"),
        ("SET a = :v, a = :v", {":v": S("1")}, "Two document paths overlap"),
        ("SET map_.a = :v REMOVE map_", {":v": S("1")}, "Two document paths overlap"),
        ("SET a = :v SET b = :v", {":v": S("1")}, "can only be used once"),
        ("PUT a = :v", {":v": S("1")}, "Syntax error"),
    ],
)
def test_update_that_cannot_be_applied_is_refused_and_changes_nothing(
    db: DynamoDB, update: str, values: dict[str, Any], message: str
) -> None:
    with pytest.raises(ClientError) as caught:
        updated(db, update, values)
    assert message in caught.value.response["Error"]["Message"]
    assert db.get_item(TableName="t", Key=KEY)["Item"] == ITEM


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("sk = :v", "missed key schema element"),
        ("pk > :v", "Query key condition not supported"),
        ("pk <> :v", "Unsupported operator on KeyCondition"),
        ("pk = :v AND third = :v", "missed key schema element"),
        ("pk = :v OR pk = :v", "Invalid operator used in KeyConditionExpression: OR"),
        ("pk = :v AND pk = :v", "one condition per key"),
    ],
)
def test_key_condition_the_service_cannot_use_is_refused(db: DynamoDB, condition: str, message: str) -> None:
    with pytest.raises(ClientError) as caught:
        db.query(TableName="t", KeyConditionExpression=condition, ExpressionAttributeValues={":v": S("k")})
    assert message in caught.value.response["Error"]["Message"]


def test_filter_on_a_key_is_refused_in_a_query(db: DynamoDB) -> None:
    request = {"TableName": "t", "ExpressionAttributeValues": {":v": S("k")}, "FilterExpression": "pk = :v"}
    with pytest.raises(ClientError, match="non-primary key attributes"):
        db.query(KeyConditionExpression="pk = :v", **request)
    assert db.scan(**request)["Count"] == 1


def test_reserved_words_are_those_of_the_service() -> None:
    from moto.dynamodb.parsing.reserved_keywords import ReservedKeywords

    assert set(ReservedKeywords.get_reserved_keywords()) == RESERVED
