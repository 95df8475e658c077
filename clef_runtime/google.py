"""What the adapters over Google's clients share: what an SDK error means, and how the SDK is kept from retrying.

The SDK retries some calls by itself, for up to minutes of the wall clock, and does not say so: after its hidden
second try nobody knows what the first one did. Every call here is made with `ONCE`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from google.api_core import exceptions
from google.api_core.retry import Retry as SdkRetry
from google.auth.exceptions import GoogleAuthError

from clef_runtime.context import Clock
from clef_runtime.errors import (
    ClefError,
    Conflict,
    Indeterminate,
    NotFound,
    Refused,
    Throttled,
    TooLarge,
)
from clef_runtime.retry import Caller, Retry

CALL_TIMEOUT_S = 5.0
"""Of one call; as for AWS, it fits into a function's own time-out."""

# Not None: with it, a query that fails asks None for its predicate, and that AttributeError hides the failure.
ONCE: dict[str, Any] = {"retry": SdkRetry(predicate=lambda _: False), "timeout": CALL_TIMEOUT_S}
"""Arguments of every SDK call: no retries by the SDK, and a time-out in seconds."""

_MEANINGS: tuple[tuple[type[exceptions.GoogleAPICallError], type[ClefError]], ...] = (
    (exceptions.AlreadyExists, Conflict),
    (exceptions.FailedPrecondition, Conflict),
    (exceptions.PreconditionFailed, Conflict),
    # Another transaction is at the document: nothing was done, and nothing is said about what the other does.
    (exceptions.Aborted, Throttled),
    (exceptions.TooManyRequests, Throttled),
    (exceptions.NotFound, NotFound),
    (exceptions.Cancelled, Indeterminate),
    (exceptions.ServerError, Indeterminate),
)
"""The first kind that an error is of counts; an error of no kind is a plain refusal."""

# Sizes are told in words only: "longer than 1048487 bytes", "exceeds maximum size 4194304", "Transaction too big".
_TOO_LARGE = re.compile(
    r"longer than \d+ bytes|exceeds .*\bsize|\bsize\b.* exceeds|too (?:big|large)|larger than max"
)


def caller(clock: Clock, retry: Retry) -> Caller:
    catch = (exceptions.GoogleAPICallError, exceptions.RetryError, GoogleAuthError)
    return Caller(clock, retry, catch, translate)


def translate(error: Exception, arguments: Mapping[str, Any]) -> ClefError:
    """The runtime's error for an SDK's. A code that nobody knows is a plain refusal; a missing answer, a time-out
    or a server error is indeterminate."""
    words = f"{_target(arguments)}: {type(error).__name__}: {error}"
    if isinstance(error, exceptions.RetryError):
        return Indeterminate(f"{words}; it may have been done")
    if not isinstance(error, exceptions.GoogleAPICallError):
        return Refused(words)  # no credentials: nothing was sent
    if isinstance(error, exceptions.BadRequest | exceptions.TooManyRequests) and _TOO_LARGE.search(str(error)):
        return TooLarge(words)
    meaning = next((meaning for kind, meaning in _MEANINGS if isinstance(error, kind)), Refused)
    if meaning is Indeterminate:
        return Indeterminate(f"{words}; it may have been done")
    if meaning is NotFound:
        return NotFound(f"{words}; create it, or correct its name")
    return meaning(words)


def _target(arguments: Mapping[str, Any]) -> str:
    """What a call was about: every call names it by one of these arguments."""
    for name in ("topic", "subscription"):
        if name in arguments.get("request", ()):
            return f"{name} {arguments['request'][name]!r}"
    if "changes" in arguments:
        paths = [change.path for change in arguments["changes"]]
        return f"document {paths[0]!r}" + (f" and {len(paths) - 1} more" if len(paths) > 1 else "")
    return f"{arguments.get('what', 'document')} {arguments.get('path', '')!r}"
