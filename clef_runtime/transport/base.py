"""The ports between engine and concepts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from clef_runtime.model import Completion, Invocation


class Dispatcher(Protocol):
    """Engine to concepts."""

    def send(self, invocations: Sequence[Invocation]) -> list[Completion]:
        """Sends every invocation. Returns when each has been accepted: handed to its queue, or answered.

        Returns:
            The completions that came back with the answers and still want evaluating; none for a queue,
            and none where the answering function evaluates its own completions (option B).

        Raises:
            Indeterminate, Refused: at least one was not surely accepted. The receiver recognises
                invocation ids, so all may be sent again.
        """


class Publisher(Protocol):
    """Concept to engine."""

    def publish(self, completion: Completion) -> None:
        """Hands a recorded completion to whatever evaluates it. Idempotent for the evaluator.

        Raises:
            Indeterminate, Refused: it may not be evaluated; publish again.
        """
