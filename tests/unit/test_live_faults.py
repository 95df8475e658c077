"""Faults of live runs: counted by all together, and refused in words where they have no place."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from clef_sim.kernel.choices import Seeded
from clef_sim.live.board import NOT_READY, Board
from clef_sim.live.faults import shared_faults, why_not
from clef_sim.live.history import Here
from clef_sim.scenario import (
    ClockSkew,
    Crash,
    Delay,
    Duplicate,
    EngineRestart,
    FaultSpec,
    Freeze,
    LateDelivery,
    Redrive,
    Reorder,
    StaleRead,
    Throttle,
)

CRASH = Crash(call="dynamodb.PutItem", when="at", times=3, skip=5)


def plan(board: Board, faults: Sequence[FaultSpec] = (CRASH,)) -> list[bool]:
    armed = shared_faults(faults, Here(0.0, "p"), Seeded(1, record=False), board).armed
    return [armed[0].strikes() for _ in range(40)]


def test_fault_strikes_as_often_as_it_says_however_many_ask(tmp_path: Path) -> None:
    boards = [Board(tmp_path / "board", 1, 0) for _ in range(4)]  # as four processes have it
    boards[0].begin(0.001)
    struck: list[bool] = []
    threads = [threading.Thread(target=lambda board=board: struck.extend(plan(board))) for board in boards]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(struck), sum(struck)) == (160, 3)
    assert boards[3].fault(0) == (5, 3)


def test_fault_strikes_neither_before_the_workload_nor_after_the_end_of_faults(tmp_path: Path) -> None:
    board = Board(tmp_path / "board", 1, 0)
    assert not any(plan(board))
    assert board.fault(0) == (0, 0)
    board.begin(0.001)
    board.stop(0.002)
    assert not any(plan(board))


def test_worker_is_not_ready_until_it_says_so_and_others_rows_stay(tmp_path: Path) -> None:
    board = Board(tmp_path / "board", 2, 2)
    other = Board(tmp_path / "board", 2, 2)
    assert [each.busy for each in other.workers()] == [NOT_READY, NOT_READY]
    board.set_worker(1, 0)
    assert [each.rests for each in other.workers()] == [False, True]
    board.set_worker(1, 0, queued=1)
    assert not other.worker(1).rests


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (StaleRead(table="log", lag_s=1), "no emulator's reads are ever stale"),
        (Reorder(queue="completions", places=2), "in an order of its own"),
        (ClockSkew(function="evaluator", skew_s=5), "one clock"),
        (Redrive(at_s=5), "dead letters are counted"),
        (Throttle(call="sql.Execute"), "sql.Execute"),
    ],
)
def test_fault_without_a_place_here_is_refused_in_words(fault: FaultSpec, words: str) -> None:
    assert words in why_not([CRASH, fault])


def test_fault_with_a_place_here_is_taken() -> None:
    taken = [
        CRASH,
        Freeze(call="firestore.Commit", for_s=1),
        Delay(call="http.POST", for_s=1),
        Duplicate(queue="mail"),
        LateDelivery(queue="mail", for_s=1),
        EngineRestart(at_s=1),
    ]
    assert why_not(taken) == ""
