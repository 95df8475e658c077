"""Upstash: Redis over HTTP, which holds no connection between calls. Storage and guard are those of Redis, over
these commands.

The SDK's client repeats a call whose answer was lost, unless it is told not to. What runs over it must bear that: a
`SET NX` that won is refused when it comes again, so that the guard reads back whose it is.
"""

from __future__ import annotations

from typing import Any

import httpx
import upstash_redis
from upstash_redis.errors import UpstashError

from clef_runtime.context import Clock
from clef_runtime.errors import BadInput, ClefError, Indeterminate, Throttled
from clef_runtime.redis import Commands, of_answer
from clef_runtime.retry import Retry

_CONNECT_S, _ANSWER_S = 1.0, 5.0


def client(url: str, token: str) -> upstash_redis.Redis:
    """Upstash's client without retries, whose pause is by the wall clock, and with a time limit, as the AWS clients
    have it: it has none of its own."""
    made = upstash_redis.Redis(url, token, rest_retries=0, allow_telemetry=False)
    made._http._client.timeout = httpx.Timeout(_ANSWER_S, connect=_CONNECT_S)  # it has no option for it
    return made


def upstash_commands(client: Any, clock: Clock, retry: Retry = Retry()) -> Commands:  # noqa: B008 - frozen
    """Commands over Upstash's REST client.

    Args:
        client: made by `client(url, token)`; one that retries is borne as well.
    """
    # An answer that is no JSON, or not of the expected form, is a gateway's: a ValueError, KeyError or TypeError.
    catch = (UpstashError, httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError, AttributeError)
    return Commands(lambda command: client.execute(command=command), clock, retry, catch, _translate)


def _translate(error: Exception) -> ClefError:
    words = f"Upstash: {type(error).__name__}: {error}"
    if isinstance(error, httpx.InvalidURL | httpx.UnsupportedProtocol):
        return BadInput(f"{words}; give https://<host>")
    if not isinstance(error, UpstashError):
        return Indeterminate(f"{words}; it may have been done")
    text = str(error)
    if text.startswith("ERR max") and "limit exceeded" in text:
        return Throttled(words)  # requests of a second, a day, a month
    return of_answer(text, words)
