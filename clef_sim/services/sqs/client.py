"""SQS, as boto3's client shows it: the part that the runtime and the platform call, in memory.

Modelled: visibility, receive count, redelivery, dead letters and their redrive, delay, long polls, FIFO
groups and deduplication, retention, in-flight limits, sizes. Left out, and refused by name: permissions,
encryption, tags, fair queues, receive attempts, trace headers, the digest of message attributes.
"""

from __future__ import annotations

from clef_sim.services.sdk import (
    METADATA,
    Answer,
    Refusal,
    Request,
    check_names,
    operation,
)
from clef_sim.services.sqs.account import BILLED_BYTES, Account
from clef_sim.services.sqs.checks import BATCH_MAX, bad, batch_error, check_timeout, each_entry
from clef_sim.services.sqs.queue import IN_FLIGHT_MAX, Queue
from clef_sim.services.sqs.sending import accept

_SEND = ("DelaySeconds", "MessageAttributes", "MessageDeduplicationId", "MessageGroupId")


class SQS(Account):
    """An in-memory account. Only a long poll blocks. Arguments: see `Account`."""

    # sending

    @operation("SendMessage", required=("QueueUrl", "MessageBody"), optional=_SEND)
    def send_message(self, request: Request) -> Answer:
        """Stores a message; in a FIFO queue, once per deduplication id in five minutes."""
        queue = self._queue_of(request)
        answer, size = accept(queue, request, self._new_id, self._now())
        queue.requests += 1 + max(0, size - 1) // BILLED_BYTES
        if queue.delayed:
            self._arrivals[queue.name].arm()
        answer["ResponseMetadata"] = METADATA
        return answer

    @operation("SendMessageBatch", required=("QueueUrl", "Entries"))
    def send_message_batch(self, request: Request) -> Answer:
        """Up to ten messages, each on its own; those refused are in `Failed`."""
        queue, entries, now = self._queue_of(request), request["Entries"], self._now()
        size = sum([len(each["MessageBody"].encode()) for each in entries if "MessageBody" in each])
        if size > max(self._bytes_max, queue.settings.size_max):
            raise batch_error(
                "BatchRequestTooLong",
                f"Batch requests cannot be longer than {self._bytes_max} bytes. You have sent {size} bytes.",
            )

        def send(entry: Request) -> Answer:
            check_names("SendMessageBatch entry", entry, ("Id", "MessageBody"), _SEND)
            return accept(queue, entry, self._new_id, now)[0]

        answer = each_entry(entries, send)
        queue.requests += 1 + max(0, size - 1) // BILLED_BYTES
        if queue.delayed:
            self._arrivals[queue.name].arm()
        return answer

    # receiving

    @operation(
        "ReceiveMessage",
        required=("QueueUrl",),
        optional=(
            "AttributeNames",
            "MaxNumberOfMessages",
            "MessageAttributeNames",
            "MessageSystemAttributeNames",
            "VisibilityTimeout",
            "WaitTimeSeconds",
        ),
        blocks=True,
    )
    def receive_message(self, request: Request) -> Answer:
        """Up to ten deliveries; waits up to `WaitTimeSeconds` for the first."""
        queue = self._queue_of(request)
        settings = queue.settings
        most = request.get("MaxNumberOfMessages", 1)
        if not 1 <= most <= BATCH_MAX:
            raise bad(most, "MaxNumberOfMessages", "Must be between 1 and 10, if provided.")
        wait_s = request.get("WaitTimeSeconds", settings.wait_s)
        if not 0 <= wait_s <= 20:
            raise bad(wait_s, "WaitTimeSeconds", "Must be >= 0 and <= 20, if provided.")
        visibility_s = request.get("VisibilityTimeout", settings.visibility_timeout_s)
        check_timeout(visibility_s)
        received = queue.take(most, visibility_s, self._now())
        if not received and wait_s:
            received = self._arrivals[queue.name].wait(most, visibility_s, wait_s)
        elif not received and not settings.fifo and queue.in_flight >= IN_FLIGHT_MAX:
            raise Refusal(
                "OverLimit", f"The maximum number of in flight messages ({IN_FLIGHT_MAX}) has been reached."
            )
        self._bill(queue, received)
        self._arrivals[queue.name].arm()
        if not received:
            return {"ResponseMetadata": METADATA}
        system = [*request.get("AttributeNames", ()), *request.get("MessageSystemAttributeNames", ())]
        named = request.get("MessageAttributeNames", ())
        return {"Messages": [each.answer(system, named) for each in received], "ResponseMetadata": METADATA}

    @operation("DeleteMessage", required=("QueueUrl", "ReceiptHandle"))
    def delete_message(self, request: Request) -> Answer:
        """Deletes a delivered message. With a stale handle: see `stale_delete`."""
        queue = self._queue_of(request)
        queue.requests += 1
        queue.delete(request["ReceiptHandle"], self._now())
        return {"ResponseMetadata": METADATA}

    @operation("DeleteMessageBatch", required=("QueueUrl", "Entries"))
    def delete_message_batch(self, request: Request) -> Answer:
        """Deletes up to ten; those refused are in `Failed`."""
        queue, now = self._queue_of(request), self._now()
        queue.requests += 1

        def delete(entry: Request) -> Answer:
            check_names("DeleteMessageBatch entry", entry, ("Id", "ReceiptHandle"), ())
            queue.delete(entry["ReceiptHandle"], now)
            return {}

        return each_entry(request["Entries"], delete)

    @operation("ChangeMessageVisibility", required=("QueueUrl", "ReceiptHandle", "VisibilityTimeout"))
    def change_message_visibility(self, request: Request) -> Answer:
        """Makes a message in flight visible after so many seconds; 0 gives it back."""
        queue = self._queue_of(request)
        queue.requests += 1
        self._change(queue, request, self._now())
        return {"ResponseMetadata": METADATA}

    @operation("ChangeMessageVisibilityBatch", required=("QueueUrl", "Entries"))
    def change_message_visibility_batch(self, request: Request) -> Answer:
        """As `change_message_visibility`, for up to ten."""
        queue, now = self._queue_of(request), self._now()
        queue.requests += 1

        def change(entry: Request) -> Answer:
            check_names("ChangeMessageVisibilityBatch entry", entry, ("Id", "ReceiptHandle"), ("VisibilityTimeout",))
            self._change(queue, entry, now)
            return {}

        return each_entry(request["Entries"], change)

    def _change(self, queue: Queue, request: Request, now: float) -> None:
        timeout_s = request.get("VisibilityTimeout", queue.settings.visibility_timeout_s)
        check_timeout(timeout_s)
        queue.change_visibility(request["ReceiptHandle"], timeout_s, now)
        self._arrivals[queue.name].arm()
