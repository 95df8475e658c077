"""S3: a put with `IfNoneMatch` or `IfMatch`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from clef_runtime import aws
from clef_runtime.deploy.aws_clients import AwsClients
from clef_runtime.errors import Conflict, Refused, Throttled
from clef_runtime.retry import NO_RETRY
from clef_sim.certify.probes import Moment, table_of


class Probe:
    def __init__(self, _: Mapping[str, str]) -> None:
        self.client = AwsClients().s3()

    def prepare(self, name: str) -> None:
        region = self.client.meta.region_name
        elsewhere = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        try:
            self.client.create_bucket(Bucket=name, **elsewhere)
        except ClientError as error:
            if error.response["Error"]["Code"] != "BucketAlreadyOwnedByYou":
                raise

    def contender(self, name: str) -> _Contender:
        return _Contender(self.client, table_of(name))


class _Contender:
    def __init__(self, client: Any, bucket: str) -> None:
        self._client, self._bucket = client, bucket
        self._call = aws.caller(Moment(), NO_RETRY)

    def create(self, key: str, value: str) -> bool:
        return self._put(key, value, {"IfNoneMatch": "*"})

    def read(self, key: str) -> tuple[str | None, Any]:
        try:
            found = self._call(self._client.get_object, {"Bucket": self._bucket, "Key": key})
        except Refused as error:
            if "NoSuchKey" not in str(error):
                raise
            return None, None
        with found["Body"] as body:
            return body.read().decode(), found["ETag"]

    def set(self, key: str, token: Any, value: str) -> bool:
        return self._put(key, value, {"IfNoneMatch": "*"} if token is None else {"IfMatch": token})

    def _put(self, key: str, value: str, condition: dict[str, Any]) -> bool:
        try:
            arguments = {"Bucket": self._bucket, "Key": key, "Body": value.encode(), **condition}
            self._call(self._client.put_object, arguments)
        except Refused as error:
            if "PreconditionFailed" in str(error):
                raise Conflict(str(error)) from error
            if "ConditionalRequestConflict" in str(error):  # another write is under way: nothing is said of it
                raise Throttled(str(error)) from error
            raise
        return True
