"""One process of a function: its executions, and how a fault makes it die or stand still."""

from __future__ import annotations

import itertools
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import msgspec

from clef_runtime.context import SystemClock
from clef_sim.history import History
from clef_sim.live.board import Board
from clef_sim.live.history import Here

CRASHED = 86
"""The exit code of a process that a fault has killed."""

_GRACE_S = 6.0
"""How long a dying process waits for its other threads to write where they were: longer than an SDK call may take."""

_LOOK_S = 0.005


class Crashed(BaseException):
    """This process is dying by a fault. What its threads were about is written as `unknown` on the way out."""


class Place(msgspec.Struct, frozen=True):
    """Which process this is: the `number`th of its function since the start, in the board's row `row`."""

    function: str
    number: int
    row: int

    @property
    def name(self) -> str:
        return f"{self.function}-{self.number}"


class LiveInstance:
    """This process.

    A crash ends the process for real. Before that, each of its threads runs to its next SDK call, which does not
    return to it, so that the history says what each was about: as an instance in virtual time dies, which is killed
    at SDK calls only.
    """

    def __init__(self, place: Place, board: Board, here: Here, history: History) -> None:
        self.place, self.name = place, place.name
        self.dying = ""
        self._board, self._here, self._history = board, here, history
        self._clock = SystemClock()
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._busy = 0
        self.queued = 0

    def ready(self, ms: float) -> None:
        """It takes work from now on, after `ms` of preparation."""
        self.tell("cold", ms=round(ms, 3))
        self._board.set_worker(self.place.row, self._busy, self.queued)

    def tell(self, what: str, **data: Any) -> None:
        """An `instance` event."""
        self._history.add("instance", what, function=self.place.function, instance=self.name, **data)

    @contextmanager
    def execution(self, thread: str) -> Iterator[str]:
        """One execution in this thread; gives its name, `function-process:thread.number`."""
        who = f"{self.name}:{thread}.{next(self._numbers)}"
        self._count(1)
        try:
            with self._here.acting(who):
                yield who
        finally:
            self._count(-1)

    def _count(self, more: int) -> None:
        with self._lock:
            self._busy += more
            thaw_at_s = self._board.worker(self.place.row).thaw_at_s
            self._board.set_worker(self.place.row, self._busy, self.queued, thaw_at_s)

    # ---- what faults do to it

    def crash(self, reason: str) -> NoReturn:
        """Kills the process.

        Raises:
            Crashed: in the calling thread; in the others at their next SDK call.
        """
        self.end(reason)
        raise Crashed

    def end(self, reason: str) -> None:
        """Lets the process end as soon as its threads have written where they were."""
        with self._lock:
            first, self.dying = not self.dying, self.dying or reason
        if first:
            threading.Thread(target=self._end, daemon=True).start()

    def check(self) -> None:
        """Raises Crashed in a dying process."""
        if self.dying:
            raise Crashed

    def _end(self) -> NoReturn:
        until_s = self._clock.monotonic() + _GRACE_S
        while self._busy and self._clock.monotonic() < until_s:
            self._clock.sleep(_LOOK_S)
        self.tell("killed", reason=self.dying, untold=bool(self._busy))
        os._exit(CRASHED)

    def freeze(self, seconds: float) -> None:
        """Stops the whole process; the host lets it go on after `seconds`."""
        self.tell("frozen", ms=seconds * 1000.0)
        with self._lock:
            self._board.set_worker(self.place.row, self._busy, self.queued, self._here.now + seconds)
        os.kill(os.getpid(), signal.SIGSTOP)
