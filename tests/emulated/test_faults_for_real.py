"""Faults as they come, without a stand-in: nothing listens, a service dies, credentials are missing, a value or a
message is too large, a lock is held. Each time: a clear error in bounded time that says whether anything was done."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from google.auth.credentials import AnonymousCredentials
from google.cloud.firestore import Client, transactional

from clef_runtime import sql
from clef_runtime.aws import client_config
from clef_runtime.context import SystemClock
from clef_runtime.deploy.aws_clients import AwsClients
from clef_runtime.deploy.google_clients import GoogleClients
from clef_runtime.errors import (
    BadInput,
    ClefError,
    Indeterminate,
    NotFound,
    Refused,
    Throttled,
    TooLarge,
    Unreachable,
)
from clef_runtime.firestore import Documents
from clef_runtime.guard.firestore import FirestoreFiringGuard
from clef_runtime.model import Invocation, firing_id
from clef_runtime.redis import client as redis_client
from clef_runtime.redis import redis_commands
from clef_runtime.retry import Retry
from clef_runtime.storage.dynamodb import DynamoDBStorage, single_table
from clef_runtime.storage.redis import RedisStorage
from clef_runtime.storage.sql import SqlStorage
from clef_runtime.storage.upstash import client as upstash_client
from clef_runtime.storage.upstash import upstash_commands
from clef_runtime.transport.sqs import SqsDispatcher
from emulators import Running, running

pytestmark = [
    pytest.mark.emulated,
    pytest.mark.filterwarnings("default::ResourceWarning"),  # of clients whose service is gone
]

BOUND_S = 30.0
"""Four attempts, their pauses and their connection time-outs."""


class NoPauses(SystemClock):
    def sleep(self, seconds: float) -> None:
        """Nothing changes in between."""


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address at which nothing listens: the port is taken and not listened at."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{taken.getsockname()[1]}"


def _aws(service: str, url: str) -> Any:
    return boto3.client(
        service,
        endpoint_url=url,
        region_name="eu-central-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(**client_config()),
    )


def _dynamodb(address: str) -> Callable[[], object]:
    made = _aws("dynamodb", f"http://{address}")
    return lambda: DynamoDBStorage(made, table="t", concept="User", clock=NoPauses()).put("rows", "k", {"n": 1})


def _sqs(address: str) -> Callable[[], object]:
    made = _aws("sqs", f"http://{address}")
    dispatcher = SqsDispatcher(made, lambda _: f"http://{address}/000000000000/q", NoPauses())
    return lambda: dispatcher.send([_invocation()])


def _redis(address: str) -> Callable[[], object]:
    commands = redis_commands(redis_client(f"redis://{address}/0"), NoPauses())
    return lambda: RedisStorage(commands, prefix="p:", concept="User", clock=NoPauses()).put("rows", "k", {"n": 1})


def _upstash(address: str) -> Callable[[], object]:
    commands = upstash_commands(upstash_client(f"http://{address}", "token"), NoPauses())
    return lambda: RedisStorage(commands, prefix="p:", concept="User", clock=NoPauses()).put("rows", "k", {"n": 1})


def _sql(address: str) -> Callable[[], object]:
    engine = sql.engine(f"postgresql://postgres@{address}/postgres")
    return lambda: SqlStorage(engine, prefix="p-", concept="User", clock=NoPauses()).put("rows", "k", {"n": 1})


def _firestore(address: str) -> Callable[[], object]:
    before = os.environ.get("FIRESTORE_EMULATOR_HOST")
    os.environ["FIRESTORE_EMULATOR_HOST"] = address
    try:
        client = Client(project="p", credentials=AnonymousCredentials())
    finally:
        os.environ.pop("FIRESTORE_EMULATOR_HOST")
        if before:
            os.environ["FIRESTORE_EMULATOR_HOST"] = before
    return lambda: Documents(client, NoPauses(), Retry()).get("rows/k")


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (_dynamodb, Unreachable),
        (_sqs, Unreachable),
        (_redis, Indeterminate),
        (_upstash, Indeterminate),
        (_sql, Indeterminate),
        (_firestore, Indeterminate),
    ],
)
def test_wrong_endpoint_is_told_in_bounded_time(
    make: Callable[[str], Callable[[], object]], kind: type[ClefError], nobody: str
) -> None:
    call = make(nobody)
    began = time.monotonic()
    with pytest.raises(kind) as raised:
        call()
    assert time.monotonic() - began < BOUND_S
    assert ("nothing was sent" if kind is Unreachable else "may have been done") in str(raised.value)


def test_service_that_dies_is_unreachable_and_nothing_written_is_doubted() -> None:
    with running("dynamodb", ways=("ministack",)) as service:
        client = _aws("dynamodb", service.endpoint)
        client.create_table(**single_table("rows"))
        storage = DynamoDBStorage(client, table="rows", concept="User", clock=NoPauses())
        storage.put("rows", "k", {"n": 1})
        assert storage.get("rows", "k") == {"n": 1}
    with pytest.raises(ClefError) as raised:
        storage.put("rows", "k", {"n": 2})
    # The connection that was open may have carried the call; without any, it was surely not sent.
    assert isinstance(raised.value, Unreachable | Indeterminate)
    with pytest.raises(Unreachable, match="nothing was sent"):
        DynamoDBStorage(_aws("dynamodb", service.endpoint), table="t", concept="User", clock=NoPauses()).get(
            "rows", "k"
        )


def test_missing_table_and_queue_are_named(dynamodb_service: Running, sqs_service: Running) -> None:
    storage = DynamoDBStorage(
        _aws("dynamodb", dynamodb_service.endpoint), table="not-there", concept="User", clock=NoPauses()
    )
    with pytest.raises(NotFound, match=r"'not-there'.*create it, or correct its name"):
        storage.get("rows", "k")
    url = f"{sqs_service.endpoint}/000000000000/not-there"
    with pytest.raises(NotFound, match=r"not-there.*create it, or correct its name"):
        SqsDispatcher(_aws("sqs", sqs_service.endpoint), lambda _: url, NoPauses()).send([_invocation()])


def test_credentials_that_are_not_there_are_a_refusal(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    for name in list(os.environ):
        if name.startswith(("AWS_", "GOOGLE_", "CLEF_PROJECT", "FIRESTORE_", "PUBSUB_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # it keeps what it has found
    storage = DynamoDBStorage(AwsClients().dynamodb(), table="t", concept="User", clock=NoPauses())
    with pytest.raises(Refused, match="NoCredentialsError: Unable to locate credentials") as raised:
        storage.get("rows", "k")
    assert raised.value.definite
    with pytest.raises(BadInput, match="no project and no credentials"):
        GoogleClients().firestore()


def test_value_over_the_items_limit_is_too_large_and_leaves_the_old_one(dynamodb_service: Running) -> None:
    client = _aws("dynamodb", dynamodb_service.endpoint)
    client.create_table(**single_table("large"))
    storage = DynamoDBStorage(client, table="large", concept="User", clock=NoPauses())
    storage.put("rows", "k", {"n": 1})
    with pytest.raises(TooLarge):
        storage.put("rows", "k", {"text": "x" * 410_000})
    assert storage.get("rows", "k") == {"n": 1}
    client.delete_table(TableName="large")


def test_message_over_the_queues_limit_is_too_large_and_nothing_is_sent(sqs_service: Running) -> None:
    client = _aws("sqs", sqs_service.endpoint)
    url = client.create_queue(QueueName="large")["QueueUrl"]
    large = _invocation("x" * 300_000)
    with pytest.raises(TooLarge):
        SqsDispatcher(client, lambda _: url, NoPauses()).send([_invocation(), large])
    assert client.receive_message(QueueUrl=url, WaitTimeSeconds=0).get("Messages", []) == []
    client.delete_queue(QueueUrl=url)


@pytest.mark.slow
def test_transaction_that_is_aborted_each_time_is_throttled_and_wins_once_the_lock_is_free(
    firestore_service: Running,
) -> None:
    os.environ.update(firestore_service.env)
    client = Client(project="aborted")
    guard = FirestoreFiringGuard(client, "guards", NoPauses(), retry=Retry(attempts=5))
    path = guard._path("once-", firing_id("S", ["c1"]))
    entered, leave = threading.Event(), threading.Event()

    @transactional
    def holder(transaction: Any) -> None:
        client.document(path).get(transaction=transaction)
        entered.set()
        leave.wait(60)

    thread = threading.Thread(target=lambda: holder(client.transaction()))
    thread.start()
    entered.wait(10)
    try:
        with pytest.raises(Throttled, match="Aborted"):
            guard.try_acquire(["c1"], "S")
    finally:
        leave.set()
        thread.join()
    assert guard.try_acquire(["c1"], "S") is True
    assert guard.try_acquire(["c1"], "S") is False


def _invocation(text: str = "") -> Invocation:
    return Invocation(
        id=f"i{len(text)}",
        concept="urn:clef/User",
        action="register",
        input={"text": text},
        flow="f1",
        timestamp="2026-01-01T00:00:00Z",
        sync="S",
        matched_ids=("c1",),
    )
