"""The DynamoDB model answers as moto does, call by call. What is left out, and why: clef_sim/services/PARITY.md."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule
from moto import mock_aws

from clef_sim.services import DynamoDB, Limits

TABLES = {
    "ranged": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
    "hashed": [{"AttributeName": "pk", "KeyType": "HASH"}],
    "numbered": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
}
KINDS = {"ranged": {"pk": "S", "sk": "S"}, "hashed": {"pk": "S"}, "numbered": {"pk": "S", "sk": "N"}}
UNMODELLED = {"ResponseMetadata", "ConsumedCapacity", "ItemCollectionMetrics"}
_numbers = itertools.count()
_moto: list[Any] = []


@pytest.fixture(scope="module", autouse=True)
def moto(request: pytest.FixtureRequest) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch, mock_aws():
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "testing")
        config = Config(retries={"max_attempts": 0})
        _moto.append(boto3.client("dynamodb", region_name="us-east-1", config=config))
        yield
        _moto.clear()


def outcome(client: Any, operation: str, request: dict[str, Any]) -> Any:
    """The answer, or the error's code and what it carries, in a form that compares."""
    try:
        answer = getattr(client, operation)(**request)
    except ClientError as error:
        carried = {name: error.response[name] for name in ("Item",) if name in error.response}
        reasons = [
            {name: reason[name] for name in ("Code", "Item") if name in reason}
            for reason in error.response.get("CancellationReasons", [])
        ]
        return plain(["error", error.response["Error"]["Code"], carried, reasons])
    return plain({name: value for name, value in answer.items() if name not in UNMODELLED})


def plain(value: Any) -> Any:
    """Sets in order."""
    if isinstance(value, dict):
        return {
            name: sorted(each) if name in ("SS", "NS") and isinstance(each, list) else plain(each)
            for name, each in value.items()
        }
    return [plain(each) for each in value] if isinstance(value, list) else value


class Both:
    """The same calls to the model and to moto, on tables of their own."""

    def __init__(self) -> None:
        self.run = next(_numbers)
        self.model = DynamoDB(lambda: 1e9, limits=Limits.none())
        for table, keys in TABLES.items():
            request = {
                "TableName": self.name(table),
                "KeySchema": keys,
                "AttributeDefinitions": [
                    {"AttributeName": name, "AttributeType": kind} for name, kind in KINDS[table].items()
                ],
                "BillingMode": "PAY_PER_REQUEST",
            }
            _moto[0].create_table(**request)
            self.model.create_table(**request)

    def name(self, table: str) -> str:
        return f"{table}-{self.run}"

    def call(self, operation: str, **request: Any) -> Any:
        ours = outcome(self.model, operation, request)
        try:
            theirs = outcome(_moto[0], operation, request)
        except (AssertionError, AttributeError, KeyError, RuntimeError, TypeError, ValueError) as crash:
            assert ours[0] == "error", f"moto crashed ({crash!r}) on {operation}({request}), model {ours}"  # PARITY 1
            return ours
        assert ours == theirs, f"{operation}({request})\nmodel {ours}\nmoto  {theirs}"
        return ours


# Values, keys, expressions. Each attribute has one type, since moto compares across types (PARITY 3).

texts = st.sampled_from(["", "a", "ab", "b", "é"]).map(lambda text: {"S": text})
numbers = st.sampled_from(["0", "1", "2", "-3", "10"]).map(lambda number: {"N": number})
flags = st.booleans().map(lambda flag: {"BOOL": flag})
maps = st.fixed_dictionaries({}, optional={"f": texts, "g": numbers}).map(lambda fields: {"M": fields})
lists = st.lists(texts, max_size=3).map(lambda each: {"L": each})
sets = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, unique=True).map(lambda each: {"SS": each})
VALUES = {"x": texts, "y": numbers, "z": maps, "l": lists, "s": sets, "b": flags}
attributes = st.fixed_dictionaries({}, optional=VALUES)
tables = st.sampled_from(sorted(TABLES))
NAMES = {f"#{name}": name for name in (*VALUES, "f", "g", "pk", "sk")}
ORDERED: dict[str, st.SearchStrategy[Any]] = {
    "#x": texts,
    "#y": numbers,
    "#z.#f": texts,
    "#z.#g": numbers,
    "#l[0]": texts,
}
ANY: dict[str, st.SearchStrategy[Any]] = {**ORDERED, "#z": maps, "#l": lists, "#s": sets, "#b": flags}


def keys_of(table: str) -> st.SearchStrategy[dict[str, Any]]:
    parts = {"pk": st.sampled_from(["p", "q"]).map(lambda text: {"S": text})}
    if table == "ranged":
        parts["sk"] = st.sampled_from(["a", "ab", "b", "é"]).map(lambda text: {"S": text})
    if table == "numbered":
        parts["sk"] = numbers
    return st.fixed_dictionaries(parts)


Expression = tuple[str, list[Any]]
"""Text with a `?` for each of the values."""


@st.composite
def comparisons(draw: st.DrawFn) -> Expression:
    kind = draw(st.sampled_from(["exists", "equal", "order", "between", "in", "begins", "contains", "type", "size"]))
    path = draw(st.sampled_from(sorted(ORDERED if kind in ("order", "between") else ANY)))
    if kind == "exists":
        return f"{draw(st.sampled_from(['attribute_exists', 'attribute_not_exists']))}({path})", []
    if kind == "equal":
        return f"{path} {draw(st.sampled_from(['=', '<>']))} ?", [draw(ANY[path])]
    if kind == "order":
        return f"{path} {draw(st.sampled_from(['<', '<=', '>', '>=']))} ?", [draw(ANY[path])]
    if kind == "between":
        bounds: list[dict[str, Any]] = [draw(ANY[path]), draw(ANY[path])]
        bounds.sort(key=_order)
        return f"{path} BETWEEN ? AND ?", bounds
    if kind == "in":
        return f"{path} IN (?, ?)", [draw(ANY[path]), draw(ANY[path])]
    if kind == "begins":
        return "begins_with(#x, ?)", [{"S": draw(st.sampled_from(["a", "é"]))}]
    if kind == "contains":
        place = draw(st.sampled_from(["#x", "#l", "#s"]))
        return f"contains({place}, ?)", [{"S": draw(st.sampled_from(["a", "b"]))}]
    if kind == "type":
        return f"attribute_type({path}, ?)", [{"S": draw(st.sampled_from(["S", "N", "L", "M", "SS", "BOOL"]))}]
    place = draw(st.sampled_from(["#x", "#l", "#s", "#z"]))
    return f"attribute_exists({place}) AND size({place}) > ?", [draw(numbers)]  # PARITY 2


def _order(value: dict[str, Any]) -> Any:
    return float(value["N"]) if "N" in value else value["S"]


def joined(children: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    def join(op: str, left: Any, right: Any) -> Any:
        return f"({left[0]}) {op} ({right[0]})", [*left[1], *right[1]]

    return st.one_of(
        st.builds(join, st.sampled_from(["AND", "OR"]), children, children),
        children.map(lambda child: (f"NOT ({child[0]})", child[1])),
    )


conditions = st.recursive(comparisons(), joined, max_leaves=3)
SETS: dict[str, list[tuple[str, st.SearchStrategy[Any] | None]]] = {
    "#x": [("?", texts), ("if_not_exists(#x, ?)", texts)],
    "#y": [("?", numbers), ("#y + ?", numbers), ("#y - ?", numbers), ("if_not_exists(#y, ?) + #y", numbers)],
    "#l": [("list_append(#l, ?)", lists), ("list_append(?, #l)", lists), ("#l", None)],
    "#z.#f": [("?", texts)],
    "#l[0]": [("?", texts)],
    "#l[9]": [("?", texts)],
}


@st.composite
def updates(draw: st.DrawFn) -> Expression:
    sections: dict[str, list[str]] = {}
    given: dict[str, list[Any]] = {}
    roots: set[str] = set()
    for kind in draw(
        st.lists(st.sampled_from(["SET", "REMOVE", "ADD", "DELETE"]), min_size=1, max_size=3, unique=True)
    ):
        operand: Any = None
        if kind == "SET":
            target = draw(st.sampled_from(sorted(SETS)))
            text, operand = draw(st.sampled_from(SETS[target]))
            action = f"{target} = {text}"
        elif kind == "REMOVE":
            target = action = draw(st.sampled_from(["#x", "#y", "#z.#f", "#l[0]", "#s"]))
        else:
            target, operand = ("#y", numbers) if kind == "ADD" and draw(st.booleans()) else ("#s", sets)
            action = f"{target} ?"
        root = target[:2]
        if root in roots:
            continue  # PARITY 4
        roots.add(root)
        sections[kind] = [*sections.get(kind, []), action]
        given[kind] = [*given.get(kind, []), *([draw(operand)] if operand is not None else [])]
    text = " ".join(f"{kind} {', '.join(actions)}" for kind, actions in sections.items())
    return text, [value for each in given.values() for value in each]


def bound(**expressions: Expression | None) -> dict[str, Any]:
    """Request parameters: each `?` becomes a value of its own; the names that are used."""
    request: dict[str, Any] = {}
    bound_values: dict[str, Any] = {}
    for label, expression in expressions.items():
        if expression is None:
            continue
        text, given = expression
        for value in given:
            token = f":v{len(bound_values)}"
            bound_values[token] = value
            text = text.replace("?", token, 1)
        request[label] = text
    names = {token: name for token, name in NAMES.items() if any(_uses(text, token) for text in request.values())}
    if names:
        request["ExpressionAttributeNames"] = names
    if bound_values:
        request["ExpressionAttributeValues"] = bound_values
    return request


def _uses(text: str, token: str) -> bool:
    return any(part.startswith(token) and not part[len(token) :][:1].isalnum() for part in _split(text, token))


def _split(text: str, token: str) -> list[str]:
    return [text[at:] for at in range(len(text)) if text.startswith(token, at)]


def test_model_and_moto_agree_on_random_calls() -> None:
    class Machine(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.both = Both()

        def put_request(self, data: st.DataObject, table: str, condition: Any) -> dict[str, Any]:
            item = {**data.draw(attributes), **data.draw(keys_of(table))}
            return {"TableName": self.both.name(table), "Item": item, **bound(ConditionExpression=condition)}

        @rule(data=st.data(), table=tables, condition=st.none() | conditions, old=st.booleans(), say=st.booleans())
        def put(self, data: st.DataObject, table: str, condition: Any, old: bool, say: bool) -> None:
            request = self.put_request(data, table, condition)
            request["ReturnValues"] = "ALL_OLD" if old else "NONE"
            request["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD" if say else "NONE"
            self.both.call("put_item", **request)

        @rule(data=st.data(), table=tables, condition=st.none() | conditions)
        def delete(self, data: st.DataObject, table: str, condition: Any) -> None:
            key = data.draw(keys_of(table))
            expressions = bound(ConditionExpression=condition)
            self.both.call(
                "delete_item", TableName=self.both.name(table), Key=key, ReturnValues="ALL_OLD", **expressions
            )

        @rule(data=st.data(), table=tables, update=updates(), condition=st.none() | conditions)
        def update(self, data: st.DataObject, table: str, update: Any, condition: Any) -> None:
            key = data.draw(keys_of(table))
            expressions = bound(UpdateExpression=update, ConditionExpression=condition)
            self.both.call(
                "update_item", TableName=self.both.name(table), Key=key, ReturnValues="ALL_NEW", **expressions
            )

        @rule(data=st.data(), table=tables)
        def get(self, data: st.DataObject, table: str) -> None:
            self.both.call("get_item", TableName=self.both.name(table), Key=data.draw(keys_of(table)))

        @rule(
            table=st.sampled_from(["ranged", "numbered"]),
            forward=st.booleans(),
            op=st.sampled_from(["", "=", "<", "<=", ">", ">=", "BETWEEN"]),
            filtered=st.none() | conditions,
            limit=st.none() | st.integers(1, 3),
        )
        def query(self, table: str, forward: bool, op: str, filtered: Any, limit: int | None) -> None:
            kind = KINDS[table]["sk"]
            low, high = ({"S": "a"}, {"S": "b"}) if kind == "S" else ({"N": "1"}, {"N": "10"})
            key: Expression = ("#pk = ?", [{"S": "p"}])
            if op == "BETWEEN":
                key = ("#pk = ? AND #sk BETWEEN ? AND ?", [*key[1], low, high])
            elif op:
                key = (f"#pk = ? AND #sk {op} ?", [*key[1], low])
            request: dict[str, Any] = bound(KeyConditionExpression=key, FilterExpression=filtered)
            if limit is not None:
                request["Limit"] = limit
            self.pages("query", TableName=self.both.name(table), ScanIndexForward=forward, **request)

        def pages(self, operation: str, **request: Any) -> None:
            for _ in range(10):
                ours, theirs = (outcome(client, operation, request) for client in (self.both.model, _moto[0]))
                last = ours.pop("LastEvaluatedKey", None) if isinstance(ours, dict) else None
                if last is not None and "LastEvaluatedKey" not in theirs:  # PARITY 5
                    rest = outcome(self.both.model, operation, {**request, "ExclusiveStartKey": last})
                    assert rest["ScannedCount"] == 0
                elif last is not None:
                    assert theirs.pop("LastEvaluatedKey") == last
                    request["ExclusiveStartKey"] = last
                assert ours == theirs, f"{operation}({request})\nmodel {ours}\nmoto  {theirs}"
                if request.get("ExclusiveStartKey") is not last or last is None:
                    return
            raise AssertionError("pages do not end")

        @rule(table=tables, filtered=st.none() | conditions)
        def scan(self, table: str, filtered: Any) -> None:
            request = {"TableName": self.both.name(table), **bound(FilterExpression=filtered)}
            ours, theirs = (outcome(client, "scan", request) for client in (self.both.model, _moto[0]))
            assert by_key(ours) == by_key(theirs), f"scan({request})\nmodel {ours}\nmoto  {theirs}"

        @rule(data=st.data(), table=tables, count=st.integers(1, 3))
        def transact(self, data: st.DataObject, table: str, count: int) -> None:
            name, items = self.both.name(table), []
            for _ in range(count):
                condition = data.draw(conditions)
                key = data.draw(keys_of(table))
                shape = data.draw(st.sampled_from(["Put", "Delete", "Update", "ConditionCheck"]))
                if shape == "Put":
                    wanted = self.put_request(data, table, condition)
                elif shape == "Update":
                    update = ("SET #x = ?", [data.draw(texts)])
                    wanted = {
                        "TableName": name,
                        "Key": key,
                        **bound(UpdateExpression=update, ConditionExpression=condition),
                    }
                else:
                    wanted = {"TableName": name, "Key": key, **bound(ConditionExpression=condition)}
                wanted["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
                items.append({shape: wanted})
            self.both.call("transact_write_items", TransactItems=items)

        @rule(data=st.data(), table=tables)
        def batches(self, data: st.DataObject, table: str) -> None:
            keys = data.draw(st.lists(keys_of(table), min_size=1, max_size=3, unique_by=by_name))
            writes = [
                {"DeleteRequest": {"Key": key}}
                if data.draw(st.booleans())
                else {"PutRequest": {"Item": {**data.draw(attributes), **key}}}
                for key in keys
            ]
            self.both.call("batch_write_item", RequestItems={self.both.name(table): writes})
            request = {"RequestItems": {self.both.name(table): {"Keys": keys, "ConsistentRead": True}}}
            ours, theirs = (outcome(client, "batch_get_item", request) for client in (self.both.model, _moto[0]))
            assert by_key(ours) == by_key(theirs)
            self.both.call(
                "transact_get_items",
                TransactItems=[{"Get": {"TableName": self.both.name(table), "Key": key}} for key in keys],
            )

    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=24,
            stateful_step_count=15,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],  # a failure shows its call; shrinking against moto takes minutes
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )


def by_name(item: dict[str, Any]) -> str:
    return repr(sorted(item.items()))


def by_key(answer: Any) -> Any:
    """Items in the order of their keys: a scan promises none."""
    if isinstance(answer, dict):
        return {name: by_key(value) for name, value in answer.items()}
    if isinstance(answer, list):
        return sorted(
            (by_key(each) for each in answer),
            key=lambda each: repr(sorted(each.items())) if isinstance(each, dict) else repr(each),
        )
    return answer
