"""Clock and ids, given to whoever needs them. The only file that imports time, datetime or uuid."""

from __future__ import annotations

import math
import time
import uuid
from datetime import UTC, datetime
from functools import lru_cache
from typing import Protocol


class Clock(Protocol):
    def now(self) -> float:
        """Seconds since the epoch, as this instance's wall clock says; may be skewed and may jump."""

    def monotonic(self) -> float:
        """Seconds from an arbitrary start; never goes back."""

    def sleep(self, seconds: float) -> None:
        """Blocks the caller for `seconds` >= 0."""


class Ids(Protocol):
    def new(self) -> str:
        """A fresh identifier, unlike every other one."""


def timestamp(clock: Clock) -> str:
    """ISO 8601, UTC, milliseconds: `2026-01-31T12:00:00.000Z`."""
    return iso(clock.now())


def iso(epoch_s: float) -> str:
    fraction, whole_s = math.modf(epoch_s)
    micros = round(fraction * 1e6)
    if not 0 <= micros < 1_000_000:  # rounded up to a second, or before 1970
        return datetime.fromtimestamp(epoch_s, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"
    return f"{_second(whole_s)}.{micros // 1000:03d}Z"


@lru_cache(maxsize=1024)
def _second(epoch_s: float) -> str:
    return datetime.fromtimestamp(epoch_s, UTC).isoformat()[:-6]


class SystemClock:
    """The machine's clock."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class SystemIds:
    """Random UUIDs."""

    def new(self) -> str:
        return str(uuid.uuid4())
