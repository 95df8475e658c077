"""A message in a queue, and one delivery of it."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import md5
from typing import Any

from clef_sim.services.sdk import Answer

READY, DELAYED, IN_FLIGHT, GONE = range(4)
SENDER = "AIDACKCEVSQ6C2EXAMPLE"


class Message:
    """One stored message. `due` is when a delayed or in-flight one becomes visible (epoch s)."""

    __slots__ = (
        "attributes",
        "body",
        "count",
        "dedup",
        "digest",
        "due",
        "first_at",
        "group",
        "id",
        "number",
        "sent_at",
        "sequence",
        "size",
        "source",
        "state",
    )

    def __init__(self, number: int, id: str, body: str, size: int, attributes: dict[str, Any], sent_at: float):
        self.number, self.id, self.body, self.size, self.attributes = number, id, body, size, attributes
        self.sent_at = sent_at
        self.digest = md5(body.encode(), usedforsecurity=False).hexdigest()
        self.first_at = 0.0
        self.count = 0
        self.state = GONE
        self.due = 0.0
        self.group: str | None = None
        self.dedup: str | None = None
        self.sequence: str | None = None
        self.source: str | None = None  # ARN of the queue it was moved here from, as a dead letter

    def copy(self, number: int) -> Message:
        twin = Message(number, self.id, self.body, self.size, self.attributes, self.sent_at)
        for name in ("first_at", "count", "group", "dedup", "sequence", "source"):
            setattr(twin, name, getattr(self, name))
        return twin


class Received:
    """One delivery: what a consumer gets. Times in epoch seconds.

    `receive_count` counts this delivery. `receipt_handle` is for this delivery only.
    """

    __slots__ = ("message", "message_id", "receipt_handle", "receive_count")

    def __init__(self, message: Message, receipt_handle: str) -> None:
        self.message = message
        self.message_id = message.id
        self.receipt_handle = receipt_handle
        self.receive_count = message.count

    @property
    def body(self) -> str:
        return self.message.body

    @property
    def digest(self) -> str:
        """`MD5OfBody`."""
        return self.message.digest

    @property
    def size(self) -> int:
        """Bytes of body and attributes."""
        return self.message.size

    @property
    def group_id(self) -> str | None:
        """The FIFO group; None in a standard queue."""
        return self.message.group

    @property
    def sent_at_s(self) -> float:
        return self.message.sent_at

    @property
    def message_attributes(self) -> dict[str, Any]:
        return self.message.attributes

    def system_attributes(self) -> dict[str, str]:
        """All system attributes, as `receive_message` and the events of an event source show them."""
        message = self.message
        attributes = {
            "ApproximateReceiveCount": str(self.receive_count),
            "SentTimestamp": str(round(message.sent_at * 1000)),
            "SenderId": SENDER,
            "ApproximateFirstReceiveTimestamp": str(round(message.first_at * 1000)),
        }
        if message.sequence is not None:
            attributes["SequenceNumber"] = message.sequence
            attributes["MessageGroupId"] = str(message.group)
            attributes["MessageDeduplicationId"] = str(message.dedup)
        if message.source is not None:
            attributes["DeadLetterQueueSourceArn"] = message.source
        return attributes

    def answer(self, system: Iterable[str], named: Iterable[str]) -> Answer:
        """The message as `receive_message` shows it, with the attributes that were asked for."""
        message = self.message
        shown: Answer = {
            "MessageId": message.id,
            "ReceiptHandle": self.receipt_handle,
            "MD5OfBody": message.digest,
            "Body": message.body,
        }
        if system:
            everything = self.system_attributes()
            wanted = (
                everything if "All" in system else {name: everything[name] for name in system if name in everything}
            )
            if wanted:
                shown["Attributes"] = wanted
        if named and message.attributes:
            chosen = {name: value for name, value in message.attributes.items() if _asked(name, named)}
            if chosen:
                shown["MessageAttributes"] = chosen
        return shown


def _asked(name: str, named: Iterable[str]) -> bool:
    return any(
        each in ("All", ".*") or name == each or (each.endswith(".*") and name.startswith(each[:-2]))
        for each in named
    )


def attribute_bytes(attributes: dict[str, Any]) -> int:
    """What message attributes add to a message's size: names, types and values."""
    size = 0
    for name, value in attributes.items():
        content = value.get("StringValue", value.get("BinaryValue", ""))
        size += len(name.encode()) + len(value.get("DataType", "").encode())
        size += len(content.encode() if isinstance(content, str) else content)
    return size
