"""Calls of DynamoDB that most of its stand-ins answer differently."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

P = {"S": "p"}

Call = tuple[str, dict[str, Any]]

CRASHES = {"unknown value", "unknown name", "syntax", "value of no type", "key condition with or", "unknown function"}
"""Of moto: PARITY 1."""

LEFT_OUT = {
    "moto": CRASHES
    | {"unused value", "empty condition", "batch over 25", "batch with a key twice", "empty batch"}  # PARITY 7
    | {"transaction over 4 MB", "number of 39 digits", "number out of range", "set with an element twice"}  # 7
    | {"value of two types", "filter on the key", "start outside the query"}  # 7
    | {"between bounds the wrong way", "between bounds of two types"}  # 7
    | {"token again", "token for another transaction"},  # 7
    "ministack": {"filter on the key", "key condition with or", "unknown function"}  # PARITY 34
    | {"between bounds of two types"},  # PARITY 29
    "dynamodb-local": {"transaction with an item twice, refused"},  # PARITY 32
}


def key(number: int) -> dict[str, Any]:
    return {"pk": {"S": f"k{number}"}}


def cases(name: Callable[[str], str]) -> dict[str, Call]:
    """By what is odd about them; `name` gives a table's full name."""
    ranged, hashed = name("ranged"), name("hashed")

    def put(number: int, **fields: Any) -> dict[str, Any]:
        return {"Put": {"TableName": hashed, "Item": {**key(number), **fields}}}

    token = {"ClientRequestToken": "a" * 32}
    first = {
        "Put": {
            "TableName": hashed,
            "Item": {"pk": {"S": "token"}},
            "ConditionExpression": "attribute_not_exists(pk)",
        }
    }
    return {
        "reserved word": (
            "update_item",
            {
                "TableName": hashed,
                "Key": key(1),
                "UpdateExpression": "SET status = :v",
                "ExpressionAttributeValues": {":v": P},
            },
        ),
        "reserved word in a condition": (
            "put_item",
            {"TableName": hashed, "Item": key(1), "ConditionExpression": "attribute_not_exists(name)"},
        ),
        "unused name": (
            "put_item",
            {
                "TableName": hashed,
                "Item": key(1),
                "ConditionExpression": "attribute_not_exists(pk)",
                "ExpressionAttributeNames": {"#a": "a"},
            },
        ),
        "unused value": (
            "put_item",
            {
                "TableName": hashed,
                "Item": key(1),
                "ConditionExpression": "attribute_not_exists(pk)",
                "ExpressionAttributeValues": {":a": P},
            },
        ),
        "unknown value": ("put_item", {"TableName": hashed, "Item": key(1), "ConditionExpression": "x = :a"}),
        "unknown name": (
            "put_item",
            {"TableName": hashed, "Item": key(1), "ConditionExpression": "attribute_exists(#zz)"},
        ),
        "no values": (
            "put_item",
            {
                "TableName": hashed,
                "Item": key(1),
                "ConditionExpression": "attribute_not_exists(pk)",
                "ExpressionAttributeValues": {},
            },
        ),
        "empty condition": ("put_item", {"TableName": hashed, "Item": key(1), "ConditionExpression": ""}),
        "syntax": ("put_item", {"TableName": hashed, "Item": key(1), "ConditionExpression": "a = = b"}),
        "batch over 25": (
            "batch_write_item",
            {"RequestItems": {hashed: [{"PutRequest": {"Item": key(i)}} for i in range(26)]}},
        ),
        "batch with a key twice": (
            "batch_write_item",
            {"RequestItems": {hashed: [{"PutRequest": {"Item": key(1)}}, {"DeleteRequest": {"Key": key(1)}}]}},
        ),
        "empty batch": ("batch_write_item", {"RequestItems": {}}),
        "batch without requests": ("batch_write_item", {"RequestItems": {hashed: []}}),
        "batch get with a key twice": ("batch_get_item", {"RequestItems": {hashed: {"Keys": [key(1), key(1)]}}}),
        "batch get over 100": ("batch_get_item", {"RequestItems": {hashed: {"Keys": [key(i) for i in range(101)]}}}),
        "transaction over 100": ("transact_write_items", {"TransactItems": [put(i) for i in range(101)]}),
        "transaction with an item twice": ("transact_write_items", {"TransactItems": [put(1), put(1)]}),
        "transaction with an item twice, refused": (
            "transact_write_items",
            {
                "TransactItems": [
                    put(1),
                    {
                        "ConditionCheck": {
                            "TableName": hashed,
                            "Key": key(1),
                            "ConditionExpression": "attribute_exists(zz)",
                        }
                    },
                ]
            },
        ),
        "empty transaction": ("transact_write_items", {"TransactItems": []}),
        "empty key": ("put_item", {"TableName": hashed, "Item": {"pk": {"S": ""}}}),
        "missing key": ("put_item", {"TableName": ranged, "Item": {"pk": P}}),
        "key of another type": ("put_item", {"TableName": hashed, "Item": {"pk": {"N": "1"}}}),
        "key with more": ("get_item", {"TableName": hashed, "Key": {"pk": P, "sk": P}}),
        "update of the key": (
            "update_item",
            {
                "TableName": hashed,
                "Key": {"pk": P},
                "UpdateExpression": "SET pk = :v",
                "ExpressionAttributeValues": {":v": P},
            },
        ),
        "no table": ("get_item", {"TableName": name("none"), "Key": {"pk": P}}),
        "no table in a transaction": (
            "transact_write_items",
            {"TransactItems": [{"Put": {"TableName": name("none"), "Item": key(1)}}]},
        ),
        "item over 400 KB": ("put_item", {"TableName": hashed, "Item": {**key(1), "a": {"S": "x" * 410000}}}),
        "update over 400 KB": (
            "update_item",
            {
                "TableName": hashed,
                "Key": key(1),
                "UpdateExpression": "SET a = :v",
                "ExpressionAttributeValues": {":v": {"S": "x" * 410000}},
            },
        ),
        "transaction's item over 400 KB": (
            "transact_write_items",
            {"TransactItems": [put(1, a={"S": "x" * 410000})]},
        ),
        "transaction over 4 MB": (
            "transact_write_items",
            {"TransactItems": [put(i, a={"S": "x" * 390000}) for i in range(12)]},
        ),
        "limit 0": ("scan", {"TableName": hashed, "Limit": 0}),
        "number that is none": ("put_item", {"TableName": hashed, "Item": {**key(1), "n": {"N": "one"}}}),
        "number of 39 digits": ("put_item", {"TableName": hashed, "Item": {**key(1), "n": {"N": "1" * 39}}}),
        "number out of range": ("put_item", {"TableName": hashed, "Item": {**key(1), "n": {"N": "1e126"}}}),
        "empty set": ("put_item", {"TableName": hashed, "Item": {**key(1), "s": {"SS": []}}}),
        "set with an element twice": ("put_item", {"TableName": hashed, "Item": {**key(1), "s": {"SS": ["a", "a"]}}}),
        "value of two types": ("put_item", {"TableName": hashed, "Item": {**key(1), "s": {"S": "a", "N": "1"}}}),
        "value of no type": ("put_item", {"TableName": hashed, "Item": {**key(1), "s": {}}}),
        "query without the key": (
            "query",
            {"TableName": ranged, "KeyConditionExpression": "sk = :v", "ExpressionAttributeValues": {":v": P}},
        ),
        "filter on the key": (
            "query",
            {
                "TableName": ranged,
                "KeyConditionExpression": "pk = :v",
                "FilterExpression": "sk = :v",
                "ExpressionAttributeValues": {":v": P},
            },
        ),
        "key condition with or": (
            "query",
            {
                "TableName": ranged,
                "KeyConditionExpression": "pk = :v OR sk = :v",
                "ExpressionAttributeValues": {":v": P},
            },
        ),
        "start outside the query": (
            "query",
            {
                "TableName": ranged,
                "KeyConditionExpression": "pk = :v",
                "ExpressionAttributeValues": {":v": P},
                "ExclusiveStartKey": {"pk": {"S": "q"}, "sk": P},
            },
        ),
        "between bounds the wrong way": (
            "put_item",
            {
                "TableName": hashed,
                "Item": key(1),
                "ConditionExpression": "a BETWEEN :a AND :b",
                "ExpressionAttributeValues": {":a": {"N": "2"}, ":b": {"N": "1"}},
            },
        ),
        "between bounds of two types": (
            "put_item",
            {
                "TableName": hashed,
                "Item": key(1),
                "ConditionExpression": "a BETWEEN :a AND :b",
                "ExpressionAttributeValues": {":a": {"N": "2"}, ":b": {"S": "1"}},
            },
        ),
        "add of text": (
            "update_item",
            {
                "TableName": hashed,
                "Key": key(1),
                "UpdateExpression": "ADD a :v",
                "ExpressionAttributeValues": {":v": P},
            },
        ),
        "unknown function": ("put_item", {"TableName": hashed, "Item": key(1), "ConditionExpression": "nofn(pk)"}),
        "return values that a put has not": (
            "put_item",
            {"TableName": hashed, "Item": key(1), "ReturnValues": "ALL_NEW"},
        ),
        "token": ("transact_write_items", {"TransactItems": [first], **token}),
        "token again": ("transact_write_items", {"TransactItems": [first], **token}),
        "token for another transaction": ("transact_write_items", {"TransactItems": [put(1)], **token}),
    }
