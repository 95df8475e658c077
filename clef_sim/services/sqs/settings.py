"""A queue's attributes: names, ranges, defaults (SQS API reference, CreateQueue)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from clef_sim.services.sdk import Refusal, refuse_unmodelled

_RANGES = {
    "VisibilityTimeout": (0, 43_200),
    "MessageRetentionPeriod": (60, 1_209_600),
    "DelaySeconds": (0, 900),
    "ReceiveMessageWaitTimeSeconds": (0, 20),
    "MaximumMessageSize": (1_024, 1_048_576),
}
_FIFO = ("FifoQueue", "ContentBasedDeduplication")
_MODELLED = (*_RANGES, *_FIFO, "RedrivePolicy")


class Settings(msgspec.Struct, frozen=True):
    """Times in seconds, sizes in bytes. `max_receives` 0: no dead-letter queue."""

    visibility_timeout_s: int = 30
    retention_s: int = 345_600
    delay_s: int = 0
    wait_s: int = 0
    size_max: int = 262_144
    fifo: bool = False
    content_dedup: bool = False
    dead_letters: str = ""
    max_receives: int = 0


_FIELDS = {
    "VisibilityTimeout": "visibility_timeout_s",
    "MessageRetentionPeriod": "retention_s",
    "DelaySeconds": "delay_s",
    "ReceiveMessageWaitTimeSeconds": "wait_s",
    "MaximumMessageSize": "size_max",
    "FifoQueue": "fifo",
    "ContentBasedDeduplication": "content_dedup",
}


def changed(settings: Settings, attributes: Mapping[str, str]) -> Settings:
    """The settings with `attributes` (the SDK's names and strings) in place.

    Raises:
        Refusal: a value out of range.
        Unmodelled: an attribute that the model does not have.
    """
    if not attributes.keys() <= set(_MODELLED):
        refuse_unmodelled("queue attribute", attributes.keys() - set(_MODELLED), _MODELLED)
    values: dict[str, Any] = {}
    for name, text in attributes.items():
        if name in _RANGES:
            values[_FIELDS[name]] = _integer(name, text)
        elif name in _FIFO:
            if text not in ("true", "false"):
                raise bad_value(name)
            values[_FIELDS[name]] = text == "true"
        else:
            values["dead_letters"], values["max_receives"] = _redrive(text)
    return msgspec.structs.replace(settings, **values)


def _integer(name: str, text: str) -> int:
    low, high = _RANGES[name]
    if not text.isdigit() or not low <= int(text) <= high:
        raise bad_value(name)
    return int(text)


def _redrive(text: str) -> tuple[str, int]:
    if not text:
        return "", 0
    try:
        policy = json.loads(text)
        arn, count = policy["deadLetterTargetArn"], int(policy["maxReceiveCount"])
    except (ValueError, KeyError, TypeError):
        raise redrive_error(text, "Redrive policy is not a valid JSON map.") from None
    if not 1 <= count <= 1000:
        raise redrive_error(
            text, "Invalid value for maxReceiveCount. Valid values are from 1 to 1000 both inclusive."
        )
    return arn, count


def bad_value(name: str) -> Refusal:
    return Refusal("InvalidAttributeValue", f"Invalid value for the parameter {name}.")


def redrive_error(text: str, reason: str) -> Refusal:
    return Refusal("InvalidParameterValue", f"Value {text} for parameter RedrivePolicy is invalid. Reason: {reason}")


def shown(settings: Settings) -> dict[str, str]:
    """The attributes as the SDK shows them."""
    attributes = {name: str(getattr(settings, _FIELDS[name])) for name in _RANGES}
    if settings.fifo:
        attributes["FifoQueue"] = "true"
        attributes["ContentBasedDeduplication"] = str(settings.content_dedup).lower()
    if settings.max_receives:
        attributes["RedrivePolicy"] = json.dumps(
            {"deadLetterTargetArn": settings.dead_letters, "maxReceiveCount": settings.max_receives}
        )
    return attributes
