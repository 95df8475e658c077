"""Creates what is missing of a manifest's tables, queues, topics and schema, on whatever answers the SDK calls."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import Any

import msgspec
from botocore.exceptions import ClientError

from clef_runtime.action_log.dynamodb import log_table
from clef_runtime.app import App
from clef_runtime.deploy.manifest import Manifest
from clef_runtime.deploy.names import Names
from clef_runtime.guard.dynamodb import guard_table
from clef_runtime.storage.dynamodb import prefixed_table, single_table

_TIMEOUT_S = 10.0
"""Of a call to Pub/Sub."""

_RETRY_POLICY = {"minimum_backoff": timedelta(seconds=10), "maximum_backoff": timedelta(seconds=600)}
"""Pub/Sub's defaults for one. Without any, a refused message comes again at once: what waits for a lease to end would
be a dead letter before it does."""


def create_tables(manifest: Manifest, app: App, dynamodb: Any) -> list[str]:
    """Creates what is missing of the tables of storage, action log and guard that are on DynamoDB; returns their
    names. One of another shape that is there is left as it is.

    Raises:
        botocore's ClientError: the service refused one; those before it stand.
    """
    names = Names(manifest, app.name)
    tables: list[tuple[dict[str, Any], bool]] = []
    if "dynamodb" in manifest.storage.row_kinds:
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
        if _create_table(dynamodb, table) and expires:
            dynamodb.update_time_to_live(
                TableName=table["TableName"],
                TimeToLiveSpecification={"Enabled": True, "AttributeName": "ttl"},
            )
    return [table["TableName"] for table, _ in tables]


def _create_table(dynamodb: Any, table: dict[str, Any]) -> bool:
    """False where it is there."""
    try:
        dynamodb.create_table(**table)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceInUseException":
            raise
        return False
    return True


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


def create_topics(manifest: Manifest, app: App, project: str, publisher: Any, subscriber: Any) -> list[str]:
    """Creates what is missing of the Pub/Sub topics that feed the manifest's functions, each with a subscription of
    its name, and its dead-letter topic with one; returns the topics' names. None where the transport is another.

    Raises:
        google.api_core's GoogleAPICallError: the service refused one; those before it stand.
    """
    if manifest.transport.kind != "pubsub":
        return []
    names = Names(manifest, app.name)
    functions = names.functions(concept.name for concept in app.catalogue)
    topics = [names.completion_queue, *(names.queue_of(function) for function in functions)]
    for topic in topics:
        dead = names.dead_letters(topic)
        _create_topic(manifest, project, dead, "", publisher, subscriber)
        _create_topic(manifest, project, topic, dead, publisher, subscriber)
    return topics


def _create_topic(manifest: Manifest, project: str, name: str, dead: str, publisher: Any, subscriber: Any) -> None:
    from google.api_core.exceptions import AlreadyExists

    transport = manifest.transport
    topic = f"projects/{project}/topics/{name}"
    request: dict[str, Any] = {
        "name": f"projects/{project}/subscriptions/{name}",
        "topic": topic,
        "ack_deadline_seconds": int(transport.visibility_timeout_s),
        "enable_message_ordering": transport.fifo,
    }
    if dead:
        request["dead_letter_policy"] = {
            "dead_letter_topic": f"projects/{project}/topics/{dead}",
            "max_delivery_attempts": transport.max_receive_count,
        }
        request["retry_policy"] = _RETRY_POLICY
    with suppress(AlreadyExists):
        publisher.create_topic(name=topic, timeout=_TIMEOUT_S)
    with suppress(AlreadyExists):
        subscriber.create_subscription(request=request, timeout=_TIMEOUT_S)


def create_s3_bucket(manifest: Manifest, app: App, s3: Any, region: str = "") -> list[str]:
    """Creates the bucket of the manifest's large values where it is missing; returns its name. None where no storage
    is `blob`.

    Args:
        region: where it is to be; empty: us-east-1.

    Raises:
        botocore's ClientError: the service refused it.
    """
    if "blob" not in manifest.storage.kinds:
        return []
    name = Names(manifest, app.name).bucket
    place = {"CreateBucketConfiguration": {"LocationConstraint": region}} if region not in ("", "us-east-1") else {}
    try:
        s3.create_bucket(Bucket=name, **place)
    except ClientError as error:
        if error.response["Error"]["Code"] != "BucketAlreadyOwnedByYou":
            raise
    return [name]


def create_gcs_bucket(manifest: Manifest, app: App, gcs: Any) -> list[str]:
    """As `create_s3_bucket`, by a `google.cloud.storage.Client`.

    Raises:
        google.api_core's GoogleAPICallError: the service refused it.
    """
    if "blob" not in manifest.storage.kinds:
        return []
    from google.api_core.exceptions import Conflict

    name = Names(manifest, app.name).bucket
    with suppress(Conflict):  # it is there
        gcs.create_bucket(name, timeout=_TIMEOUT_S)
    return [name]


def create_schema(manifest: Manifest, app: App, url: str) -> list[str]:
    """Creates what is missing of the SQL tables of storage, action log and guard; returns their names.

    Raises:
        Refused, Throttled, Indeterminate: as `sql.create_schema`.
    """
    if "sql" not in (*manifest.storage.row_kinds, manifest.action_log.kind, manifest.guard.kind):
        return []
    from clef_runtime import sql

    prefix = Names(manifest, app.name).table_prefix
    engine = sql.engine(url)
    try:
        sql.create_schema(engine, prefix)
    finally:
        engine.dispose()
    return [f"{prefix}{table}" for table in ("state", "log", "guard")]
