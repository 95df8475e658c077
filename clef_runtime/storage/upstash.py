"""Upstash: Redis over HTTP, which holds no connection between calls. Storage and guard are those of Redis, over
these commands.

The SDK's client repeats a call whose answer was lost, unless it is told not to. What runs over it must bear that: a
`SET NX` that won is refused when it comes again, so that the guard reads back whose it is.
"""

from __future__ import annotations

from typing import Any

import httpx
from upstash_redis.errors import UpstashError

from clef_runtime.context import Clock
from clef_runtime.errors import ClefError, Indeterminate, Throttled
from clef_runtime.redis import Commands, of_answer
from clef_runtime.retry import Retry


def client_config() -> dict[str, Any]:
    """What to give to `upstash_redis.Redis`: no retries by the SDK, whose pause is by the wall clock."""
    return {"rest_retries": 0, "allow_telemetry": False}


def upstash_commands(client: Any, clock: Clock, retry: Retry = Retry()) -> Commands:  # noqa: B008 - frozen
    """Commands over Upstash's REST client.

    Args:
        client: an `upstash_redis.Redis`, made with `client_config()`.
    """
    # An answer that is no JSON, or not of the expected form, is a gateway's: a ValueError, KeyError or TypeError.
    catch = (UpstashError, httpx.HTTPError, ValueError, KeyError, TypeError, AttributeError)
    return Commands(lambda command: client.execute(command=command), clock, retry, catch, _translate)


def _translate(error: Exception) -> ClefError:
    words = f"Upstash: {type(error).__name__}: {error}"
    if not isinstance(error, UpstashError):
        return Indeterminate(f"{words}; it may have been done")
    text = str(error)
    if text.startswith("ERR max") and "limit exceeded" in text:
        return Throttled(words)  # requests of a second, a day, a month
    return of_answer(text, words)
