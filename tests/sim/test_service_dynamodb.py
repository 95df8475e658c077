"""The DynamoDB model: what a call answers and which error it ends in."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError, ParamValidationError

from clef_sim.services import DynamoDB, Limits, Unmodelled


class Clock:
    def __init__(self) -> None:
        self.now_s = 1_767_225_600.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def db(clock: Clock) -> DynamoDB:
    db = DynamoDB(clock, limits=Limits.none())
    create(db, "rows", sk="S")
    create(db, "single")
    return db


def create(db: DynamoDB, name: str, sk: str | None = None) -> None:
    keys = [{"AttributeName": "pk", "KeyType": "HASH"}]
    kinds = [{"AttributeName": "pk", "AttributeType": "S"}]
    if sk:
        keys.append({"AttributeName": "sk", "KeyType": "RANGE"})
        kinds.append({"AttributeName": "sk", "AttributeType": sk})
    db.create_table(TableName=name, KeySchema=keys, AttributeDefinitions=kinds, BillingMode="PAY_PER_REQUEST")


def item(pk: str, sk: str, **fields: Any) -> dict[str, Any]:
    return {"pk": {"S": pk}, "sk": {"S": sk}, **fields}


def refused(code: str, call: Any, **request: Any) -> dict[str, Any]:
    with pytest.raises(ClientError) as caught:
        call(**request)
    assert caught.value.response["Error"]["Code"] == code
    response: dict[str, Any] = caught.value.response
    return response


def test_put_whose_condition_fails_leaves_the_item_and_shows_it_when_asked(db: DynamoDB) -> None:
    request = {"TableName": "single", "ConditionExpression": "attribute_not_exists(pk)"}
    db.put_item(Item={"pk": {"S": "a"}, "who": {"S": "first"}}, **request)
    with pytest.raises(db.exceptions.ConditionalCheckFailedException) as caught:
        db.put_item(
            Item={"pk": {"S": "a"}, "who": {"S": "second"}},
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
            **request,
        )
    assert caught.value.response["Item"]["who"] == {"S": "first"}
    assert caught.value.response["Error"]["Message"] == "The conditional request failed"
    assert "calling the PutItem operation" in str(caught.value)
    assert db.get_item(TableName="single", Key={"pk": {"S": "a"}})["Item"]["who"] == {"S": "first"}


def test_answer_changed_by_its_reader_leaves_the_store(db: DynamoDB) -> None:
    given = item("p", "a", x={"S": "1"})
    db.put_item(TableName="rows", Item=given)
    given["x"] = {"S": "changed"}
    read = db.get_item(TableName="rows", Key=item("p", "a"))["Item"]
    assert read["x"] == {"S": "1"}
    read.pop("x")
    query = {"KeyConditionExpression": "pk = :p", "ExpressionAttributeValues": {":p": {"S": "p"}}}
    db.query(TableName="rows", **query)["Items"][0].clear()
    assert db.get_item(TableName="rows", Key=item("p", "a"))["Item"]["x"] == {"S": "1"}


@pytest.mark.parametrize(
    ("operation", "request_", "named"),
    [
        ("put_item", {"TableName": "single", "Item": {"pk": {"S": "a"}}, "Expected": {}}, "Expected"),
        (
            "query",
            {"TableName": "rows", "KeyConditionExpression": "pk = :p", "IndexName": "by_email"},
            "IndexName",
        ),
        ("scan", {"TableName": "rows", "Segment": 0, "TotalSegments": 2}, "Segment, TotalSegments"),
        ("execute_statement", {"Statement": "SELECT"}, "execute_statement"),
    ],
)
def test_unmodelled_operation_or_parameter_is_refused_by_name(
    db: DynamoDB, operation: str, request_: dict[str, Any], named: str
) -> None:
    with pytest.raises(Unmodelled, match=named):
        getattr(db, operation)(**request_)


def test_missing_parameter_is_refused_as_the_sdk_does(db: DynamoDB) -> None:
    with pytest.raises(ParamValidationError, match='Missing required parameter in input: "Key"'):
        db.get_item(TableName="single")
    with pytest.raises(ParamValidationError):
        db.put_item(TableName="single", Item={"pk": {"S": "a"}, "x": {"S": 5}})
    with pytest.raises(ParamValidationError, match="valid min length: 1"):
        db.transact_write_items(TransactItems=[])
    with pytest.raises(ParamValidationError, match="valid min length: 1"):
        db.batch_write_item(RequestItems={"single": []})
    with pytest.raises(ParamValidationError, match="valid min value: 1"):
        db.scan(TableName="single", Limit=0)


@pytest.mark.parametrize("value", [{}, {"S": "a", "N": "1"}], ids=str)
def test_value_without_exactly_one_type_is_refused_by_the_service(db: DynamoDB, value: dict[str, str]) -> None:
    with pytest.raises(ClientError, match="must contain exactly one of the supported datatypes"):
        db.put_item(TableName="single", Item={"pk": {"S": "a"}, "x": value})


def test_item_is_refused_just_above_400_kb(db: DynamoDB) -> None:
    overhead = len("pk") + len("a") + len("x")
    largest = "x" * (400 * 1024 - overhead)
    db.put_item(TableName="single", Item={"pk": {"S": "a"}, "x": {"S": largest}})
    response = refused(
        "ValidationException", db.put_item, TableName="single", Item={"pk": {"S": "a"}, "x": {"S": largest + "x"}}
    )
    assert response["Error"]["Message"] == "Item size has exceeded the maximum allowed size"


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"x": {"S": "1"}}, "Missing the key pk in the item"),
        ({"pk": {"N": "1"}}, "Type mismatch for key pk expected: S actual: N"),
        ({"pk": {"S": ""}}, "cannot contain an empty string value. Key: pk"),
        ({"pk": {"S": "p" * 2049}}, "maximum size limit of 2048 bytes"),
        ({"pk": {"S": "a"}, "x": {"SS": []}}, "may not be empty"),
        ({"pk": {"S": "a"}, "x": {"SS": ["a", "a"]}}, "contains duplicates"),
        ({"pk": {"S": "a"}, "x": {"N": "one"}}, "cannot be converted to a numeric value: one"),
        ({"pk": {"S": "a"}, "x": {"N": "1" * 39}}, "more than 38 significant digits"),
        ({"pk": {"S": "a"}, "x": {"N": "1e126"}}, "Number overflow"),
    ],
)
def test_item_that_cannot_be_stored_is_refused_with_the_reason(
    db: DynamoDB, bad: dict[str, Any], message: str
) -> None:
    response = refused("ValidationException", db.put_item, TableName="single", Item=bad)
    assert message in response["Error"]["Message"]


@pytest.mark.parametrize(
    ("given", "kept"),
    [("1.0", "1"), ("-0", "0"), ("1e3", "1000"), ("007", "7"), ("0.50", "0.5"), ("1e30", "1" + "0" * 30)],
)
def test_number_is_stored_in_one_spelling(db: DynamoDB, given: str, kept: str) -> None:
    nested = {"M": {"n": {"L": [{"N": given}]}}}
    db.put_item(TableName="single", Item={"pk": {"S": "a"}, "x": {"N": given}, "y": nested})
    read = db.get_item(TableName="single", Key={"pk": {"S": "a"}})["Item"]
    assert read["x"] == {"N": kept}
    assert read["y"] == {"M": {"n": {"L": [{"N": kept}]}}}


def test_query_orders_numbers_as_numbers_and_text_by_its_bytes(db: DynamoDB) -> None:
    create(db, "numbers", sk="N")
    for number in ("10", "9", "-1", "2.5"):
        db.put_item(TableName="numbers", Item={"pk": {"S": "p"}, "sk": {"N": number}})
    for text in ("b", "a", "é", "B", "aa"):
        db.put_item(TableName="rows", Item=item("p", text))
    query = {"KeyConditionExpression": "pk = :p", "ExpressionAttributeValues": {":p": {"S": "p"}}}
    assert [each["sk"]["N"] for each in db.query(TableName="numbers", **query)["Items"]] == ["-1", "2.5", "9", "10"]
    assert [each["sk"]["S"] for each in db.query(TableName="rows", **query)["Items"]] == ["B", "a", "aa", "b", "é"]


def test_query_by_prefix_takes_exactly_the_keys_with_it(db: DynamoDB) -> None:
    for text in ("c", "c#", "c#1", "c#\U0010ffff\U0010ffff", "c$"):
        db.put_item(TableName="rows", Item=item("p", text))
    answer = db.query(
        TableName="rows",
        KeyConditionExpression="pk = :p AND begins_with(sk, :s)",
        ExpressionAttributeValues={":p": {"S": "p"}, ":s": {"S": "c#"}},
    )
    assert [each["sk"]["S"] for each in answer["Items"]] == ["c#", "c#1", "c#\U0010ffff\U0010ffff"]


def pages(call: Any, **request: Any) -> list[list[dict[str, Any]]]:
    found = []
    while True:
        answer = call(**request)
        found.append(answer["Items"])
        if "LastEvaluatedKey" not in answer:
            return found
        request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]


def test_query_pages_at_one_megabyte_and_at_the_limit_in_both_directions(db: DynamoDB) -> None:
    for number in range(7):
        db.put_item(TableName="rows", Item=item("p", str(number), x={"S": "x" * 300_000}))
    query = {
        "TableName": "rows",
        "KeyConditionExpression": "pk = :p",
        "ExpressionAttributeValues": {":p": {"S": "p"}},
    }
    for forward, whole in ((True, "0123456"), (False, "6543210")):
        found = pages(db.query, ScanIndexForward=forward, **query)
        assert ["".join(each["sk"]["S"] for each in page) for page in found] == [whole[:4], whole[4:]]
        found = pages(db.query, ScanIndexForward=forward, Limit=3, **query)
        assert ["".join(each["sk"]["S"] for each in page) for page in found] == [whole[:3], whole[3:6], whole[6:]]


def test_filter_does_not_widen_a_page(db: DynamoDB) -> None:
    for number in range(6):
        db.put_item(TableName="rows", Item=item("p", str(number), even={"BOOL": number % 2 == 0}))
    answer = db.query(
        TableName="rows",
        KeyConditionExpression="pk = :p",
        FilterExpression="even = :yes",
        ExpressionAttributeValues={":p": {"S": "p"}, ":yes": {"BOOL": True}},
        Limit=3,
    )
    assert (answer["Count"], answer["ScannedCount"]) == (2, 3)
    assert answer["LastEvaluatedKey"] == item("p", "2")


def test_scan_gives_every_item_once_whatever_is_written_between_its_pages(db: DynamoDB) -> None:
    for number in range(40):
        db.put_item(TableName="rows", Item=item(f"p{number % 10}", str(number)))
    seen: list[str] = []
    request: dict[str, Any] = {"TableName": "rows", "Limit": 7}
    for turn in range(100):
        answer = db.scan(**request)
        seen.extend(each["sk"]["S"] for each in answer["Items"])
        if "LastEvaluatedKey" not in answer:
            break
        request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]
        db.put_item(TableName="rows", Item=item(f"new{turn}", f"new{turn}"))
        db.delete_item(TableName="rows", Key=item(f"new{turn - 1}", f"new{turn - 1}"))
    old = [name for name in seen if not name.startswith("new")]
    assert sorted(old, key=int) == [str(number) for number in range(40)]
    assert len(seen) == len(set(seen))


def test_scan_is_in_no_order_of_keys(db: DynamoDB) -> None:
    names = [f"p{number:02}" for number in range(30)]
    for name in names:
        db.put_item(TableName="single", Item={"pk": {"S": name}})
    found = [each["pk"]["S"] for each in db.scan(TableName="single")["Items"]]
    assert sorted(found) == names
    assert found != names


def test_batch_over_25_writes_or_with_the_same_key_twice_is_refused_whole(db: DynamoDB) -> None:
    puts = [{"PutRequest": {"Item": {"pk": {"S": str(number)}}}} for number in range(26)]
    refused("ValidationException", db.batch_write_item, RequestItems={"single": puts})
    refused("ValidationException", db.batch_write_item, RequestItems={"single": [puts[0], puts[0]]})
    delete = {"DeleteRequest": {"Key": {"pk": {"S": "0"}}}}
    refused("ValidationException", db.batch_write_item, RequestItems={"single": [puts[0], delete]})
    assert db.stored("single") == (0, 0)
    db.batch_write_item(RequestItems={"single": puts[:25]})
    assert db.stored("single")[0] == 25


def test_projection_keeps_what_leads_to_the_path(db: DynamoDB) -> None:
    nested = {"M": {"a": {"S": "1"}, "b": {"L": [{"S": "x"}, {"S": "y"}]}}}
    db.put_item(TableName="single", Item={"pk": {"S": "k"}, "n": nested, "x": {"S": "2"}})
    answer = db.get_item(
        TableName="single",
        Key={"pk": {"S": "k"}},
        ProjectionExpression="n.a, #n.b[1], gone",
        ExpressionAttributeNames={"#n": "n"},
    )
    assert answer["Item"] == {"n": {"M": {"a": {"S": "1"}, "b": {"L": [{"S": "y"}]}}}}


# transactions


def put(table: str, each: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"Put": {"TableName": table, "Item": each, **more}}


def test_transaction_with_one_failing_check_writes_nothing_and_says_which(db: DynamoDB) -> None:
    db.put_item(TableName="single", Item={"pk": {"S": "there"}, "n": {"N": "1"}})
    response = refused(
        "TransactionCanceledException",
        db.transact_write_items,
        TransactItems=[
            put("single", {"pk": {"S": "new"}}),
            put(
                "single",
                {"pk": {"S": "there"}},
                ConditionExpression="attribute_not_exists(pk)",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            ),
        ],
    )
    assert [reason["Code"] for reason in response["CancellationReasons"]] == ["None", "ConditionalCheckFailed"]
    assert response["CancellationReasons"][1]["Item"] == {"pk": {"S": "there"}, "n": {"N": "1"}}
    assert response["Error"]["Message"].endswith("specific reasons [None, ConditionalCheckFailed]")
    assert db.stored("single")[0] == 1


def test_transaction_limits_are_those_of_the_service(db: DynamoDB) -> None:
    many = [put("single", {"pk": {"S": str(number)}}) for number in range(101)]
    refused("ValidationException", db.transact_write_items, TransactItems=many)
    db.transact_write_items(TransactItems=many[:100])
    refused("ValidationException", db.transact_write_items, TransactItems=[many[0], many[0]])
    large = [put("single", {"pk": {"S": str(n)}, "x": {"S": "x" * 390_000}}) for n in range(11)]
    refused("ValidationException", db.transact_write_items, TransactItems=large)
    db.transact_write_items(TransactItems=large[:10])


def test_transaction_token_makes_it_happen_once_in_ten_minutes(db: DynamoDB, clock: Clock) -> None:
    def add(amount: str) -> list[dict[str, Any]]:
        update = {
            "TableName": "single",
            "Key": {"pk": {"S": "count"}},
            "UpdateExpression": "ADD n :n",
            "ExpressionAttributeValues": {":n": {"N": amount}},
        }
        return [{"Update": update}]

    def count() -> str:
        found: str = db.get_item(TableName="single", Key={"pk": {"S": "count"}})["Item"]["n"]["N"]
        return found

    db.transact_write_items(TransactItems=add("1"), ClientRequestToken="t")
    clock.now_s += 599
    db.transact_write_items(TransactItems=add("1"), ClientRequestToken="t")
    assert count() == "1"
    refused(
        "IdempotentParameterMismatchException",
        db.transact_write_items,
        TransactItems=add("2"),
        ClientRequestToken="t",
    )
    clock.now_s += 2
    db.transact_write_items(TransactItems=add("2"), ClientRequestToken="t")
    assert count() == "3"


def test_conflict_hook_cancels_transactions_and_refuses_single_writes(db: DynamoDB) -> None:
    db.conflict = lambda operation, table, key: key["pk"] == {"S": "hot"}
    response = refused(
        "TransactionCanceledException",
        db.transact_write_items,
        TransactItems=[put("single", {"pk": {"S": "cold"}}), put("single", {"pk": {"S": "hot"}})],
    )
    assert [reason["Code"] for reason in response["CancellationReasons"]] == ["None", "TransactionConflict"]
    refused("TransactionConflictException", db.put_item, TableName="single", Item={"pk": {"S": "hot"}})
    db.put_item(TableName="single", Item={"pk": {"S": "cold"}})
    assert db.stored("single")[0] == 1


def test_transact_get_answers_in_order_with_gaps(db: DynamoDB) -> None:
    db.put_item(TableName="rows", Item=item("p", "b", x={"S": "1"}))
    gets = [{"Get": {"TableName": "rows", "Key": item("p", sk)}} for sk in ("a", "b")]
    assert db.transact_get_items(TransactItems=gets)["Responses"] == [{}, {"Item": item("p", "b", x={"S": "1"})}]


def test_table_that_does_not_exist_is_refused_everywhere(db: DynamoDB) -> None:
    key = {"pk": {"S": "a"}}
    refused("ResourceNotFoundException", db.put_item, TableName="gone", Item=key)
    refused("ResourceNotFoundException", db.get_item, TableName="gone", Key=key)
    refused("ResourceNotFoundException", db.describe_table, TableName="gone")
    refused("ResourceNotFoundException", db.transact_write_items, TransactItems=[put("gone", key)])
