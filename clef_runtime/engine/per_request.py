"""Option B: the engine inside the function, after the handler. Whoever runs an action evaluates its completion."""

from __future__ import annotations

from collections.abc import Sequence

from clef_runtime.engine.durable import DurableEngine
from clef_runtime.model import Completion


class PerRequestEngine:
    """Evaluates completions that this function has just brought about, and what they bring back."""

    def __init__(self, engine: DurableEngine) -> None:
        self._engine = engine

    def evaluate(self, completions: Sequence[Completion]) -> None:
        """Returns when everything that follows has been done: the invoked functions evaluate their own
        completions before they answer.

        Raises:
            As `Fires.fire`: the caller must make its request again.
        """
        waiting = list(completions)
        while waiting:
            flow = waiting[0].flow
            now = [each for each in waiting if each.flow == flow]
            waiting = [each for each in waiting if each.flow != flow]
            waiting += self._engine.evaluate(now)
