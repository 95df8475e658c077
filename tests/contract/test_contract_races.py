"""Clauses G1, G12 and S5.3 of docs/contracts.md with real threads, on services that are atomic across them."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

from contract_backends import Backend
from contract_messages import completion, firing

from clef_runtime.errors import Conflict
from clef_runtime.storage.base import Write

THREADS = 8


def _at_once(run: Callable[[int], Any]) -> list[Any]:
    barrier = Barrier(THREADS)

    def start(number: int) -> Any:
        barrier.wait()
        return run(number)

    with ThreadPoolExecutor(THREADS) as threads:
        return list(threads.map(start, range(THREADS)))


def test_guard_acquire_in_a_race_has_one_winner(racing: Backend) -> None:  # G1
    for number in range(10):
        won = _at_once(lambda _, number=number: racing.guard.try_acquire([f"c{number}"], "S"))
        assert sorted(won) == [False] * (THREADS - 1) + [True]


def test_guard_claims_in_a_race_have_one_winner(racing: Backend) -> None:  # G3 G12
    for number in range(5):
        contested = firing(matched=(f"c{number}",))
        for fencing in (1, 2):
            claims = _at_once(
                lambda thread, contested=contested, fencing=fencing: racing.guard.claim(
                    contested, owner=f"{fencing}.{thread}", lease_s=10
                )
            )
            (winner,) = [claim.owner for claim in claims if claim.state == "won"]
            assert {(claim.owner, claim.fencing) for claim in claims} == {(winner, fencing)}
            racing.clock.sleep(10)


def test_staged_increments_in_a_race_are_all_there(racing_log: Backend) -> None:  # S5.3
    storage, log = racing_log.storage, racing_log.log
    storage.put("rows", "n", {"n": 0})

    def increment(thread: int) -> int:
        conflicts = 0
        for number in range(5):
            while True:
                value, version = storage.get_versioned("rows", "n")
                along = storage.stage([Write("rows", "n", {"n": value["n"] + 1}, version)])
                try:
                    assert log.append(completion(f"c{thread}.{number}"), along=along) is True
                    break
                except Conflict:
                    conflicts += 1
        return conflicts

    assert sum(_at_once(increment)) > 0, "they never met: the test shows nothing"
    assert storage.get("rows", "n") == {"n": THREADS * 5}
    assert len(log.load_flow("f1").completions) == THREADS * 5


def test_staged_writes_over_the_same_rows_in_any_order_all_commit(racing_log: Backend) -> None:  # S5.2
    storage, log = racing_log.storage, racing_log.log

    def write(thread: int) -> bool:
        keys = "abcdef" if thread % 2 else "fedcba"
        along = storage.stage([Write("rows", key, {"by": thread}) for key in keys])
        return bool(log.append(completion(f"c{thread}"), along=along))

    assert _at_once(write) == [True] * THREADS
    assert racing_log.clock.pauses == [], "they waited in a circle"
    assert len({row["by"] for row in storage.find("rows")}) == 1
