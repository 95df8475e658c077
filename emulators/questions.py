"""Whether a service answers, asked in its own protocol; and how to empty it, in the same.

Every function takes the service's URL as the variables have it. Questions never raise: no answer is False.
"""

from __future__ import annotations

import http.client
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

TIMEOUT_S = 2.0
"""Of a question: it is asked again."""

_EMPTY_S = 30.0
"""Of emptying; the first call of a program that has just started may take seconds."""

REGION = "eu-central-1"
"""Where the emulators' tables and queues are; they take any."""

PROJECT = "clef-local"
"""The Google Cloud project of the variables."""


def call(
    url: str,
    method: str = "GET",
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
    *,
    timeout_s: float = _EMPTY_S,
) -> tuple[int, bytes]:
    """One HTTP request to `host:port/..` or `http://host:port/..`; status and body. No proxy is asked.

    Raises:
        OSError: no answer.
    """
    parts = urlsplit(url if "://" in url else f"http://{url}")
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=timeout_s)
    try:
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    except http.client.HTTPException as error:
        raise OSError(f"no HTTP answer: {error!r}") from error
    finally:
        connection.close()


def dynamodb(url: str) -> bool:
    headers = {"X-Amz-Target": "DynamoDB_20120810.ListTables", "Content-Type": "application/x-amz-json-1.0"}
    return _answers(url, b"TableNames", "POST", b"{}", {**headers, **_signed("dynamodb")})


def sqs(url: str) -> bool:
    headers = {"X-Amz-Target": "AmazonSQS.ListQueues", "Content-Type": "application/x-amz-json-1.0"}
    return _answers(url, b"{", "POST", b"{}", {**headers, **_signed("sqs")})


def s3(url: str) -> bool:
    return _answers(url, b"ListAllMyBucketsResult", headers=_signed("s3"))


def firestore(url: str) -> bool:
    return _answers(url, b"Ok")


pubsub = firestore


def gcs(url: str) -> bool:
    return _answers(f"{url}/storage/v1/b?project={PROJECT}", b"storage#buckets")


def redis(url: str) -> bool:
    from redis import Redis
    from redis.exceptions import RedisError

    with Redis.from_url(url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S) as client:
        try:
            return bool(client.ping())
        except RedisError:
            return False


def sql(url: str) -> bool:
    if url.startswith("sqlite:"):
        return Path(url.removeprefix("sqlite:///")).parent.is_dir()
    from psycopg import Error

    try:
        with _postgres(url) as connection:
            return bool(connection.execute("select 1").fetchone())
    except Error:
        return False


def _postgres(url: str) -> Any:
    from psycopg import connect

    scheme, _, rest = url.partition("://")
    return connect(f"{scheme.partition('+')[0]}://{rest}", connect_timeout=2, autocommit=True)


def _answers(
    url: str, expected: bytes, method: str = "GET", body: bytes | None = None, headers: dict[str, str] | None = None
) -> bool:
    try:
        status, found = call(url, method, body, headers, timeout_s=TIMEOUT_S)
    except OSError:
        return False
    return status == 200 and expected in found


def _signed(service: str) -> dict[str, str]:
    """Emulators look for the service's name in the credential, not at the signature."""
    credential = f"test/20260101/{REGION}/{service}/aws4_request"
    return {
        "Authorization": f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host, Signature=0",
        "X-Amz-Date": "20260101T000000Z",
    }


# ---- emptying


def empty_dynamodb(url: str) -> None:
    client = aws_client("dynamodb", url)
    for page in client.get_paginator("list_tables").paginate():
        for table in page["TableNames"]:
            client.delete_table(TableName=table)


def empty_sqs(url: str) -> None:
    client = aws_client("sqs", url)
    for page in client.get_paginator("list_queues").paginate():
        for queue in page.get("QueueUrls", ()):
            client.delete_queue(QueueUrl=queue)


def empty_s3(url: str) -> None:
    client = aws_client("s3", url)
    for bucket in client.list_buckets()["Buckets"]:
        name = bucket["Name"]
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=name):
            for each in page.get("Contents", ()):
                client.delete_object(Bucket=name, Key=each["Key"])
        client.delete_bucket(Bucket=name)


def aws_client(service: str, url: str) -> Any:
    """A boto3 client of an emulator."""
    import boto3
    from botocore.config import Config

    return boto3.client(
        service,
        endpoint_url=url,
        region_name=REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",  # noqa: S106 - what emulators take
        config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
    )


def empty_firestore(url: str) -> None:
    """Of the project of the variables alone: there is no list of projects."""
    call(f"{url}/emulator/v1/projects/{PROJECT}/databases/(default)/documents", "DELETE")


def empty_pubsub(url: str) -> None:
    """Of the project of the variables alone: there is no list of projects."""
    for kind in ("subscriptions", "topics"):
        for name in _names(url, kind):
            call(f"{url}/v1/{name}", "DELETE")


def _names(url: str, kind: str) -> list[str]:
    _, body = call(f"{url}/v1/projects/{PROJECT}/{kind}?pageSize=1000")
    return [each["name"] for each in msgspec.json.decode(body or b"{}").get(kind, ())]


def empty_redis(url: str) -> None:
    from redis import Redis

    with Redis.from_url(url) as client:
        client.flushall()


def empty_postgres(url: str) -> None:
    with _postgres(url) as connection:
        connection.execute("drop schema public cascade")
        connection.execute("create schema public")


def empty_gcs(url: str) -> None:
    call(f"{url}/_internal/delete_all", "POST")
