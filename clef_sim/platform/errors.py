"""How an invocation can fail on the platform's side."""

from __future__ import annotations

from clef_runtime.errors import Indeterminate, Throttled


class TooManyRequests(Throttled):
    """Status 429: over the concurrency limit, the scale-up rate or the request rate. Nothing ran."""


class InvocationFailed(Indeterminate):
    """The handler ran, for a while at least, and did not return."""


class HandlerFailed(InvocationFailed):
    """The handler, or the module's initialiser, let out an exception.

    Args:
        error: that exception.
    """

    def __init__(self, who: str, error: BaseException) -> None:
        self.error = error
        super().__init__(f"{who}: {type(error).__name__}: {error}")


class TimedOut(InvocationFailed):
    """The handler ran for longer than the function's time-out; its instance was killed."""


class InstanceDied(InvocationFailed):
    """The instance was killed while the handler ran."""
