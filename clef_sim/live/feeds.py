"""What feeds a live process with messages: an SQS event source as Lambda has one, by hand."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from clef_runtime.context import SystemClock
from clef_runtime.deploy.manifest import TransportSettings
from clef_runtime.serverless.lambda_handler import Handler
from clef_sim.faults import Armed, Faults
from clef_sim.history import History
from clef_sim.live.instance import LiveInstance
from clef_sim.scenario import Duplicate, LateDelivery

_log = logging.getLogger(__name__)

_WAIT_S = 1
"""Of a long poll; shorter than a client's time-out."""

_PAUSE_S = 0.5
"""After a receive that failed."""


class QueueFaults:
    """What may befall the messages of one queue on their way into this process."""

    def __init__(self, faults: Faults, history: History, queue: str) -> None:
        self._history, self._queue = history, queue
        self._duplicates = [(armed, spec) for armed, spec in faults.of(Duplicate) if spec.queue in queue]
        self._late = [(armed, spec) for armed, spec in faults.of(LateDelivery) if spec.queue in queue]

    def copy_after_s(self, message: str, count: int) -> int | None:
        """In how many whole seconds a message that was just received, for the `count`th time, is to be received by
        somebody else too; None: not. A copy has no copies."""
        for armed, spec in self._duplicates if count == 1 else ():
            if armed.strikes():
                self._struck(armed, message=message)
                return math.ceil(spec.after_s)
        return None

    def hold_back_s(self) -> float:
        """How much later a batch reaches its function."""
        for armed, spec in self._late:
            if armed.strikes():
                self._struck(armed, seconds=spec.for_s)
                return spec.for_s
        return 0.0

    def _struck(self, armed: Armed, **what: Any) -> None:
        self._history.add("fault", armed.name, target=self._queue, does=armed.kind, **what)


class SqsFeed:
    """Takes batches from a queue, runs the handler, deletes what succeeded. What failed is left to its visibility
    time-out, as Lambda's event source leaves it.

    Args:
        sqs: a client whose calls are not written down: they are the platform's.
    """

    def __init__(
        self,
        sqs: Any,
        url: str,
        transport: TransportSettings,
        handler: Handler,
        instance: LiveInstance,
        history: History,
        faults: QueueFaults,
    ) -> None:
        self._sqs, self._url, self._transport, self._handler = sqs, url, transport, handler
        self._instance, self._history, self._faults = instance, history, faults
        self._queue = url.rpartition("/")[2]
        self._clock = SystemClock()

    def run(self) -> None:
        """Until the process ends."""
        while not self._instance.dying:
            try:
                batch = self._receive()
            except (ClientError, BotoCoreError) as error:
                _log.warning("receiving from %s: %s", self._queue, error)
                self._clock.sleep(_PAUSE_S)
                continue
            if batch and not self._instance.dying:
                self._deliver(batch)

    def _receive(self) -> list[dict[str, Any]]:
        answer = self._sqs.receive_message(
            QueueUrl=self._url,
            MaxNumberOfMessages=min(10, self._transport.batch_size),
            WaitTimeSeconds=_WAIT_S,
            AttributeNames=["All"],
        )
        found: list[dict[str, Any]] = answer.get("Messages", [])
        return found

    def _deliver(self, batch: Sequence[dict[str, Any]]) -> None:
        with self._instance.execution(threading.current_thread().name):
            copied = [each["MessageId"] for each in batch if self._copied(each)]
            self._clock.sleep(self._faults.hold_back_s())
            for each in batch:
                self._history.add("delivery", self._queue, message=each["MessageId"], count=_count(each))
            failed = self._failed(batch)
            self._instance.check()
            done = [each for each in batch if each["MessageId"] not in (*failed, *copied)]
            if done:
                self._delete(done)

    def _copied(self, message: dict[str, Any]) -> bool:
        after_s = self._faults.copy_after_s(message["MessageId"], _count(message))
        if after_s is None:
            return False
        handle = message["ReceiptHandle"]
        self._sqs.change_message_visibility(QueueUrl=self._url, ReceiptHandle=handle, VisibilityTimeout=after_s)
        return True

    def _failed(self, batch: Sequence[dict[str, Any]]) -> list[str]:
        event = {"Records": [_record(each, self._queue) for each in batch]}
        try:
            answer = self._handler(event, None)
        except Exception as error:
            _log.warning("batch of %s: %s: %s", self._queue, type(error).__name__, error)
            self._instance.tell("failed", execution=self._history.where.who, error=f"{type(error).__name__}: {error}")
            return [each["MessageId"] for each in batch]
        return [each["itemIdentifier"] for each in answer["batchItemFailures"]]

    def _delete(self, done: Sequence[dict[str, Any]]) -> None:
        entries = [{"Id": str(n), "ReceiptHandle": each["ReceiptHandle"]} for n, each in enumerate(done)]
        try:
            self._sqs.delete_message_batch(QueueUrl=self._url, Entries=entries)
        except (ClientError, BotoCoreError) as error:
            _log.warning("deleting from %s: %s", self._queue, error)  # they come again


def _count(message: dict[str, Any]) -> int:
    return int(message["Attributes"]["ApproximateReceiveCount"])


def _record(message: dict[str, Any], queue: str) -> dict[str, Any]:
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message["Attributes"],
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:us-east-1:000000000000:{queue}",
    }
