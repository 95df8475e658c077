"""Calls a service again, within bounds, on the runtime's own Clock. SDKs and HTTP clients retry by the wall
clock and without saying so: theirs is off."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from clef_runtime.context import Clock
from clef_runtime.errors import BadInput, ClefError, Conflict, Indeterminate


def exponential(first_s: float = 0.05, longest_s: float = 1.0) -> Callable[[int], float]:
    """Pauses that double: `first_s`, 2 `first_s`, 4 `first_s`, .. up to `longest_s` seconds. Without jitter, so
    that equal runs stay equal; wrap it to add some from a source of your own."""
    return lambda failures: min(longest_s, first_s * 2.0 ** (failures - 1))


class Retry(msgspec.Struct, frozen=True):
    """How often one call is tried, and the pause in seconds after the n-th failure (n from 1).

    The default gives up after 4 attempts and 0.05 + 0.1 + 0.2 s of pauses, in the range of the AWS SDKs'
    own standard mode (3 attempts, 20 s at most): a caller of a serverless function does not wait longer.
    """

    attempts: int = 4
    backoff: Callable[[int], float] = exponential()

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise BadInput(f"attempts(={self.attempts}) must be >= 1; 1 means no retry")


NO_RETRY = Retry(attempts=1)


class Caller:
    """Calls SDK methods: their errors become the runtime's, and what may be repeated is.

    Args:
        catch: the exceptions that say how a call ended.
        translate: what such an exception means; given the arguments, to name the table or queue.
    """

    def __init__(
        self,
        clock: Clock,
        retry: Retry,
        catch: tuple[type[Exception], ...],
        translate: Callable[[Exception, Mapping[str, Any]], ClefError],
    ) -> None:
        self._clock, self._retry, self._catch, self._translate = clock, retry, catch, translate

    def __call__(self, method: Callable[..., Any], arguments: dict[str, Any], *, idempotent: bool = True) -> Any:
        """Calls `method(**arguments)`.

        Args:
            idempotent: whether it may be repeated when nobody knows if it was done. What was surely not done
                and may succeed later is always repeated.

        Raises:
            Conflict: with `after_doubt` where an earlier attempt may have been done.
            Indeterminate: the last attempt, or an earlier one, may have been done.
            Refused: surely not done, by any attempt.
        """
        failures = 0
        doubted = False
        while True:
            try:
                return method(**arguments)
            except self._catch as cause:
                error = self._translate(cause, arguments)
                failures += 1
                doubted = doubted or not error.definite
                repeat = error.retryable and (idempotent or error.definite) and failures < self._retry.attempts
                if not repeat:
                    try:
                        raise _final(error, doubted) from cause
                    finally:
                        del error  # or its traceback holds this frame, and this frame holds it
            self.pause(failures)

    def pause(self, failures: int) -> None:
        """Waits as long as after the n-th failure."""
        self._clock.sleep(self._retry.backoff(failures))


def _final(error: ClefError, doubted: bool) -> ClefError:
    """A last definite no takes nothing back of an earlier attempt that may have been done."""
    if not doubted or not error.definite:
        return error
    if isinstance(error, Conflict):
        error.after_doubt = True
        return error
    return Indeterminate(f"an earlier attempt got no answer and may have been done; the last one: {error}")
