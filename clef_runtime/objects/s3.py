"""Objects in S3."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from clef_runtime import aws
from clef_runtime.context import Clock
from clef_runtime.errors import Conflict, TooLarge
from clef_runtime.objects.base import Listed
from clef_runtime.retry import Retry

OBJECT_BYTES = 5 * 2**30
"""S3's limit for one PutObject."""


class S3Objects:
    """The objects of one bucket. See `Objects`.

    Args:
        client: an S3 client, made with `aws.client_config()`.
        retry: bounds of retries; every operation is idempotent, so that all are repeated.
    """

    def __init__(
        self,
        client: Any,
        bucket: str,
        clock: Clock,
        retry: Retry = Retry(),  # noqa: B008 - frozen
    ) -> None:
        self._client, self._bucket = client, bucket
        self._call = aws.caller(clock, retry).__call__

    def create(self, name: str, body: bytes) -> None:
        if len(body) > OBJECT_BYTES:
            raise TooLarge(
                f"object of {len(body)} bytes; bucket {self._bucket!r} takes {OBJECT_BYTES} in one request"
            )
        arguments = {**self._at(name), "Body": body, "ContentType": "application/json", "IfNoneMatch": "*"}
        try:
            self._call(self._client.put_object, arguments)
        except Conflict as conflict:
            if not conflict.after_doubt:  # else it is this call's own: nobody else has the name
                raise

    def get(self, name: str) -> bytes | None:
        body: bytes | None = self._call(self._read, self._at(name))
        return body

    def _read(self, **arguments: Any) -> bytes | None:
        # The body comes after the answer: a connection that breaks in between is a lost answer too.
        try:
            body: bytes = self._client.get_object(**arguments)["Body"].read()
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchKey":
                return None
            raise
        return body

    def delete(self, name: str) -> None:
        self._call(self._client.delete_object, self._at(name))

    def listed(self, prefix: str) -> Iterator[Listed]:
        arguments = {"Bucket": self._bucket, "Prefix": prefix}
        while True:
            answer = self._call(self._client.list_objects_v2, arguments)
            for each in answer.get("Contents", ()):
                yield Listed(each["Key"], each["LastModified"].timestamp())
            if not answer.get("IsTruncated"):
                return
            arguments = {**arguments, "ContinuationToken": answer["NextContinuationToken"]}

    def _at(self, name: str) -> dict[str, Any]:
        return {"Bucket": self._bucket, "Key": name}
