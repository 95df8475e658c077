"""Each way to get a service, for real: it answers on loopback, is emptied, and leaves nothing when it is stopped."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emulators import WAYS, listeners, questions, start
from emulators.processes import can_bind, started_at

pytestmark = pytest.mark.emulated

READY_S = 20.0
"""All but containers and LocalStack are to be ready by then."""


def dynamodb(url: str) -> Callable[[], int]:
    client = questions.aws_client("dynamodb", url)
    client.create_table(
        TableName="mine",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return lambda: len(client.list_tables()["TableNames"])


def sqs(url: str) -> Callable[[], int]:
    client = questions.aws_client("sqs", url)
    queue = client.create_queue(QueueName="mine")["QueueUrl"]
    client.send_message(QueueUrl=queue, MessageBody="one")
    assert len(client.receive_message(QueueUrl=queue, WaitTimeSeconds=5)["Messages"]) == 1
    return lambda: len(client.list_queues().get("QueueUrls", ()))


def s3(url: str) -> Callable[[], int]:
    client = questions.aws_client("s3", url)
    client.create_bucket(Bucket="mine", CreateBucketConfiguration={"LocationConstraint": questions.REGION})
    client.put_object(Bucket="mine", Key="k", Body=b"v")
    return lambda: len(client.list_buckets()["Buckets"])


def firestore(url: str) -> Callable[[], int]:
    from google.auth.credentials import AnonymousCredentials
    from google.cloud.firestore import Client

    os.environ["FIRESTORE_EMULATOR_HOST"] = url
    client = Client(project=questions.PROJECT, credentials=AnonymousCredentials())
    del os.environ["FIRESTORE_EMULATOR_HOST"]
    client.document("mine/one").create({"x": 1})
    return lambda: len(list(client.collection("mine").stream()))


def pubsub(url: str) -> Callable[[], int]:
    topic = f"projects/{questions.PROJECT}/topics/mine"
    questions.call(f"{url}/v1/{topic}", "PUT", b"{}", {"Content-Type": "application/json"})
    return lambda: questions.call(f"{url}/v1/projects/{questions.PROJECT}/topics")[1].count(b'"name"')


def redis(url: str) -> Callable[[], int]:
    from redis import Redis

    client = Redis.from_url(url)
    client.set("mine", 1)
    return lambda: int(client.dbsize())


def postgres(url: str) -> Callable[[], int]:
    import sqlalchemy as sa

    from clef_runtime import sql

    def count() -> int:
        engine = sql.engine(url)
        found = len(sa.inspect(engine).get_table_names())
        engine.dispose()
        return found

    engine = sql.engine(url)
    sql.create_schema(engine, "mine-")
    engine.dispose()
    return count


def gcs(url: str) -> Callable[[], int]:
    headers = {"Content-Type": "application/json"}
    status, _ = questions.call(f"{url}/storage/v1/b?project=p", "POST", b'{"name": "mine"}', headers)
    assert status == 200
    return lambda: questions.call(f"{url}/storage/v1/b?project=p")[1].count(b'"mine"')


WRITE: dict[str, Callable[[str], Callable[[], int]]] = {
    "dynamodb": dynamodb,
    "sqs": sqs,
    "s3": s3,
    "firestore": firestore,
    "pubsub": pubsub,
    "redis": redis,
    "postgres": postgres,
    "gcs": gcs,
}


def must_be_here(name: str) -> None:
    missing = WAYS[name].missing()
    if missing and WAYS[name].kind != "container" and os.environ.get("CLEF_REQUIRE_BACKENDS") == "1":
        pytest.fail(f"{name}: {missing}")
    if missing:
        pytest.skip(f"{name}: {missing}")


@pytest.mark.parametrize("name", WAYS)
@pytest.mark.filterwarnings("default::ResourceWarning")  # of clients whose service is gone
def test_way_serves_is_emptied_and_leaves_nothing(name: str) -> None:
    must_be_here(name)
    way = WAYS[name]
    fleet = start(way.serves, [name])
    try:
        member = fleet.members[0]
        pids = listeners.descendants(member.pid)
        for host, _ in listeners.of(member.pid) or ():
            assert listeners.loopback(host)
        counts = {service: WRITE[service](member.urls[service]) for service in way.serves}
        assert all(count() for count in counts.values())
        fleet.empty()
        assert {service: count() for service, count in counts.items()} == dict.fromkeys(way.serves, 0)
        pids = sorted({*pids, *listeners.descendants(member.pid)})
    finally:
        fleet.stop()
    assert [pid for pid in pids if started_at(pid)] == []
    assert not Path(member.folder).exists()
    assert can_bind(member.port) or not member.port
    if way.kind != "container":
        assert member.ready_s < (40.0 if name == "localstack" else READY_S)


def test_services_of_different_ways_start_together() -> None:
    for name in ("dynamodb-local", "ministack", "redis-server"):
        must_be_here(name)
    fleet = start(["dynamodb", "sqs", "s3", "redis"], environ={})
    try:
        assert fleet["dynamodb"].way == "dynamodb-local"
        assert fleet["sqs"] is fleet["s3"]
        assert fleet["redis"].answers()
        assert max(member.ready_s for member in fleet.members) < READY_S
    finally:
        fleet.stop()


def test_fixtures_lead_to_services_that_answer(redis_service: Any) -> None:
    assert redis_service.answers()
    assert redis_service.env == {"REDIS_URL": redis_service.endpoint}
