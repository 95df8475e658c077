"""The runtime's Clock and Ids in virtual time."""

from __future__ import annotations

from random import Random

from clef_sim.kernel.choices import Choices
from clef_sim.kernel.instance import Instance
from clef_sim.kernel.threads import Kernel

EPOCH_S = 1_767_225_600.0
"""What a wall clock without skew shows at virtual second 0: 2026-01-01T00:00:00Z."""


class SimClock:
    """A clock on virtual time.

    Args:
        skew_s: how far its wall clock is ahead of the others; negative is behind.
        instance: whose own `skew_s` is added, as it is at the time of asking.
    """

    def __init__(self, kernel: Kernel, skew_s: float = 0.0, instance: Instance | None = None) -> None:
        self._kernel = kernel
        self._instance = instance
        self.skew_s = skew_s

    def now(self) -> float:
        """Seconds since the epoch as this wall clock says."""
        skew_s = self.skew_s if self._instance is None else self.skew_s + self._instance.skew_s
        return EPOCH_S + self._kernel.now + skew_s

    def monotonic(self) -> float:
        """Virtual seconds since the start of the run; without skew."""
        return self._kernel.now

    def sleep(self, seconds: float) -> None:
        """Suspends the current virtual thread."""
        self._kernel.sleep(seconds)


class SimIds:
    """Identifiers from a stream: in no order, as random ones are, and never equal in one run.

    All users of one run must share one `SimIds`.
    """

    def __init__(self, choices: Choices, stream: str = "ids") -> None:
        self._draw = choices.stream(stream).bound(_below_48_bits)
        self._made = 0

    def new(self) -> str:
        """20 hexadecimal digits: 12 drawn, 8 counted."""
        self._made += 1
        return f"{int(self._draw()):012x}{self._made:08x}"


def _below_48_bits(random: Random) -> float:
    """As `Stream.below(1 << 48)` draws it."""
    number = random.getrandbits(49)
    while number >= 1 << 48:
        number = random.getrandbits(49)
    return number
