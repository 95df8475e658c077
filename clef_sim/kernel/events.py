"""SimPy events that cost little: no lists made, nothing to trigger. `Kernel.run` knows them by their class."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from simpy.events import Event

if TYPE_CHECKING:
    from clef_sim.kernel.threads import Thread


class Wake(Event):
    """Wakes one virtual thread. A thread has at most one scheduled, so it uses the same again and again."""

    _ok = True
    _value = None

    def __init__(self, thread: Thread) -> None:
        self.thread = thread


class Later(Event):
    """Calls a function. It may be scheduled again once it has."""

    _ok = True
    _value = None

    def __init__(self, function: Callable[[], None]) -> None:
        self.function = function


class Done(Event):
    """The end of a thread; costs a place in the queue only where somebody waits.

    Attributes:
        good, result: as SimPy's `ok` and `value`, without a call.
    """

    good = False
    result: Any = None

    def finish(self, ok: bool, value: Any) -> None:
        """It has ended, and is about to be scheduled."""
        self._ok = self.good = ok
        self._value = self.result = value

    def end_at_once(self, ok: bool, value: Any) -> None:
        """As if triggered and processed: whoever asks from now on finds the value."""
        self.finish(ok, value)
        self.callbacks: Any = None
