"""What a function is to its platform, and what an error is to whoever called over HTTP."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

from clef_runtime.errors import (
    BadInput,
    ClefError,
    Conflict,
    Held,
    Indeterminate,
    NotFound,
    Throttled,
    TooLarge,
    Unreachable,
)
from clef_runtime.model import Completion, Invocation
from clef_runtime.web import HttpRequest, HttpResponse


class FunctionService(Protocol):
    """One function's work, free of any platform's event form."""

    def request(self, request: HttpRequest, request_id: str) -> HttpResponse:
        """Answers a request from outside. A repeated `request_id` is the same request again."""

    def invoke(self, invocations: Sequence[Invocation]) -> list[Completion]:
        """Runs invocations that came over HTTP; returns the completions that the caller has to evaluate."""

    def batch(self, bodies: Sequence[str]) -> list[ClefError | None]:
        """Works on messages of a queue. An error in a message's place means: deliver it again."""


_STATUSES: tuple[tuple[type[ClefError], int], ...] = (
    (BadInput, 400),
    (NotFound, 404),
    (Conflict, 409),
    (TooLarge, 413),
    (Throttled, 429),
    (Unreachable, 503),
    (Held, 503),
    (Indeterminate, 503),
)


def error_response(error: Exception) -> HttpResponse:
    """The answer that tells a caller of `error`: its words, no traceback. 4xx: surely not done. 5xx: it may have
    been, try again; `Retry-After` in whole seconds where it is known when."""
    status = next((status for kind, status in _STATUSES if isinstance(error, kind)), 500)
    words = str(error) if isinstance(error, ClefError) else f"{type(error).__name__}: {error}"
    headers = {"retry-after": str(math.ceil(error.retry_after_s))} if isinstance(error, Held) else {}
    return HttpResponse(status, {"errors": {"body": [words]}}, headers)
