"""Pub/Sub's pushes to a live process, by hand: pulled, and handed to the function as the service pushes them."""

from __future__ import annotations

import base64
import json
import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from google.api_core.exceptions import DeadlineExceeded, GoogleAPICallError

from clef_runtime.context import SystemClock
from clef_runtime.google import ONCE
from clef_runtime.serverless.cloud_function_handler import MESSAGES_PATH, HttpHandler
from clef_sim.history import History
from clef_sim.live.feeds import QueueFaults
from clef_sim.live.instance import LiveInstance
from clef_sim.platform.http_function import FunctionRequest

_log = logging.getLogger(__name__)

_PULL_S = 30.0
"""Of one pull. Long: a message that is on its way when a pull is given up waits for its ack deadline."""

_PAUSE_S = 0.5

BACKOFF_S = 10
"""Before a message that was refused comes again: the least of the subscriptions' retry policy, which the emulator
ignores."""


class Traffic:
    """Which messages were published and which are done with: Pub/Sub does not say how many wait. All processes write
    into one file."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "traffic"
        self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def applied(self, call: str, kwargs: dict[str, Any]) -> None:
        """An SDK call was done."""
        if call == "pubsub.Publish":
            os.write(self._file, b"+\n" * len(kwargs["request"]["messages"]))

    def done(self, message: str) -> None:
        os.write(self._file, f"{message}\n".encode())

    @property
    def waiting(self) -> int:
        """Messages that were published and never acknowledged."""
        lines = self._path.read_text().splitlines()
        return lines.count("+") - len({line for line in lines if line != "+"})


class PushFeed:
    """Takes the messages of a subscription one by one, pushes each to the handler, acknowledges what was answered 2xx
    and lets the others come again after `BACKOFF_S`."""

    def __init__(
        self,
        subscriber: Any,
        subscription: str,
        handler: HttpHandler,
        instance: LiveInstance,
        history: History,
        faults: QueueFaults,
        traffic: Traffic,
    ) -> None:
        self._subscriber, self._subscription, self._handler = subscriber, subscription, handler
        self._instance, self._history, self._faults, self._traffic = instance, history, faults, traffic
        self._queue = subscription.rpartition("/")[2]
        self._clock = SystemClock()

    def run(self) -> None:
        """Until the process ends."""
        while not self._instance.dying:
            request = {"subscription": self._subscription, "max_messages": 1}
            try:
                found = self._subscriber.pull(request=request, **{**ONCE, "timeout": _PULL_S}).received_messages
            except DeadlineExceeded:
                continue
            except GoogleAPICallError as error:
                _log.warning("pulling from %s: %s", self._queue, error)
                self._clock.sleep(_PAUSE_S)
                continue
            for each in found if not self._instance.dying else ():
                self._deliver(each)

    def _deliver(self, received: Any) -> None:
        message, count = received.message, max(1, received.delivery_attempt)
        with self._instance.execution(threading.current_thread().name) as who:
            after_s = self._faults.copy_after_s(message.message_id, count)
            if after_s is not None:
                self._again(received, after_s)
            self._clock.sleep(self._faults.hold_back_s())
            self._history.add("delivery", self._queue, message=message.message_id, count=count)
            headers = {"content-type": "application/json"}
            body = self._envelope(message)
            _, status, _ = self._handler(FunctionRequest("POST", MESSAGES_PATH, b"", headers, body, who))
            self._instance.check()
            if after_s is not None:
                return  # the copy is to be seen by somebody else
            if 200 <= status < 300:
                self._end(self._subscriber.acknowledge, received, {})
                self._traffic.done(message.message_id)
            else:
                self._again(received, BACKOFF_S)

    def _again(self, received: Any, after_s: int) -> None:
        self._end(self._subscriber.modify_ack_deadline, received, {"ack_deadline_seconds": after_s})

    def _end(self, method: Callable[..., Any], received: Any, more: dict[str, Any]) -> None:
        request = {"subscription": self._subscription, "ack_ids": [received.ack_id], **more}
        try:
            method(request=request, **ONCE)
        except GoogleAPICallError as error:
            _log.warning("message of %s: %s", self._queue, error)  # it comes again after its deadline

    def _envelope(self, message: Any) -> bytes:
        pushed = {
            "data": base64.b64encode(message.data).decode(),
            "messageId": message.message_id,
            "attributes": dict(message.attributes),
        }
        if message.ordering_key:
            pushed["orderingKey"] = message.ordering_key
        return json.dumps({"message": pushed, "subscription": self._subscription}).encode()
