"""S3 on a real service: boto3's calls as they are."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from botocore.response import StreamingBody

from clef_sim.emulated.aws_sdk import Sdk
from clef_sim.emulated.backends import Backend, BackendFailed


class EmulatedS3:
    """As the model `services.objects.s3.S3`, on a service that runs. Buckets are empty at first in each run.

    Raises (from every method):
        BackendFailed: no answer, or one that only the backend can be blamed for.
    """

    def __init__(self, backend: Backend) -> None:
        self._sdk = Sdk(backend)

    def create_bucket(self, **request: Any) -> Any:
        """Creates an empty bucket: one of the same name that is there is emptied."""
        name = request["Bucket"]
        with suppress(ClientError, BackendFailed):  # it is not there
            while found := self._sdk.list_objects_v2(Bucket=name).get("Contents", ()):
                for each in found:
                    self._sdk.delete_object(Bucket=name, Key=each["Key"])
            return {"Location": f"/{name}"}
        return self._sdk.create_bucket(**request)

    def get_object(self, **request: Any) -> Any:
        """The body has arrived when the answer has."""
        answer = self._sdk.get_object(**request)
        try:
            body: bytes = answer["Body"].read()
        except BotoCoreError as error:
            raise self._sdk.failed(f"stopped answering: get_object: {type(error).__name__}: {error}") from error
        return {**answer, "Body": StreamingBody(io.BytesIO(body), len(body))}

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return getattr(self._sdk, name)  # type: ignore[no-any-return]  # whatever the SDK has
