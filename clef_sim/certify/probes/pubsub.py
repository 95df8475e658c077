"""Pub/Sub: ack deadlines."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from google.api_core.exceptions import AlreadyExists

from clef_runtime import google
from clef_runtime.deploy.google_clients import pubsub_publisher, pubsub_subscriber
from clef_runtime.errors import Indeterminate
from clef_runtime.google import ONCE
from clef_runtime.retry import NO_RETRY
from clef_sim.certify.probes import Moment

_WAIT_S = 0.3
"""For messages, where there are none: a pull is answered in steps of 0.05 s."""


class Probe:
    def __init__(self, env: Mapping[str, str]) -> None:
        self._project = env.get("CLEF_PROJECT") or os.environ.get("CLEF_PROJECT", "")
        self._publisher, self._subscriber = pubsub_publisher(), pubsub_subscriber()
        self._call = google.caller(Moment(), NO_RETRY)

    def prepare(self, name: str) -> None:
        """Each series has a topic and a subscription of its own."""

    def make_queue(self, name: str, visibility_s: float) -> None:
        topic = f"projects/{self._project}/topics/{name}"
        request = {"name": self._of(name), "topic": topic, "ack_deadline_seconds": int(visibility_s)}
        with suppress(AlreadyExists):
            self._publisher.create_topic(request={"name": topic}, **ONCE)
        with suppress(AlreadyExists):
            self._subscriber.create_subscription(request=request, **ONCE)

    def send(self, queue: str, bodies: list[str]) -> None:
        messages = [{"data": body.encode()} for body in bodies]
        request = {"topic": f"projects/{self._project}/topics/{queue}", "messages": messages}
        self._call(self._publisher.publish, {"request": request, **ONCE})

    def receive(self, queue: str) -> list[tuple[str, Any]]:
        request = {"subscription": self._of(queue), "max_messages": 10}
        try:
            found = self._call(self._subscriber.pull, {"request": request, **ONCE, "timeout": _WAIT_S})
        except Indeterminate:
            return []  # nothing came in time
        return [(each.message.data.decode(), each.ack_id) for each in found.received_messages]

    def delete(self, queue: str, handle: Any) -> None:
        request = {"subscription": self._of(queue), "ack_ids": [handle]}
        self._call(self._subscriber.acknowledge, {"request": request, **ONCE})

    def _of(self, queue: str) -> str:
        return f"projects/{self._project}/subscriptions/{queue}"
