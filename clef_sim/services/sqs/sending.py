"""What SendMessage checks, and what it stores."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256

from clef_sim.services.sdk import Answer, Refusal, Request, Unmodelled
from clef_sim.services.sqs.checks import bad
from clef_sim.services.sqs.message import Message, attribute_bytes
from clef_sim.services.sqs.queue import Queue

_WRONG_TYPE = "The request include parameter that is not valid for this queue type"


def accept(queue: Queue, request: Request, new_id: Callable[[], str], now: float) -> tuple[Answer, int]:
    """Stores one message, or recognises it as a repeated one; its answer and its size."""
    body = request["MessageBody"]
    attributes = request.get("MessageAttributes", {})
    size = len(body) if body.isascii() else len(body.encode())
    if attributes:
        size += attribute_bytes(attributes)
    settings = queue.settings
    if size > settings.size_max:
        raise Refusal(
            "InvalidParameterValue",
            f"One or more parameters are invalid. Reason: Message must be shorter than {settings.size_max} bytes.",
        )
    if not body:
        raise Refusal("MissingParameter", "The request must contain the parameter MessageBody.")
    delay_s = request.get("DelaySeconds", settings.delay_s)
    if not 0 <= delay_s <= 900:
        raise bad(delay_s, "DelaySeconds", "DelaySeconds must be >= 0 and <= 900.")
    message = Message(queue.next_number(), "", body, size, attributes, now)
    if settings.fifo or "MessageGroupId" in request or "MessageDeduplicationId" in request:
        repeated = _line_up(queue, message, request, new_id, now)
        if repeated is not None:
            return repeated, size
    else:
        message.id = new_id()
    queue.put(message, delay_s, now)
    answer = {"MessageId": message.id, "MD5OfMessageBody": message.digest}
    if message.sequence is not None:
        answer["SequenceNumber"] = message.sequence
    return answer, size


def _line_up(
    queue: Queue, message: Message, request: Request, new_id: Callable[[], str], now: float
) -> Answer | None:
    """Gives a FIFO message its group and ids; the answer, where the message is a repeated one."""
    group, dedup = request.get("MessageGroupId"), request.get("MessageDeduplicationId")
    if not queue.settings.fifo:
        if dedup is not None:
            raise bad(dedup, "MessageDeduplicationId", _WRONG_TYPE)
        raise Unmodelled("MessageGroupId on a standard queue (fair queues) is not modelled")
    if request.get("DelaySeconds"):
        raise bad(request["DelaySeconds"], "DelaySeconds", _WRONG_TYPE)
    if not group:
        raise Refusal("MissingParameter", "The request must contain the parameter MessageGroupId.")
    if dedup is None:
        if not queue.settings.content_dedup:
            raise Refusal(
                "InvalidParameterValue",
                "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId "
                "provided explicitly",
            )
        dedup = sha256(message.body.encode()).hexdigest()
    known = queue.dedup.find(dedup, now)
    if known is not None:
        return {"MessageId": known[0], "MD5OfMessageBody": message.digest, "SequenceNumber": known[1]}
    message.id, message.group, message.dedup = new_id(), group, dedup
    message.sequence = f"{18_850_000_000_000_000_000 + 256 * message.number:020d}"
    queue.dedup.add(dedup, message, now)
    return None
