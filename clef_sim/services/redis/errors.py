"""What the SDKs of Redis and Upstash raise, for faults."""

from __future__ import annotations

import httpx
from redis import exceptions
from upstash_redis.errors import UpstashError


def throttled(service: str) -> Exception:
    """The service has no room for more: nothing was done."""
    if service == "upstash":
        return UpstashError("ERR max requests limit exceeded. Limit: 10000, Usage: 10001.")
    return exceptions.OutOfMemoryError("command not allowed when used memory > 'maxmemory'.", status_code="OOM")


def lost_answer(service: str) -> Exception:
    """No answer came in time."""
    if service == "upstash":
        return httpx.ReadTimeout("The read operation timed out")
    return exceptions.TimeoutError("Timeout reading from socket")
