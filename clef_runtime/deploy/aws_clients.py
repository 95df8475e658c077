"""The real SDK clients of an AWS deployment, each made once, with the SDK's own retries off (`aws.client_config`)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import boto3
import httpx
from botocore.config import Config

from clef_runtime.aws import client_config
from clef_runtime.errors import NotFound

HTTP_TIMEOUT_S = 35.0
"""Longer than a function of the templates may run (30 s)."""


class AwsClients:
    """What `Wiring` asks for, from boto3 and httpx. Endpoints, region and credentials are the environment's.

    Args:
        function_urls: by function name; needed where an engine invokes functions over HTTP (options A, B).
        engine: where option A's engine listens; empty in the other options.
    """

    def __init__(self, function_urls: Mapping[str, str] | None = None, engine: str = "") -> None:
        self._function_urls, self._engine = dict(function_urls or {}), engine
        self._queue_urls: dict[str, str] = {}

    def dynamodb(self) -> Any:
        return self._dynamodb

    def sqs(self) -> Any:
        return self._sqs

    def http(self) -> httpx.Client:
        return self._http

    def queue_url(self, queue: str) -> str:
        """Raises what SQS raises where there is no such queue."""
        if queue not in self._queue_urls:
            self._queue_urls[queue] = self._sqs.get_queue_url(QueueName=queue)["QueueUrl"]
        return self._queue_urls[queue]

    def function_url(self, function: str) -> str:
        if function not in self._function_urls:
            known = ", ".join(self._function_urls) or "none"
            raise NotFound(f"no URL of function {function!r}; given are {known}: name it in CLEF_FUNCTION_URLS")
        return self._function_urls[function].rstrip("/")

    def engine_url(self) -> str:
        if not self._engine:
            raise NotFound("no URL of the engine; set CLEF_ENGINE_URL")
        return self._engine.rstrip("/")

    @cached_property
    def _dynamodb(self) -> Any:
        return boto3.client("dynamodb", config=Config(**client_config()))

    @cached_property
    def _sqs(self) -> Any:
        return boto3.client("sqs", config=Config(**client_config()))

    @cached_property
    def _http(self) -> httpx.Client:
        return httpx.Client(timeout=HTTP_TIMEOUT_S)
