"""Faults of a live run: the same specifications, counted by all processes together; and which have no place here."""

from __future__ import annotations

from collections.abc import Sequence

from clef_sim.faults import Armed, Faults
from clef_sim.history import Where
from clef_sim.kernel.choices import Choices
from clef_sim.live.board import Board
from clef_sim.scenario import AtCall, ClockSkew, Fault, FaultSpec, Redrive, Reorder, StaleRead

_NOT_HERE: tuple[tuple[type[Fault], str], ...] = (
    (StaleRead, "stale_read needs the model: no emulator's reads are ever stale"),
    (Reorder, "reorder needs the model: a real queue hands its messages out in an order of its own"),
    (ClockSkew, "clock_skew needs virtual time: all processes of a machine have one clock"),
    (Redrive, "redrive is not made here: dead letters are counted and left alone"),
)


def why_not(faults: Sequence[FaultSpec]) -> str:
    """Why a scenario with these faults has no place in this world, in words; empty where it has one."""
    for fault in faults:
        for kind, words in _NOT_HERE:
            if isinstance(fault, kind):
                return words
        if isinstance(fault, AtCall) and fault.call.partition(".")[0] in _UNSEEN:
            return f"{fault.call}: calls of {', '.join(_UNSEEN)} go past what strikes calls here"
    return ""


_UNSEEN = ("sql", "redis", "gcs")
"""Services whose SDK is used as it is."""


class SharedArmed(Armed):
    """A fault whose chances and strikes all processes count together."""

    def __init__(self, spec: Fault, number: int, where: Where, choices: Choices, board: Board) -> None:
        super().__init__(spec, number, where, choices)
        self._number, self._board = number, board

    def strikes(self) -> bool:
        """As `Armed.strikes`; never before the workload begins."""
        if not self._board.began_s or self._board.stopped_s:
            return False
        with self._board.locked():
            self._passed, self.struck = self._board.fault(self._number)
            self.origin_s = self._board.began_s
            strikes = super().strikes()
            self._board.set_fault(self._number, self._passed, self.struck)
        return strikes


def shared_faults(specs: Sequence[FaultSpec], where: Where, choices: Choices, board: Board) -> Faults:
    """The fault plan of one process.

    Args:
        choices: the process's own, from which chances are drawn.
    """

    def arm(spec: Fault, number: int, where: Where, choices: Choices) -> Armed:
        return SharedArmed(spec, number, where, choices, board)

    return Faults(specs, where, choices, arm)
