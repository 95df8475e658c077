"""Profiles: what a cloud's services take in time, allow and cost. Each number carries its source.

A name that a profile does not hold is an error, never a default: an unmeasured call must not look measured.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from random import Random
from typing import TypeVar

import msgspec

from clef_runtime.errors import BadInput
from clef_sim.profiles.numbers import Distribution, Number, sampler

_Entry = TypeVar("_Entry")


class Profile(msgspec.Struct, frozen=True):
    """One cloud.

    Attributes:
        latencies: by `service.Operation`, in ms, both directions together.
        limits: by name, unit last.
        prices: by name, in USD per what the name says.
    """

    name: str
    latencies: Mapping[str, Distribution]
    limits: Mapping[str, Number]
    prices: Mapping[str, Number]

    def latency(self, name: str) -> Callable[[Random], float]:
        """A sampler of the operation's ms."""
        return sampler(self._of(self.latencies, "latency", name))

    def limit(self, name: str) -> float:
        return self._of(self.limits, "limit", name).value

    def price(self, name: str) -> float:
        return self._of(self.prices, "price", name).value

    def client_cpu_ms(self, memory_mb: int) -> float:
        """What an SDK call costs more in client time on an instance of that size, in ms."""
        for size_mb in (128, 256, 512):
            if memory_mb <= size_mb:
                return self.limit(f"client_cpu_{size_mb}mb_ms")
        return 0.0

    def first_call_ms(self, memory_mb: int) -> float:
        """What the first handler call of an instance takes longer, in ms: cold code and connections."""
        scaled = self.limit("function.first_call_mb_ms") / memory_mb
        return max(self.limit("function.first_call_floor_ms"), scaled)

    def _of(self, table: Mapping[str, _Entry], what: str, name: str) -> _Entry:
        entry = table.get(name)
        if entry is None:
            near = difflib.get_close_matches(name, table, n=3)
            hint = f"; near to it: {', '.join(near)}" if near else ""
            raise BadInput(
                f"profile {self.name!r} has no {what} {name!r}{hint}. "
                f"Add it to clef_sim/profiles/{self.name}.py with its source."
            )
        return entry


def profile(name: str) -> Profile:
    """The profile of that name.

    Raises:
        BadInput: there is none.
    """
    from clef_sim.profiles.aws import AWS
    from clef_sim.profiles.gcp import GCP

    profiles = {"aws": AWS, "gcp": GCP}
    if name not in profiles:
        raise BadInput(f"profile(={name!r}) must be one of {', '.join(profiles)}")
    return profiles[name]
