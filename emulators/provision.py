"""Creates a manifest's tables and queues, on whatever answers the SDK calls."""

from __future__ import annotations

from typing import Any

import msgspec

from clef_runtime.action_log.dynamodb import log_table
from clef_runtime.app import App
from clef_runtime.deploy.manifest import Manifest
from clef_runtime.deploy.names import Names
from clef_runtime.guard.dynamodb import guard_table
from clef_runtime.storage.dynamodb import prefixed_table, single_table


def create_tables(manifest: Manifest, app: App, dynamodb: Any) -> list[str]:
    """Creates the tables of storage, action log and guard that are on DynamoDB; returns their names.

    Raises:
        botocore's ClientError: the service refused one; those before it stand.
    """
    names = Names(manifest, app.name)
    tables: list[tuple[dict[str, Any], bool]] = []
    if "dynamodb" in manifest.storage.kinds:
        if manifest.storage.layout == "single":
            tables.append((single_table(names.storage_table), False))
        else:
            tables += [
                (prefixed_table(names.table_prefix, concept.name, relation), False)
                for concept in app.catalogue
                for relation in concept.relations
            ]
    if manifest.action_log.kind == "dynamodb":
        tables.append((log_table(names.log_table), manifest.action_log.ttl_s is not None))
    if manifest.guard.kind == "dynamodb":
        tables.append((guard_table(names.guard_table), manifest.guard.ttl_s is not None))
    for table, expires in tables:
        dynamodb.create_table(**table)
        if expires:
            dynamodb.update_time_to_live(
                TableName=table["TableName"],
                TimeToLiveSpecification={"Enabled": True, "AttributeName": "ttl"},
            )
    return [table["TableName"] for table, _ in tables]


def create_queues(manifest: Manifest, app: App, sqs: Any) -> dict[str, str]:
    """Creates the queues that feed the manifest's functions, each with its dead-letter queue; returns their
    URLs by name. None where completions travel over HTTP.

    Raises:
        botocore's ClientError: the service refused one; those before it stand.
    """
    if manifest.transport.kind != "sqs":
        return {}
    names = Names(manifest, app.name)
    functions = names.functions(concept.name for concept in app.catalogue)
    queues = [names.completion_queue, *(names.queue_of(function) for function in functions)]
    return {queue: _create_queue(manifest, names, queue, sqs) for queue in queues}


def _create_queue(manifest: Manifest, names: Names, queue: str, sqs: Any) -> str:
    transport = manifest.transport
    fifo = {"FifoQueue": "true"} if transport.fifo else {}
    dead = sqs.create_queue(QueueName=names.dead_letters(queue), Attributes=fifo)["QueueUrl"]
    found = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])
    redrive = {
        "deadLetterTargetArn": found["Attributes"]["QueueArn"],
        "maxReceiveCount": transport.max_receive_count,
    }
    attributes = {
        **fifo,
        "VisibilityTimeout": str(int(transport.visibility_timeout_s)),
        "RedrivePolicy": msgspec.json.encode(redrive).decode(),
    }
    url: str = sqs.create_queue(QueueName=queue, Attributes=attributes)["QueueUrl"]
    return url
