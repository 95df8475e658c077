"""The real SDK clients of an AWS deployment, each made once, with the SDK's own retries off (`aws.client_config`)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import boto3
from botocore.config import Config

from clef_runtime.aws import client_config
from clef_runtime.deploy.clients import CloudClients


class AwsClients(CloudClients):
    """What `Wiring` asks for, from boto3 and httpx. Endpoints, region and credentials are the environment's.
    Arguments as `CloudClients`."""

    def __init__(self, function_urls: Mapping[str, str] | None = None, engine: str = "") -> None:
        super().__init__(function_urls, engine)
        self._queue_urls: dict[str, str] = {}

    def dynamodb(self) -> Any:
        return self._dynamodb

    def sqs(self) -> Any:
        return self._sqs

    def s3(self) -> Any:
        return self._s3

    def queue_url(self, queue: str) -> str:
        """Raises what SQS raises where there is no such queue."""
        if queue not in self._queue_urls:
            self._queue_urls[queue] = self._sqs.get_queue_url(QueueName=queue)["QueueUrl"]
        return self._queue_urls[queue]

    @cached_property
    def _dynamodb(self) -> Any:
        return boto3.client("dynamodb", config=Config(**client_config()))

    @cached_property
    def _s3(self) -> Any:
        # An emulator answers at one address, which has no name for each bucket.
        named = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
        style = {"s3": {"addressing_style": "path"}} if named else {}
        return boto3.client("s3", config=Config(**client_config(), **style))

    @cached_property
    def _sqs(self) -> Any:
        return boto3.client("sqs", config=Config(**client_config()))
