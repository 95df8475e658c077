"""Transport over SQS: invocations to the concepts' queues, completions to the evaluator's.

A message's body is the wire form of one invocation or completion. On FIFO queues a flow is one message
group, so that its messages are taken in order and one at a time, and the message's own id is the
deduplication id: within five minutes the service drops what is sent again. Order within a flow is not
kept across a partial failure: what failed is sent after what did not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any, TypeAlias

from clef_runtime import aws
from clef_runtime.context import Clock
from clef_runtime.errors import Throttled
from clef_runtime.model import Completion, Invocation, derive_id, encode
from clef_runtime.retry import Retry
from clef_runtime.transport.batches import batches

BATCH_MESSAGES = 10
"""The service's limit for one SendMessageBatch."""

BATCH_BYTES = 262_144
"""256 KiB for all bodies of a call, as for a single message: the limit that every region and emulator takes
(AWS has raised its own to 1 MiB)."""

_ID = re.compile(r"[\x21-\x7e]{1,128}")

_Entry: TypeAlias = dict[str, Any]


class SqsDispatcher:
    """Sends invocations to their concepts' queues.

    Args:
        client: an SQS low-level client, made with `aws.client_config()`.
        queue_url_of: a concept's queue, by URN.
        fifo: whether the queues are FIFO queues.
        retry: a lost answer is sent again: receivers recognise invocation ids.
    """

    def __init__(
        self,
        client: Any,
        queue_url_of: Callable[[str], str],
        clock: Clock,
        *,
        fifo: bool = False,
        retry: Retry = Retry(),  # noqa: B008 - frozen
    ) -> None:
        self._client, self._call = client, aws.caller(clock, retry).__call__
        self._queue_url_of, self._clock, self._fifo, self._retry = cache(queue_url_of), clock, fifo, retry

    def send(self, invocations: Sequence[Invocation]) -> list[Completion]:
        """As the port has it; nothing comes back from a queue.

        Raises:
            TooLarge: an invocation over `BATCH_BYTES`; nothing was sent.
        """
        queues: dict[str, list[_Entry]] = {}
        for invocation in invocations:
            entries = queues.setdefault(self._queue_url_of(invocation.concept), [])
            entry = _message(invocation, self._fifo)
            entry["Id"] = str(len(entries))
            entries.append(entry)
        calls = [(url, batch) for url, entries in queues.items() for batch in _batches(entries)]
        for url, batch in calls:
            self._send_batch(url, batch)
        return []

    def _send_batch(self, url: str, entries: Sequence[_Entry]) -> None:
        """Sends until every entry is accepted; only what failed goes again."""
        for failures in range(1, self._retry.attempts + 1):
            answer = self._call(self._client.send_message_batch, {"QueueUrl": url, "Entries": entries})
            if not answer.get("Failed"):
                return
            failed = {each["Id"]: each for each in answer["Failed"]}
            for each in failed.values():
                if each.get("SenderFault"):
                    raise aws.of_code(each["Code"], _words(url, each), each.get("Message", ""))
            entries = [entry for entry in entries if entry["Id"] in failed]
            if failures < self._retry.attempts:
                self._clock.sleep(self._retry.backoff(failures))
        raise Throttled(
            f"{len(entries)} of the batch failed each time; the first: {_words(url, failed[entries[0]['Id']])}"
        )


class SqsPublisher:
    """Sends completions to the evaluator's queue. Arguments as `SqsDispatcher`."""

    def __init__(
        self,
        client: Any,
        queue_url: str,
        clock: Clock,
        *,
        fifo: bool = False,
        retry: Retry = Retry(),  # noqa: B008 - frozen
    ) -> None:
        self._client, self._call = client, aws.caller(clock, retry).__call__
        self._queue_url, self._fifo = queue_url, fifo

    def publish(self, completion: Completion) -> None:
        """As the port has it. Raises TooLarge over `BATCH_BYTES`; nothing was sent."""
        message = _message(completion, self._fifo)
        if len(message["MessageBody"]) * 4 > BATCH_BYTES:
            next(iter(_batches([message])))
        self._call(self._client.send_message, {"QueueUrl": self._queue_url, **message})


def _message(message: Invocation | Completion, fifo: bool) -> _Entry:
    body = encode(message).decode()
    if not fifo:
        return {"MessageBody": body}
    return {
        "MessageBody": body,
        "MessageGroupId": _id(message.flow),
        "MessageDeduplicationId": _id(message.id),
    }


def _id(text: str) -> str:
    """SQS takes printable ASCII, up to 128 characters."""
    return text if _ID.fullmatch(text) else derive_id("sqs", text)


def _batches(entries: Sequence[_Entry]) -> Iterable[Sequence[_Entry]]:
    characters = 0
    for entry in entries:
        characters += len(entry["MessageBody"])
    if len(entries) <= BATCH_MESSAGES and characters * 4 <= BATCH_BYTES:
        return (entries,)
    return batches(
        entries,
        lambda entry: len(entry["MessageBody"].encode()),
        count_max=BATCH_MESSAGES,
        bytes_max=BATCH_BYTES,
        name=lambda entry: f"message {entry['MessageBody'][:80]!r}",
    )


def _words(url: str, failed: dict[str, Any]) -> str:
    return f"SendMessageBatch to queue {url!r}: {failed['Code']}: {failed.get('Message', '')}"
