"""One real SQS queue, message by message, and what of it is received and not yet handed out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from clef_sim.emulated.aws_sdk import Sdk

VISIBILITY_S = 43_200
"""The longest that SQS has: no run takes as long, so that no time-out ends by the service's wall clock."""

_RECEIVE_MAX = 10


class Delivery(msgspec.Struct, frozen=True):
    """A message as the service gave it: `count` is its receive count, this delivery included."""

    handle: str
    count: int
    body: str


class Store:
    """A real queue. Messages are named by the id that the service gave them.

    Raises (from every method):
        BackendFailed: as `Sdk`; or the queue does not give what it was given.
    """

    def __init__(self, sdk: Sdk, name: str, url: str, fifo: bool) -> None:
        self.sdk, self.name, self.url, self._fifo = sdk, name, url, fifo
        self._held: dict[str, Delivery] = {}

    @property
    def arn(self) -> str:
        return str(self.attributes("QueueArn")["QueueArn"])

    def attributes(self, *names: str) -> dict[str, str]:
        answer = self.sdk.get_queue_attributes(QueueUrl=self.url, AttributeNames=list(names))
        return dict(answer["Attributes"])

    def send(self, body: str, attributes: dict[str, Any], group: str | None, dedup: str) -> str:
        """Sends one message; its id. `dedup`: for a FIFO group, an id that was not there before."""
        request: dict[str, Any] = {"QueueUrl": self.url, "MessageBody": body}
        if attributes:
            request["MessageAttributes"] = attributes
        if group is not None:
            request |= {"MessageGroupId": group, "MessageDeduplicationId": dedup}
        return str(self.sdk.send_message(**request)["MessageId"])

    def take(self, ids: Sequence[str]) -> list[Delivery]:
        """A delivery of each message. What comes along unasked is kept for its turn."""
        missing = [each for each in ids if each not in self._held]
        while missing:
            if not self._receive(len(missing)):
                raise self.sdk.failed(f"does not hand out message {missing[0]} of queue {self.name}, which it took")
            missing = [each for each in missing if each not in self._held]
        return [self._held.pop(each) for each in ids]

    def bury(self, message: str, receives_max: int) -> None:
        """Lets the service move a message to its dead letters, as it does at a receive once there were enough.

        Args:
            receives_max: after how many receives at most.
        """
        for _ in range(receives_max + 1):
            while message not in self._held:
                if not self._receive(_RECEIVE_MAX):
                    return
            self.give_back(self._held.pop(message).handle)
        raise self.sdk.failed(f"queue {self.name} keeps message {message} after {receives_max + 1} receives")

    def give_back(self, handle: str) -> None:
        """Makes a message in flight visible again."""
        self.sdk.change_message_visibility(QueueUrl=self.url, ReceiptHandle=handle, VisibilityTimeout=0)

    def delete(self, handles: Sequence[str]) -> None:
        """Deletes up to ten messages, each by its latest delivery."""
        entries = [{"Id": str(number), "ReceiptHandle": handle} for number, handle in enumerate(handles)]
        answer = self.sdk.delete_message_batch(QueueUrl=self.url, Entries=entries)
        if answer.get("Failed"):
            raise self.sdk.failed(f"queue {self.name} refuses to delete what it delivered: {answer['Failed'][0]}")

    def discard(self, message: str) -> None:
        """Deletes a visible message."""
        self.delete([self.take([message])[0].handle])

    def purge(self) -> None:
        self.sdk.purge_queue(QueueUrl=self.url)
        self._held.clear()

    def _receive(self, wanted: int) -> bool:
        """One receive; False where nothing came. A standard queue may give more than is wanted: it gives what it
        likes. Of a FIFO queue no more is taken: a message that is kept here would block its group."""
        most = min(wanted, _RECEIVE_MAX) if self._fifo else _RECEIVE_MAX
        answer = self.sdk.receive_message(
            QueueUrl=self.url,
            MaxNumberOfMessages=most,
            VisibilityTimeout=VISIBILITY_S,
            WaitTimeSeconds=0,
            AttributeNames=["ApproximateReceiveCount"],
        )
        for each in answer.get("Messages", ()):
            count = int(each["Attributes"]["ApproximateReceiveCount"])
            self._held[each["MessageId"]] = Delivery(each["ReceiptHandle"], count, each["Body"])
        return bool(answer.get("Messages"))
