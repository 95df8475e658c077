"""The contenders: processes that wait for a race, and the threads in them that run it at once.

One process holds all seats of a race (threads against threads), or each holds a share (processes against processes).
All seats meet before each race of a key; they read one monotonic clock, which processes of one machine share.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any, Literal, Protocol, TypeAlias

import msgspec

from clef_runtime.errors import ClefError
from clef_sim.certify.linearizable import Operation

Mode: TypeAlias = Literal["threads", "processes"]

MEET_S = 60.0
"""How long a seat waits for the others: the longest call of a probe takes 10 s."""


MARKS = 256


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """One series of races.

    Args:
        env: the variables that lead to the service.
        name: begins every key and every queue, unlike any other series'.
        races: how many keys at most; `budget_s`: when no further one begins.
        group: contenders for one key, a divisor of the seats; the groups race side by side.
        visibility_s: of the queues that are made. `stale`: whether it is tried what a stale handle does.
    """

    service: str
    guarantee: str
    env: dict[str, str]
    name: str
    races: int
    budget_s: float
    group: int
    switch_interval_s: float
    visibility_s: float
    stale: bool = False


class Told(msgspec.Struct, kw_only=True):
    """What came of a series: operations by key, when consumers asked for messages, what the service said besides
    answers, and notes on what it does."""

    operations: dict[str, list[Operation]] = {}
    looks_s: list[float] = []
    refused: int = 0
    said: str = ""
    notes: list[str] = []
    elapsed_s: float = 0.0
    error: str = ""

    def add(self, other: Told) -> None:
        for key, operations in other.operations.items():
            self.operations.setdefault(key, []).extend(operations)
        self.looks_s += other.looks_s
        self.refused += other.refused
        self.said = self.said or other.said
        self.notes += other.notes
        self.elapsed_s = max(self.elapsed_s, other.elapsed_s)
        if self.error in ("", _LEFT):
            self.error = other.error or self.error


_LEFT = "another contender failed"


class Meeting(Protocol):
    """Where the seats of a race wait for each other."""

    def go_on(self, seat: int, number: int, *, last: bool) -> bool:
        """Waits for all; False for all of them where seat 0 said `last`."""

    def abort(self) -> None:
        """Sends everybody home."""

    def mark(self, number: int) -> None:
        """Marks a number below `MARKS`, for all seats to see."""

    def marked(self) -> int:
        """How many are marked."""


class _Meeting:
    def __init__(self, context: Any, seats: int) -> None:
        self._barrier, self._stop_at = context.Barrier(seats), context.Value("i", -1)
        self._marks = context.Array("b", MARKS)

    def go_on(self, seat: int, number: int, *, last: bool) -> bool:
        if seat == 0 and last:
            self._stop_at.value = number
        self._barrier.wait(MEET_S)
        # Not "whether it is set": seat 0 may set it for the next round before a slow one has looked.
        return bool(self._stop_at.value != number)

    def abort(self) -> None:
        self._barrier.abort()

    def mark(self, number: int) -> None:
        self._marks[number] = 1

    def marked(self) -> int:
        return sum(self._marks[:])

    def reset(self) -> None:
        self._barrier.reset()
        self._stop_at.value, self._marks[:] = -1, [0] * MARKS


Contend: TypeAlias = Callable[[Task, int, int, Meeting], Told]
"""What one seat does in a series: given its number, of how many."""


class Crew:
    """Processes that race. A `with` block: they are gone afterwards, in whatever way it is left.

    Args:
        seats: contenders in all, > 1.
        processes: that share the seats, a divisor of them.
    """

    def __init__(self, seats: int, processes: int) -> None:
        context = get_context("spawn")
        self._seats, self._count = seats, processes
        self._together, self._alone = _Meeting(context, seats), _Meeting(context, seats)
        self._ends: list[Any] = []
        self._processes: list[tuple[Any, Any]] = []
        for number in range(processes):
            ours, theirs = context.Pipe()
            process = context.Process(
                target=_serve, args=(theirs, number, seats, processes, self._together, self._alone), daemon=True
            )
            self._ends.append(ours)
            self._processes.append((process, theirs))

    def __enter__(self) -> Crew:
        # Ctrl-C reaches all of a terminal; this process alone acts on it.
        with _deaf():
            for process, _ in self._processes:
                process.start()
        for _, theirs in self._processes:
            theirs.close()
        return self

    def __exit__(self, *_: object) -> None:
        for process, _ in self._processes:
            process.terminate()
        for process, _ in self._processes:
            process.join()
        for end in self._ends:
            end.close()

    def prepare(self, task: Task) -> Told:
        """Makes what the series needs; `error` says why it cannot. Raises as `run`."""
        return self._run(task, "prepare", self._ends[:1])

    def run(self, task: Task, mode: Mode) -> Told:
        """Raises ClefError where a process has died."""
        meeting = self._alone if mode == "threads" else self._together
        meeting.reset()
        return self._run(task, mode, self._ends[:1] if mode == "threads" else self._ends)

    def _run(self, task: Task, what: str, ends: Sequence[Any]) -> Told:
        told = Told()
        try:
            for end in ends:
                end.send((task, what))
            for end in ends:
                told.add(end.recv())
        except (EOFError, OSError) as error:
            raise ClefError(f"{task.service}: {task.guarantee}: a contender's process has died") from error
        return told


@contextmanager
def _deaf() -> Any:
    import signal

    heard = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, heard)


def _serve(end: Any, number: int, seats: int, processes: int, together: _Meeting, alone: _Meeting) -> None:
    """A process: series after series, until the other end is gone."""
    from clef_sim.certify.contending import contend, prepare

    share = seats // processes
    while True:
        try:
            task, mode = end.recv()
        except EOFError:
            return
        if mode == "prepare":
            end.send(prepare(task))
            continue
        mine = range(seats) if mode == "threads" else range(number * share, (number + 1) * share)
        end.send(_race(task, mine, seats, alone if mode == "threads" else together, contend))


def _race(task: Task, mine: range, seats: int, meeting: _Meeting, contend: Contend) -> Told:
    told, lock = Told(), threading.Lock()

    def sit(seat: int) -> None:
        try:
            found = contend(task, seat, seats, meeting)
        except threading.BrokenBarrierError:
            found = Told(error=_LEFT)
        except Exception as error:
            # Whatever it is, the others must not wait for this one; it is told in full.
            meeting.abort()
            found = Told(error=f"{type(error).__name__}: {error}")
        with lock:
            told.add(found)

    usual_s = sys.getswitchinterval()
    sys.setswitchinterval(task.switch_interval_s or usual_s)
    try:
        threads = [threading.Thread(target=sit, args=(seat,), daemon=True) for seat in mine]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(usual_s)
    return told
