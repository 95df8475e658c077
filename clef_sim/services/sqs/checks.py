"""Errors of requests, and batches of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from clef_sim.services.sdk import METADATA, Answer, Refusal, Request

BATCH_MAX = 10
PREFIX = "AWS.SimpleQueueService."


def bad(value: Any, name: str, reason: str) -> Refusal:
    return Refusal("InvalidParameterValue", f"Value {value} for parameter {name} is invalid. Reason: {reason}")


def check_timeout(timeout_s: float) -> None:
    if not 0 <= timeout_s <= 43_200:
        raise bad(timeout_s, "VisibilityTimeout", "VisibilityTimeout must be an integer between 0 and 43200")


def batch_error(shape: str, message: str) -> Refusal:
    return Refusal(PREFIX + shape, message, shape=shape)


def each_entry(entries: list[Request], act: Callable[[Request], Answer]) -> Answer:
    """Runs a batch; refusals of single entries go to `Failed`."""
    if not entries:
        raise batch_error("EmptyBatchRequest", "There should be at least one entry in the request.")
    if len(entries) > BATCH_MAX:
        raise batch_error(
            "TooManyEntriesInBatchRequest",
            f"Maximum number of entries per request are {BATCH_MAX}. You have sent {len(entries)}.",
        )
    ids = [entry.get("Id") for entry in entries]
    if len(set(ids)) < len(ids):
        repeated = next(each for each in ids if ids.count(each) > 1)
        raise batch_error("BatchEntryIdsNotDistinct", f"Id {repeated} repeated.")
    done: list[Answer] = []
    failed: list[Answer] = []
    for entry in entries:
        try:
            done.append({"Id": entry["Id"], **act(entry)})
        except Refusal as refusal:
            failed.append({"Id": entry["Id"], "SenderFault": True, "Code": refusal.code, "Message": refusal.message})
    answer: Answer = {"ResponseMetadata": METADATA}
    if done:
        answer["Successful"] = done
    if failed:
        answer["Failed"] = failed
    return answer
