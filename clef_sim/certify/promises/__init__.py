"""Whether services kept their promises in a run, by its calls alone: one file a service.

Each is a second opinion, made without the models and for the calls that the adapters make. What it does not know it
does not judge.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from clef_sim.certify.evidence import Seen
from clef_sim.certify.promises import dynamodb, firestore, redis

Judge: TypeAlias = Callable[[Sequence[Seen]], str]
"""The first broken promise in words; empty: none."""

JUDGES: dict[str, Judge] = {"dynamodb": dynamodb.broken, "firestore": firestore.broken, "redis": redis.broken}
"""By service."""

JUDGED = frozenset((*JUDGES, "sqs"))
"""SQS is judged by what was delivered, too: `queues`."""
