"""Option C on the real SDK against moto: the deployed entry points, queues pumped by hand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from clef_runtime.deploy.manifest import load_manifest
from clef_runtime.deploy.names import Names
from clef_runtime.serverless.entry import build
from clef_runtime.serverless.lambda_handler import Handler, make_handler
from emulators.provision import create_queues, create_tables
from scenarios.apps.orders import app
from scenarios.requests.orders import REQUESTS

MANIFEST = "aws-event-driven"
REGIONS = iter(("us-east-1", "us-east-2", "us-west-1", "us-west-2"))


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    # Moto may be on already, for the contract suite: a region of its own holds none of its tables.
    monkeypatch.setenv("AWS_DEFAULT_REGION", next(REGIONS))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        yield


class Deployment:
    """Every function of the manifest, and the queues between them."""

    def __init__(self) -> None:
        names = Names(load_manifest(MANIFEST), app.name)
        dynamodb, self.sqs = boto3.client("dynamodb"), boto3.client("sqs")
        create_tables(load_manifest(MANIFEST), app, dynamodb)
        create_queues(load_manifest(MANIFEST), app, self.sqs)
        functions = names.functions(concept.name for concept in app.catalogue)
        self.queues = {names.queue_of(name): name for name in functions} | {names.completion_queue: names.evaluator}
        environment = {"CLEF_MANIFEST": MANIFEST, "CLEF_APP": "scenarios.apps.orders"}
        self.handlers: dict[str, Handler] = {
            name: make_handler(build({**environment, "CLEF_FUNCTION": name}))
            for name in [*functions, names.evaluator]
        }
        self.entry = self.handlers[names.function("Web")]

    def send(self, method: str, path: str, body: Any = None, request_id: str = "r1") -> tuple[int, Any]:
        event = {
            "version": "2.0",
            "rawPath": path,
            "rawQueryString": "",
            "headers": {"x-request-id": request_id, "content-type": "application/json"},
            "requestContext": {
                "requestId": request_id,
                "stage": "$default",
                "http": {"method": method, "path": path},
            },
            "body": None if body is None else json.dumps(body),
            "isBase64Encoded": False,
        }
        answer = self.entry(event, None)
        return answer["statusCode"], json.loads(answer["body"])

    def pump(self) -> int:
        """Delivers messages until no queue has one; says how many."""
        count = 0
        while delivered := sum(self._deliver(queue, function) for queue, function in self.queues.items()):
            count += delivered
        return count

    def _deliver(self, queue: str, function: str) -> int:
        url = self.sqs.get_queue_url(QueueName=queue)["QueueUrl"]
        messages = self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        if not messages:
            return 0
        records = [
            {
                "messageId": each["MessageId"],
                "receiptHandle": each["ReceiptHandle"],
                "body": each["Body"],
                "attributes": {},
                "eventSource": "aws:sqs",
                "eventSourceARN": f"arn:aws:sqs:us-east-1:123456789012:{queue}",
            }
            for each in messages
        ]
        assert self.handlers[function]({"Records": records}, None) == {"batchItemFailures": []}
        for each in messages:
            self.sqs.delete_message(QueueUrl=url, ReceiptHandle=each["ReceiptHandle"])
        return len(messages)


def test_order_on_real_sdk_ships_and_is_answered_under_its_flow(aws: None) -> None:
    deployment = Deployment()
    stock = REQUESTS.setup[0].template.at(0)
    assert deployment.send(stock.method, stock.path, stock.body, "stock")[0] == 202
    deployment.pump()
    order = REQUESTS.template("order").at(0)
    status, body = deployment.send(order.method, order.path, order.body, "order")
    assert status == 202
    assert deployment.send("GET", f"/_clef/flows/{body['flow']}")[0] == 404
    assert deployment.pump() >= 14
    status, answer = deployment.send("GET", f"/_clef/flows/{body['flow']}")
    assert (status, answer["status"]) == (201, "shipped")


def test_request_repeated_on_real_sdk_opens_the_same_flow_and_changes_nothing(aws: None) -> None:
    deployment = Deployment()
    stock = REQUESTS.setup[0].template.at(0)
    flows = {json.dumps(deployment.send(stock.method, stock.path, stock.body, "stock")[1]) for _ in range(2)}
    deployment.pump()
    assert len(flows) == 1
    _, body = deployment.send("GET", "/stock/article-0", request_id="look")
    deployment.pump()
    status, answer = deployment.send("GET", f"/_clef/flows/{body['flow']}")
    assert status == 200
    assert answer["available"] == 1_000_000
