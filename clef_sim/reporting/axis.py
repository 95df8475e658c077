"""The time axis of a timeline: virtual seconds to pixels, long waits cut out."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise

import msgspec

CUT_PX = 46.0
"""Width of a wait that was cut short, whatever it took; less where all of them would take half of the axis."""

CUT_FROM_S = 0.2
"""No shorter wait is cut."""

TICK_PX = 64.0
"""Least distance of two ticks: room for a label of seven digits and a comma."""


class Piece(msgspec.Struct, frozen=True):
    """A stretch of the axis: from `start` to `end` (s) on `left` to `right` (px)."""

    start: float
    end: float
    left: float
    right: float
    cut: bool


class Tick(msgspec.Struct, frozen=True):
    x: float
    label: str


class Axis:
    """Maps times to pixels.

    A wait is cut short where it is longer than half of all that is not: then what happened would be hairlines
    beside it.

    Args:
        times: virtual seconds at which something began or ended; at least one.
        zero: the virtual second that is called 0 ms.
        left, right: pixels to use.
    """

    def __init__(self, times: Sequence[float], zero: float, left: float, right: float) -> None:
        self._zero = zero
        self.pieces = _pieces(sorted(set(times)), left, right)
        self._starts = [piece.start for piece in self.pieces]

    @property
    def cuts(self) -> list[Piece]:
        return [piece for piece in self.pieces if piece.cut]

    def x(self, time: float) -> float:
        piece = self.pieces[max(0, bisect_right(self._starts, time) - 1)]
        part = (time - piece.start) / (piece.end - piece.start) if piece.end > piece.start else 0.0
        return piece.left + min(part, 1.0) * (piece.right - piece.left)

    def ticks(self) -> list[Tick]:
        """Round numbers of ms, at least `TICK_PX` apart."""
        ticks: list[Tick] = []
        for piece in self.pieces:
            if piece.cut:
                continue
            start, end = (1000 * (at - self._zero) for at in (piece.start, piece.end))
            step = _step((end - start) / max(piece.right - piece.left, 1e-9))
            number = -(-start // step) * step
            while number <= end:
                x = self.x(self._zero + number / 1000)
                if not ticks or x - ticks[-1].x >= TICK_PX:
                    ticks.append(Tick(x, f"{number:,.0f}"))
                number += step
        return ticks


def _step(ms_per_px: float) -> float:
    """The least of 1, 2, 5, 10, 20, .. ms that is `TICK_PX` wide."""
    step = 1.0
    while True:
        for factor in (1, 2, 5):
            if factor * step >= ms_per_px * TICK_PX:
                return factor * step
        step *= 10


def _longest_uncut(gaps: Sequence[float]) -> float:
    """Gaps longer than this are cut: the longest that is not over half as long as all shorter ones together."""
    together = 0.0
    longest = 0.0
    for gap in sorted(gaps):
        if together and gap > max(together / 2, CUT_FROM_S):
            break
        together += gap
        longest = gap
    return longest


def _pieces(times: Sequence[float], left: float, right: float) -> list[Piece]:
    gaps = [later - at for at, later in pairwise(times)]
    limit = _longest_uncut(gaps)
    cuts = sum(gap > limit for gap in gaps)
    cut_px = min(CUT_PX, (right - left) / 2 / max(cuts, 1))
    rest = sum(gap for gap in gaps if gap <= limit)
    scale = (right - left - cut_px * cuts) / rest if rest else 0.0
    pieces: list[Piece] = []
    x = left
    for at, gap in zip(times, gaps, strict=False):
        out = gap > limit
        width = cut_px if out else gap * scale
        if pieces and not out and not pieces[-1].cut:
            before = pieces.pop()
            pieces.append(Piece(before.start, at + gap, before.left, x + width, False))
        else:
            pieces.append(Piece(at, at + gap, x, x + width, out))
        x += width
    return pieces or [Piece(times[0], times[0], left, right, False)]
