"""The DynamoDB model answers as moto, MiniStack and DynamoDB Local do, call by call. What is left out, by target and
line, and who is right: clef_sim/services/PARITY.md.

moto runs in this process, always. The others are skipped where the environment does not name them, and started where
CLEF_REQUIRE_BACKENDS=1.
"""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterator
from typing import Any

import boto3
import msgspec
import pytest
from agreement_dynamodb import KINDS, TABLES, Calls, Expression, bound, tables
from agreement_dynamodb_cases import LEFT_OUT as CASES_LEFT_OUT
from agreement_dynamodb_cases import cases
from aws_places import places
from botocore.config import Config
from botocore.exceptions import ClientError, ParamValidationError
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test
from moto import mock_aws

from clef_sim.services import DynamoDB, Limits

UNMODELLED = {"ResponseMetadata", "ConsumedCapacity", "ItemCollectionMetrics"}  # PARITY 9
_numbers = itertools.count()


class Target(msgspec.Struct):
    """`left_out`: lines of PARITY.md. `prefix` begins its tables' names."""

    name: str
    client: Any
    left_out: frozenset[int]
    prefix: str

    def outcome(self, operation: str, request: dict[str, Any]) -> Any:
        return outcome(self.client, operation, request)


LEFT_OUT = {
    "moto": frozenset({1, 2, 3, 4, 5, 6, 33, 34}),
    "ministack": frozenset({4, 29, 30, 31, 34}),
    "dynamodb-local": frozenset({32, 33}),
}


def client(url: str | None) -> Any:
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    return boto3.client(
        "dynamodb", endpoint_url=url, region_name="us-east-1", config=Config(retries={"max_attempts": 0}), **keys
    )


@pytest.fixture(scope="module", params=LEFT_OUT)
def target(request: pytest.FixtureRequest) -> Iterator[Target]:
    name = request.param
    prefix = f"agree-{uuid.uuid4().hex[:8]}-"
    if name == "moto":
        with mock_aws():
            yield Target(name, client(None), LEFT_OUT[name], prefix)
        return
    with places(name, "dynamodb") as urls:
        yield Target(name, client(urls["dynamodb"]), LEFT_OUT[name], prefix)


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
    except ParamValidationError:
        return plain(["error", "ParamValidationError", {}, []])
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
    """The same calls to the model and to the target, on tables of their own."""

    def __init__(self, target: Target) -> None:
        self.target, self.run = target, next(_numbers)
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
            target.client.create_table(**request)
            self.model.create_table(**request)

    def name(self, table: str) -> str:
        return f"{self.target.prefix}{table}-{self.run}"

    def answers(self, operation: str, request: dict[str, Any]) -> tuple[Any, Any]:
        ours = outcome(self.model, operation, request)
        try:
            return ours, self.target.outcome(operation, request)
        except (AssertionError, AttributeError, KeyError, RuntimeError, TypeError, ValueError) as crash:
            if 1 not in self.target.left_out:
                raise
            assert ours[0] == "error", f"moto crashed ({crash!r}) on {operation}({request}), model {ours}"
            return ours, ours

    def call(self, operation: str, *, ordered: bool = True, **request: Any) -> None:
        ours, theirs = self.answers(operation, request)
        if not ordered:
            ours, theirs = by_key(ours), by_key(theirs)
        assert ours == theirs, f"{operation}({request})\nmodel {ours}\n{self.target.name} {theirs}"

    def pages(self, operation: str, **request: Any) -> None:
        for _ in range(10):
            ours, theirs = self.answers(operation, request)
            last = ours.pop("LastEvaluatedKey", None) if isinstance(ours, dict) else None
            if last is not None and 5 in self.target.left_out and "LastEvaluatedKey" not in theirs:
                rest = outcome(self.model, operation, {**request, "ExclusiveStartKey": last})
                assert rest["ScannedCount"] == 0
            elif last is not None:
                assert theirs.pop("LastEvaluatedKey", None) == last
                request["ExclusiveStartKey"] = last
            assert ours == theirs, f"{operation}({request})\nmodel {ours}\n{self.target.name} {theirs}"
            if request.get("ExclusiveStartKey") is not last or last is None:
                return
        raise AssertionError("pages do not end")


@pytest.fixture(scope="module")
def both(target: Target) -> Both:
    return Both(target)


def machine(target: Target) -> type[RuleBasedStateMachine]:
    calls = Calls(target.left_out)
    maybe = st.none() | calls.conditions
    which = number_form if 32 in target.left_out else None

    class Machine(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.both = Both(target)

        def put_request(self, data: st.DataObject, table: str, condition: Any) -> dict[str, Any]:
            item = {**data.draw(calls.attributes), **data.draw(calls.keys(table))}
            return {"TableName": self.both.name(table), "Item": item, **bound(ConditionExpression=condition)}

        @rule(data=st.data(), table=tables, condition=maybe, old=st.booleans(), say=st.booleans())
        def put(self, data: st.DataObject, table: str, condition: Any, old: bool, say: bool) -> None:
            request = self.put_request(data, table, condition)
            request["ReturnValues"] = "ALL_OLD" if old else "NONE"
            request["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD" if say else "NONE"
            self.both.call("put_item", **request)

        @rule(data=st.data(), table=tables, condition=maybe)
        def delete(self, data: st.DataObject, table: str, condition: Any) -> None:
            key, given = data.draw(calls.keys(table)), bound(ConditionExpression=condition)
            name = self.both.name(table)
            self.both.call("delete_item", TableName=name, Key=key, ReturnValues="ALL_OLD", **given)

        @rule(data=st.data(), table=tables, update=calls.updates, condition=maybe)
        def update(self, data: st.DataObject, table: str, update: Any, condition: Any) -> None:
            key, given = data.draw(calls.keys(table)), bound(UpdateExpression=update, ConditionExpression=condition)
            name = self.both.name(table)
            self.both.call("update_item", TableName=name, Key=key, ReturnValues="ALL_NEW", **given)

        @rule(data=st.data(), table=tables)
        def get(self, data: st.DataObject, table: str) -> None:
            self.both.call("get_item", TableName=self.both.name(table), Key=data.draw(calls.keys(table)))

        @rule(
            table=st.sampled_from(["ranged", "numbered"]),
            forward=st.booleans(),
            op=st.sampled_from(["", "=", "<", "<=", ">", ">=", "BETWEEN"]),
            filtered=maybe,
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
            self.both.pages("query", TableName=self.both.name(table), ScanIndexForward=forward, **request)

        @rule(table=tables, filtered=maybe)
        def scan(self, table: str, filtered: Any) -> None:
            given = bound(FilterExpression=filtered)
            self.both.call("scan", ordered=False, TableName=self.both.name(table), **given)  # PARITY 8

        @rule(data=st.data(), table=tables)
        def transact(self, data: st.DataObject, table: str) -> None:
            name, items = self.both.name(table), []
            for key in data.draw(st.lists(calls.keys(table), min_size=1, max_size=3, unique_by=which)):
                condition = data.draw(calls.conditions)
                shape = data.draw(st.sampled_from(["Put", "Delete", "Update", "ConditionCheck"]))
                if shape == "Put":
                    wanted = self.put_request(data, table, condition)
                    wanted["Item"] |= key
                elif shape == "Update":
                    update = ("SET #x = ?", [{"S": data.draw(st.sampled_from("ab"))}])
                    given = bound(UpdateExpression=update, ConditionExpression=condition)
                    wanted = {"TableName": name, "Key": key, **given}
                else:
                    wanted = {"TableName": name, "Key": key, **bound(ConditionExpression=condition)}
                wanted["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
                items.append({shape: wanted})
            self.both.call("transact_write_items", TransactItems=items)

        @rule(data=st.data(), table=tables)
        def batches(self, data: st.DataObject, table: str) -> None:
            name = self.both.name(table)
            keys = data.draw(st.lists(calls.keys(table), min_size=1, max_size=3, unique_by=number_form))
            writes = [
                {"DeleteRequest": {"Key": key}}
                if data.draw(st.booleans())
                else {"PutRequest": {"Item": {**data.draw(calls.attributes), **key}}}
                for key in keys
            ]
            self.both.call("batch_write_item", RequestItems={name: writes})
            reads = {name: {"Keys": keys, "ConsistentRead": True}}
            self.both.call("batch_get_item", ordered=False, RequestItems=reads)
            gets = [{"Get": {"TableName": name, "Key": key}} for key in keys]
            self.both.call("transact_get_items", TransactItems=gets)

    return Machine


class ForgetfulDynamoDB(DynamoDB):
    """Does not look at the condition of a delete."""

    def delete_item(self, **request: Any) -> Any:
        bound_by_it = ("ConditionExpression", "ExpressionAttributeNames", "ExpressionAttributeValues")
        return super().delete_item(**{name: value for name, value in request.items() if name not in bound_by_it})


def test_dynamodb_model_with_a_fault_is_found_out(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "DynamoDB", ForgetfulDynamoDB)
    with pytest.raises(AssertionError, match="delete_item"):
        run_agreement(target)


def test_dynamodb_model_and_target_agree_on_random_calls(target: Target) -> None:
    run_agreement(target)


def run_agreement(target: Target) -> None:
    run_state_machine_as_test(
        machine(target),
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


@pytest.mark.parametrize("case", cases(str))
def test_dynamodb_model_and_target_agree_on_odd_calls(case: str, both: Both) -> None:
    if case in CASES_LEFT_OUT[both.target.name]:
        pytest.skip("PARITY.md has it")
    operation, request = cases(both.name)[case]
    both.call(operation, **request)


def number_form(key: dict[str, Any]) -> str:
    """Equal for two spellings of one key."""
    return repr(
        sorted(
            (name, kind, float(each) if kind == "N" else each)
            for name, value in key.items()
            for kind, each in value.items()
        )
    )


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
