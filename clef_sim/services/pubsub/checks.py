"""What Pub/Sub refuses of a request by itself, before it looks at what is there."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from google.api_core import exceptions

from clef_sim.services.google import refusal
from clef_sim.services.pubsub.subscription import Settings

_ID = re.compile(r"(?!goog)[A-Za-z][\w.~+%-]{2,254}", re.ASCII)

DEADLINE_LEAST_S, DEADLINE_LONGEST_S = 10, 600
ATTEMPTS_LEAST, ATTEMPTS_MOST = 5, 100
"""The service's limits."""


def check_name(kind: str, name: str) -> None:
    """`kind`: topics or subscriptions. Raises InvalidArgument."""
    parts = name.split("/")
    if len(parts) != 4 or parts[0] != "projects" or parts[2] != kind or not _ID.fullmatch(parts[3]):
        raise refusal(exceptions.InvalidArgument, f"Invalid [{kind}] name: (name={name})")


def check_deadline(seconds: float) -> None:
    """Of a subscription. Raises InvalidArgument."""
    if not DEADLINE_LEAST_S <= seconds <= DEADLINE_LONGEST_S:
        raise refusal(exceptions.InvalidArgument, f"ack_deadline_secs(={seconds:g}) out of bounds")


def check_attempts(settings: Settings) -> None:
    """Raises OutOfRange for a policy of dead letters that gives up too soon or too late."""
    if settings.dead_letters and not ATTEMPTS_LEAST <= settings.attempts_max <= ATTEMPTS_MOST:
        raise refusal(
            exceptions.OutOfRange,
            f"The value for max_delivery_attempts is {settings.attempts_max}; it must be {ATTEMPTS_LEAST} to "
            f"{ATTEMPTS_MOST}.",
        )


def check_ack_ids(ack_ids: Sequence[Any], tag: str) -> None:
    """`tag` begins those of the subscription. Raises InvalidArgument, and then nothing is done."""
    if not ack_ids:
        raise refusal(exceptions.InvalidArgument, "No ack ids specified.")
    for ack_id in ack_ids:
        if not re.fullmatch(re.escape(tag) + r"\.\d+\.\d+", ack_id):
            raise refusal(exceptions.InvalidArgument, f"Invalid ack id (ack_id={ack_id})")


def check_extension(seconds: int) -> None:
    """Raises InvalidArgument."""
    if not 0 <= seconds <= DEADLINE_LONGEST_S:
        raise refusal(
            exceptions.InvalidArgument, f"ack_deadline_seconds(={seconds}) must be 0 to {DEADLINE_LONGEST_S}"
        )


def check_most(messages: int) -> None:
    """Of a pull. Raises InvalidArgument."""
    if messages <= 0:
        raise refusal(exceptions.InvalidArgument, f"max_messages(={messages}) must be > 0")
