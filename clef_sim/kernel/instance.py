"""An instance: one container or process and its virtual threads, killed and frozen as a whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clef_sim.kernel.threads import Thread


class Instance:
    """What threads belong to and faults strike.

    Args:
        name: unique in the run; the first part of its threads' `who`.
        memory_mb: sets the speed of its client code (see the profile).

    Attributes:
        alive: False from `kill` on; `killed_by` is its reason.
        frozen: > 0 while frozen; freezes nest.
        skew_s: how far its wall clock is ahead.
        on_kill: called with the reason, in order, once `alive` is False and before threads are killed.
    """

    def __init__(self, name: str, *, memory_mb: int = 1024, skew_s: float = 0.0) -> None:
        self.name = name
        self.memory_mb = memory_mb
        self.skew_s = skew_s
        self.alive = True
        self.killed_by = ""
        self.frozen = 0
        self.threads: dict[Thread, None] = {}
        self.parked: list[Thread] = []
        self.on_kill: list[Callable[[str], None]] = []

    def kill(self, reason: str) -> None:
        """Kills every thread of the instance, in the order of their start, the calling one last.

        Raises:
            Killed: the caller is one of its threads.
        """
        if not self.alive:
            return
        self.alive = False
        self.killed_by = reason
        for told in self.on_kill:
            told(reason)
        self.parked.clear()
        own: Thread | None = None
        for thread in list(self.threads):
            if thread.is_current:
                own = thread
            else:
                thread.kill()
        if own is not None:
            own.kill()

    def freeze(self) -> None:
        """No thread of the instance is resumed until `thaw`; the calling one runs to its next kernel call."""
        self.frozen += 1

    def thaw(self) -> None:
        """Undoes one `freeze`. What came due meanwhile happens now, in its order."""
        self.frozen -= 1
        if not self.frozen and self.parked:
            parked, self.parked = self.parked, []
            for thread in parked:
                thread.unpark()
