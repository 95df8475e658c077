"""The kernel's choice points as data: draws that a test hands in, instead of a seed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

from clef_sim.kernel.choices import Choices, Sampler, Stream, derived_seed


class _GivenStream(Stream):
    def __init__(self, name: str, values: Iterator[float]) -> None:
        super().__init__(name)
        self._values = values

    def draw(self, sampler: Sampler) -> float:  # noqa: ARG002  the test says what is drawn
        return next(self._values, 0.0)


class _SeededStream(Stream):
    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._random = Random(derived_seed(0, name))

    def draw(self, sampler: Sampler) -> float:
        return sampler(self._random)


class GivenChoices(Choices):
    """Draws the latencies from `latencies_ms`, one after another over all services, then 0; everything else
    from seed 0. A list of small numbers is a schedule, and shrinks like one."""

    def __init__(self, latencies_ms: Sequence[float]) -> None:
        super().__init__()
        self._latencies = iter(latencies_ms)

    def _new(self, name: str) -> Stream:
        return _GivenStream(name, self._latencies) if name.startswith("latency.") else _SeededStream(name)
