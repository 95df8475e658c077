"""What the processes of a live run share while it goes on: a few numbers, in a file that all have in memory."""

from __future__ import annotations

import fcntl
import mmap
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

_RUN = struct.Struct("<dd")  # when the workload began and when faults stopped, seconds of the run; 0: not yet
_FAULT = struct.Struct("<II")  # chances that passed by, strikes
_WORKER = struct.Struct("<iid")  # executions now (-1: not ready), firings to try again, when to thaw (0: not frozen)

NOT_READY = -1


class WorkerState(msgspec.Struct, frozen=True):
    """`busy`: executions now, `NOT_READY` before the first. `queued`: firings that the engine is to try again."""

    busy: int
    queued: int
    thaw_at_s: float

    @property
    def rests(self) -> bool:
        return not self.busy and not self.queued


class Board:
    """Numbers of one run. Each worker writes its own row; faults are counted under a lock that all share.

    Args:
        faults, workers: how many of each.
    """

    def __init__(self, path: Path, faults: int, workers: int) -> None:
        self._path, self._workers = path, workers
        self._first_worker = _RUN.size + faults * _FAULT.size
        size = self._first_worker + workers * _WORKER.size
        fresh = not path.exists()
        with path.open("a+b") as file:
            if fresh:
                file.truncate(size)
            self._memory = mmap.mmap(file.fileno(), size)
        if fresh:
            for worker in range(workers):
                self.set_worker(worker, NOT_READY)

    def close(self) -> None:
        self._memory.close()

    # ---- the run

    @property
    def began_s(self) -> float:
        """When the workload began, 0 before."""
        return float(_RUN.unpack_from(self._memory, 0)[0])

    @property
    def stopped_s(self) -> float:
        """When the faults stopped, 0 before."""
        return float(_RUN.unpack_from(self._memory, 0)[1])

    def begin(self, now_s: float) -> None:
        _RUN.pack_into(self._memory, 0, now_s, 0.0)

    def stop(self, now_s: float) -> None:
        _RUN.pack_into(self._memory, 0, self.began_s, now_s)

    # ---- faults

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One thread of all processes at a time; the lock of a process that dies is free again."""
        with self._path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def fault(self, number: int) -> tuple[int, int]:
        """Chances that passed by, and strikes. Hold the lock to change them."""
        passed, struck = _FAULT.unpack_from(self._memory, _RUN.size + number * _FAULT.size)
        return passed, struck

    def set_fault(self, number: int, passed: int, struck: int) -> None:
        _FAULT.pack_into(self._memory, _RUN.size + number * _FAULT.size, passed, struck)

    # ---- workers

    def worker(self, number: int) -> WorkerState:
        return WorkerState(*_WORKER.unpack_from(self._memory, self._first_worker + number * _WORKER.size))

    def set_worker(self, number: int, busy: int, queued: int = 0, thaw_at_s: float = 0.0) -> None:
        _WORKER.pack_into(self._memory, self._first_worker + number * _WORKER.size, busy, queued, thaw_at_s)

    def workers(self) -> list[WorkerState]:
        return [self.worker(number) for number in range(self._workers)]
