"""What answers an instance's SDK calls: the cloud's clients, an emulator's, a simulation's."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cached_property
from typing import Any, NoReturn

import httpx

from clef_runtime.errors import BadInput, NotFound

HTTP_TIMEOUT_S = 35.0
"""Longer than a function of the templates may run (30 s)."""


class Clients:
    """All that `Wiring` may ask for. A deployment overrides what it has; the rest is BadInput that names it."""

    def dynamodb(self) -> Any:
        self._none("DynamoDB")

    def sqs(self) -> Any:
        self._none("SQS")

    def firestore(self) -> Any:
        self._none("Firestore")

    def s3(self) -> Any:
        self._none("S3")

    def gcs(self) -> Any:
        """A `google.cloud.storage.Client`."""
        self._none("Cloud Storage")

    def pubsub_publisher(self) -> Any:
        """A plain `google.pubsub_v1.PublisherClient`."""
        self._none("Pub/Sub")

    def sql(self) -> Any:
        """An SQLAlchemy engine, made by `sql.engine`."""
        self._none("SQL")

    def redis(self) -> Any:
        self._none("Redis")

    def upstash(self) -> Any:
        self._none("Upstash")

    def http(self) -> httpx.Client:
        self._none("HTTP")

    def queue_url(self, queue: str) -> str:
        """The URL of an SQS queue by its name."""
        self._none(f"SQS (queue {queue!r})")

    def topic(self, name: str) -> str:
        """The full name of a Pub/Sub topic, `projects/<project>/topics/<name>`."""
        self._none(f"Pub/Sub (topic {name!r})")

    def function_url(self, function: str) -> str:
        """Where a function is reached over HTTP, by its name."""
        self._none(f"HTTP (function {function!r})")

    def engine_url(self) -> str:
        """Where option A's engine is reached."""
        self._none("HTTP (the engine)")

    def _none(self, what: str) -> NoReturn:
        raise BadInput(f"no client of {what} here ({type(self).__name__}); choose another kind in the manifest")


class CloudClients(Clients):
    """HTTP among real functions and services, and what belongs to no cloud: the database of `DATABASE_URL`, the
    Redis of `REDIS_URL`, the Upstash of `UPSTASH_REDIS_REST_URL` and `UPSTASH_REDIS_REST_TOKEN`.

    Args:
        function_urls: by function name; needed where an engine invokes functions over HTTP (options A, B).
        engine: where option A's engine listens; empty in the other options.
    """

    def __init__(self, function_urls: Mapping[str, str] | None = None, engine: str = "") -> None:
        self._function_urls, self._engine = dict(function_urls or {}), engine

    def http(self) -> httpx.Client:
        return self._http

    def function_url(self, function: str) -> str:
        if function not in self._function_urls:
            known = ", ".join(self._function_urls) or "none"
            raise NotFound(f"no URL of function {function!r}; given are {known}: name it in CLEF_FUNCTION_URLS")
        return self._function_urls[function].rstrip("/")

    def engine_url(self) -> str:
        if not self._engine:
            raise NotFound("no URL of the engine; set CLEF_ENGINE_URL")
        return self._engine.rstrip("/")

    def sql(self) -> Any:
        return self._sql

    def redis(self) -> Any:
        return self._redis

    def upstash(self) -> Any:
        return self._upstash

    @cached_property
    def _http(self) -> httpx.Client:
        return httpx.Client(timeout=HTTP_TIMEOUT_S)

    @cached_property
    def _sql(self) -> Any:
        from clef_runtime.sql import engine

        return engine(_named("DATABASE_URL", "kind sql"))

    @cached_property
    def _redis(self) -> Any:
        from clef_runtime.redis import client

        return client(_named("REDIS_URL", "kind redis"))

    @cached_property
    def _upstash(self) -> Any:
        from clef_runtime.storage.upstash import client

        url = _named("UPSTASH_REDIS_REST_URL", "kind upstash")
        return client(url, _named("UPSTASH_REDIS_REST_TOKEN", "kind upstash"))


def _named(variable: str, needed_by: str) -> str:
    value = os.environ.get(variable, "")
    if not value:
        raise BadInput(f"the environment variable {variable} is not set; {needed_by} needs it")
    return value
