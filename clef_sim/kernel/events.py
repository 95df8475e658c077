"""SimPy events that cost little: no lists made, nothing to trigger. SimPy's queue takes them as its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from simpy.events import Event


class Wake(Event):
    """Wakes one virtual thread. A thread has at most one scheduled, so it uses the same again and again."""

    _ok = True
    _value = None

    def __init__(self) -> None:
        self.callbacks: Any = None


def _call(event: Any) -> None:
    event.function()


_CALL: Any = (_call,)


class Later(Event):
    """Calls a function. Once it has, `rearm` makes it ready to be scheduled again."""

    _ok = True
    _value = None

    def __init__(self, function: Callable[[], None]) -> None:
        self.function = function
        self.callbacks = _CALL

    def rearm(self) -> None:
        self.callbacks = _CALL


class Done(Event):
    """The end of a thread; costs a place in the queue only where somebody waits."""

    def end_at_once(self, ok: bool, value: Any) -> None:
        """As if triggered and processed: whoever asks from now on finds the value."""
        self._ok = ok
        self._value = value
        self.callbacks: Any = None
