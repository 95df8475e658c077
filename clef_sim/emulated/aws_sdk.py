"""boto3's clients of a backend: each call is made once, and a backend that fails ends the run."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError
from botocore.parsers import ResponseParserError

from clef_runtime.aws import client_config
from clef_sim.emulated.backends import Backend, BackendFailed

REGION = "us-east-1"

_BLAMED = {
    "ResourceNotFoundException": "lacks what the run created in it",
    "QueueDoesNotExist": "lacks what the run created in it",
    "AWS.SimpleQueueService.NonExistentQueue": "lacks what the run created in it",
    "NoSuchBucket": "lacks what the run created in it",
    "UnrecognizedClientException": "does not take the emulators' credentials (test, test)",
    "InvalidClientTokenId": "does not take the emulators' credentials (test, test)",
    "InvalidSignatureException": "does not take the emulators' credentials (test, test)",
    "AccessDeniedException": "does not take the emulators' credentials (test, test)",
}
"""Errors that no code of the app can be the cause of: the run creates all that its manifest names."""


@lru_cache(maxsize=16)
def client(service: str, url: str) -> Any:
    """One for each endpoint: making one takes longer than hundreds of calls."""
    return boto3.client(
        service,
        endpoint_url=url,
        region_name=REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",  # noqa: S106 - what emulators take
        config=Config(**client_config()),
    )


class Sdk:
    """A client of `backend`, method by method. Errors that are the service's answer are raised as the SDK has them.

    Raises (from every method):
        BackendFailed: no answer, or one that only the backend can be blamed for.
    """

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self._client = client(backend.service, backend.url)
        self.exceptions = self._client.exceptions

    def __getattr__(self, name: str) -> Callable[..., Any]:
        getattr(self._client, name)  # what the SDK lacks is an AttributeError now

        def call(**request: Any) -> Any:
            try:
                return self.answered(name, **request)
            except ClientError as error:
                blame = _BLAMED.get(error.response["Error"].get("Code", ""))
                if blame is None:
                    raise
                raise self.failed(f"{blame}: {error}") from error

        self.__dict__[name] = call  # so that this is made once
        return call

    def answered(self, name: str, **request: Any) -> Any:
        """One call, whatever the service answers being the SDK's own error: for what need not be there."""
        try:
            return getattr(self._client, name)(**request)
        except ParamValidationError:
            raise
        except (BotoCoreError, ResponseParserError) as error:
            raise self.failed(f"stopped answering: {name}: {type(error).__name__}: {error}") from error

    def failed(self, words: str) -> BackendFailed:
        """What to raise where the backend is to blame."""
        return BackendFailed(self.backend, words)
