"""Choices: where every drawn value of a run comes from.

Each concern has its own named stream ("arrivals", "latency.dynamodb", "fault.crash"), seeded from the root
seed and its name, so that drawing more of one moves none of the others. A run's draws, in their order, are
its decision log; `Replay` gives them out again.
"""

from __future__ import annotations

import math
import random
from array import array
from collections.abc import Callable
from functools import partial
from hashlib import blake2b
from types import MethodType
from typing import Any, TypeAlias

from clef_runtime.errors import BadInput
from clef_sim.kernel.decision_log import DecisionLog

Sampler: TypeAlias = Callable[[random.Random], float]


class Diverged(BaseException):
    """The code asks for another decision than the log holds: it is not the code that was recorded.

    Not an `Exception`, so that a handler's `except Exception` cannot swallow it.

    Args:
        number: of the decision, from 0.
        wanted: the stream that the code draws from; None where the code has ended.
        logged: the stream that the log holds; None where the log has ended.
    """

    def __init__(self, number: int, wanted: str | None, logged: str | None) -> None:
        self.number, self.wanted, self.logged = number, wanted, logged
        holds = "the log ends here" if logged is None else f"the log holds {logged!r}"
        asks = "the run has ended" if wanted is None else f"the code asks for {wanted!r}"
        super().__init__(
            f"decision {number}: {holds}, {asks}. The code has changed since the recording; "
            "record the run again with its seed."
        )


class Stream:
    """One concern's draws. Subclasses give `draw`; everything else is made of it."""

    def __init__(self, name: str) -> None:
        self.name = name

    def draw(self, sampler: Sampler) -> float:
        """One number: what `sampler` makes of a random generator, or what another source says instead."""
        raise NotImplementedError(f"{type(self).__name__}.draw")

    def bound(self, sampler: Sampler) -> Callable[[], float]:
        """`draw` of one sampler, for those who draw often."""
        return partial(self.draw, sampler)

    def below(self, n: int) -> int:
        """An integer of 0..n-1; n in 1..2**53."""
        if not 0 < n <= 1 << 53:
            raise BadInput(f"n(={n}) of stream {self.name!r} must be in 1..2**53")
        return int(self.draw(lambda r: r.randrange(n)))

    def chance(self, p: float) -> bool:
        """True with probability p, in 0..1."""
        return self.draw(lambda r: r.random() < p) != 0.0

    def uniform(self, low: float, high: float) -> float:
        """A number in [low, high)."""
        return self.draw(lambda r: low + (high - low) * r.random())

    def lognormal(self, mu: float, sigma: float) -> float:
        """exp(mu + sigma·N(0,1)). Rounded to 1e-6, since the last bit of `exp` differs between machines."""
        return self.draw(lambda r: round(math.exp(mu + sigma * r.gauss(0.0, 1.0)), 6))

    def exponential(self, mean: float) -> float:
        """A waiting time of the given mean. Rounded to 1e-9, for the same reason."""
        return self.draw(lambda r: round(-mean * math.log(1.0 - r.random()), 9))


class Choices:
    """The source of all streams of a run. Subclass it to take the draws from elsewhere."""

    def __init__(self) -> None:
        self._streams: dict[str, Stream] = {}

    def stream(self, name: str) -> Stream:
        """The stream of that name; always the same one."""
        stream = self._streams.get(name)
        if stream is None:
            stream = self._streams[name] = self._new(name)
        return stream

    def _new(self, name: str) -> Stream:
        raise NotImplementedError(f"{type(self).__name__}._new")


def derived_seed(root: int, name: str) -> int:
    """The seed of a stream: the same on every machine."""
    return int.from_bytes(blake2b(f"{root}/{name}".encode(), digest_size=8).digest(), "big")


class Seeded(Choices):
    """Draws from generators seeded by `seed`.

    Args:
        record: whether draws are kept in `log`, 12 bytes each.
    """

    def __init__(self, seed: int, record: bool = True) -> None:
        super().__init__()
        self.seed = seed
        self.log = DecisionLog(seed=seed) if record else None

    def _new(self, name: str) -> Stream:
        generator = random.Random(derived_seed(self.seed, name))
        if self.log is None:
            return _SeededStream(name, generator)
        return _RecordedStream(name, generator, self.log)


class _SeededStream(Stream):
    def __init__(self, name: str, generator: random.Random) -> None:
        super().__init__(name)
        self._random = generator

    def draw(self, sampler: Sampler) -> float:
        return sampler(self._random)

    def bound(self, sampler: Sampler) -> Callable[[], float]:
        return MethodType(sampler, self._random)  # called faster than a partial


class _RecordedStream(Stream):
    def __init__(self, name: str, generator: random.Random, log: DecisionLog) -> None:
        super().__init__(name)
        self._random = generator
        self._number = log.number_of(name)
        self._add_stream: Callable[[int], Any] = log.streams.append
        self._add_value: Callable[[float], Any] = log.values.append

    def draw(self, sampler: Sampler) -> float:
        value = sampler(self._random)
        self._add_stream(self._number)
        self._add_value(value)
        return value


class Replay(Choices):
    """Draws what a log holds, in its order.

    Raises (at a draw):
        Diverged: the log holds another stream at this place, or has ended.
    """

    def __init__(self, log: DecisionLog) -> None:
        super().__init__()
        self.seed = log.seed
        self._log = log
        self.position = 0

    def _new(self, name: str) -> Stream:
        return _ReplayedStream(name, self, self._log)

    def check_finished(self) -> None:
        """Raises Diverged where the run has ended and the log goes on."""
        if self.position < len(self._log):
            raise Diverged(self.position, None, self._log.name_at(self.position))


class _ReplayedStream(Stream):
    def __init__(self, name: str, replay: Replay, log: DecisionLog) -> None:
        super().__init__(name)
        self._replay = replay
        self._log = log
        self._number = log.names.index(name) if name in log.names else -1
        self._streams: array[int] = log.streams
        self._values: array[float] = log.values

    def draw(self, sampler: Sampler) -> float:  # noqa: ARG002  the log says what was drawn
        position = self._replay.position
        if position >= len(self._streams):
            raise Diverged(position, self.name, None)
        if self._streams[position] != self._number:
            raise Diverged(position, self.name, self._log.name_at(position))
        self._replay.position = position + 1
        return self._values[position]
