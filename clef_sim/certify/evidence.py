"""The SDK calls of a run with what was asked and answered, for judging the services alone.

A run is made again with it when its verdict is invalid: it costs too much to be always on, and equal runs are equal.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from copy import deepcopy
from typing import Any

import msgspec


class Seen(msgspec.Struct, frozen=True):
    """A call as the service had it. `answer` is None where `error` was raised. `began`: how many calls had been
    answered when it was made; others came in between where that is not its own place."""

    at_s: float
    who: str
    service: str
    operation: str
    request: dict[str, Any]
    answer: Any
    error: Exception | None
    began: int


class Evidence:
    """Calls in the order of their answers by the service: the order of their effects, where none waits inside it.

    Args:
        judged: services whose calls are written down.

    Attributes:
        used: all services that were called, judged or not.
    """

    def __init__(self, judged: Container[str]) -> None:
        self.calls: list[Seen] = []
        self.used: dict[str, None] = {}
        self._judged = judged

    def watch(
        self, service: str, operation: str, apply: Callable[..., Any], now: Callable[[], tuple[float, str]]
    ) -> Callable[..., Any]:
        """`apply`, each call of which is written down. `now`: virtual seconds, and who runs."""
        self.used[service] = None
        if service not in self._judged:
            return apply

        def watched(**request: Any) -> Any:
            began, asked = len(self.calls), deepcopy(request)
            error: Exception | None = None
            answer: Any = None
            try:
                answer = apply(**request)
                if isinstance(answer, Iterator):
                    answer = list(answer)
                    return iter(answer)
                return answer
            except Exception as raised:
                error = raised
                raise
            finally:
                at_s, who = now()
                self.calls.append(Seen(at_s, who, service, operation, asked, deepcopy(answer), error, began))

        took_effect = getattr(apply, "took_effect", None)
        if took_effect is not None:
            watched.took_effect = took_effect  # type: ignore[attr-defined]  # read by the network
        return watched
