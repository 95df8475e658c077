"""Clauses G of docs/contracts.md: what every firing guard keeps to."""

from __future__ import annotations

import msgspec
import pytest
from contract_backends import Backend
from contract_messages import START_S, firing

from clef_runtime.errors import BadInput, Conflict, Indeterminate, NotFound, Throttled, TooLarge
from clef_runtime.guard.base import Claim
from clef_runtime.guard.dynamodb import DynamoDBFiringGuard


def test_guard_acquire_is_won_once(guarded: Backend) -> None:  # G1
    assert guarded.guard.try_acquire(["c1", "c2"], "S") is True
    assert guarded.guard.try_acquire(["c1", "c2"], "S") is False
    assert guarded.guard.try_acquire(iter(["c2", "c1"]), "S") is False
    assert guarded.guard.try_acquire(["c1", "c2"], "T") is True
    assert guarded.guard.try_acquire(["c1"], "S") is True


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((["a", "b"], "S"), (["a:b"], "S")),
        ((["a", "b"], "S"), (["a#b"], "S")),
        ((["a|b", "c"], "S"), (["a", "b|c"], "S")),
        ((["b"], "S:a"), (["a", "b"], "S")),
        ((["1:a"], "S"), (["a"], "S1:")),
    ],
    ids=str,
)
def test_guard_keys_of_two_matches_are_apart(
    guarded: Backend, one: tuple[list[str], str], other: tuple[list[str], str]
) -> None:  # G2
    assert guarded.guard.try_acquire(*one) is True
    assert guarded.guard.try_acquire(*other) is True


def test_guard_acquire_and_claim_do_not_meet(guarded: Backend) -> None:  # G2
    assert guarded.guard.try_acquire(["c1", "c2"], "S") is True
    assert guarded.guard.claim(firing(), owner="a", lease_s=10).state == "won"


def test_guard_first_claim_is_won(guarded: Backend) -> None:  # G3
    claim = guarded.guard.claim(firing(), owner="a", lease_s=10)
    assert claim == Claim("won", firing(), "a", 1, START_S + 10)


def test_guard_claim_of_a_held_firing_says_by_whom_and_until_when(guarded: Backend) -> None:  # G4
    guarded.guard.claim(firing(), owner="a", lease_s=10)
    guarded.clock.sleep(9.9)
    other = guarded.guard.claim(firing(user="bob"), owner="b", lease_s=10)
    assert other == Claim("held", firing(), "a", 1, START_S + 10)


def test_guard_claim_again_by_its_owner_is_won_with_the_stored_firing(guarded: Backend) -> None:  # G5
    guarded.guard.claim(firing(), owner="a", lease_s=10)
    guarded.clock.sleep(1)
    again = guarded.guard.claim(firing(user="bob"), owner="a", lease_s=10)
    assert again == Claim("won", firing(), "a", 1, START_S + 10)


def test_guard_expired_claim_is_renewed_by_its_owner(guarded: Backend) -> None:  # G5
    guarded.guard.claim(firing(), owner="a", lease_s=10)
    guarded.clock.sleep(10)
    again = guarded.guard.claim(firing(user="bob"), owner="a", lease_s=10)
    assert again == Claim("won", firing(), "a", 1, START_S + 20)
    assert guarded.guard.claim(firing(), owner="b", lease_s=10).state == "held"


def test_guard_expired_claim_is_taken_over_with_the_stored_firing(guarded: Backend) -> None:  # G6
    guarded.guard.claim(firing(), owner="a", lease_s=10)
    guarded.clock.sleep(10)
    taken = guarded.guard.claim(firing(user="bob"), owner="b", lease_s=5)
    assert taken == Claim("won", firing(), "b", 2, START_S + 15)
    assert guarded.guard.claim(firing(), owner="a", lease_s=10) == msgspec.structs.replace(taken, state="held")
    guarded.clock.sleep(5)
    assert guarded.guard.claim(firing(user="eve"), owner="c", lease_s=5).fencing == 3


def test_guard_fired_claim_stays_fired(guarded: Backend) -> None:  # G7
    claim = guarded.guard.claim(firing(), owner="a", lease_s=10)
    guarded.guard.mark_fired(claim)
    guarded.guard.mark_fired(claim)
    for owner in "ab":
        assert guarded.guard.claim(firing(), owner=owner, lease_s=10).state == "fired"
    guarded.clock.sleep(1000)
    assert guarded.guard.claim(firing(user="bob"), owner="b", lease_s=10) == Claim(
        "fired", firing(), "a", 1, START_S + 10
    )


def test_guard_stale_holder_is_fenced_off(guarded: Backend) -> None:  # G8
    stale = guarded.guard.claim(firing(), owner="a", lease_s=10)
    guarded.clock.sleep(10)
    taken = guarded.guard.claim(firing(), owner="b", lease_s=10)
    with pytest.raises(Conflict, match="no longer holds"):
        guarded.guard.mark_fired(stale)
    assert guarded.guard.claim(firing(), owner="c", lease_s=10).state == "held"
    guarded.guard.mark_fired(taken)
    with pytest.raises(Conflict):
        guarded.guard.mark_fired(stale)


def test_guard_mark_of_an_unknown_claim_is_a_conflict(guarded: Backend) -> None:  # G8
    with pytest.raises(Conflict):
        guarded.guard.mark_fired(Claim("won", firing(), "a", 1, START_S))


def test_guard_same_owner_with_a_higher_number_fences_off_the_lower(guarded: Backend) -> None:  # G8
    first = guarded.guard.claim(firing(), owner="a", lease_s=10)
    guarded.clock.sleep(10)
    guarded.guard.claim(firing(), owner="b", lease_s=10)
    guarded.clock.sleep(10)
    assert guarded.guard.claim(firing(), owner="a", lease_s=10).fencing == 3
    with pytest.raises(Conflict):
        guarded.guard.mark_fired(first)


@pytest.mark.parametrize("lease_s", [0, -1])
def test_guard_lease_must_be_positive(guarded: Backend, lease_s: float) -> None:  # G9
    with pytest.raises(BadInput, match="lease_s"):
        guarded.guard.claim(firing(), owner="a", lease_s=lease_s)


def test_guard_throttle_is_no_answer_about_the_holder(guard_called: Backend) -> None:  # G10
    guard_called.faults.refuse("put_item", "ThrottlingException", times=2)
    assert guard_called.guard.try_acquire(["c1"], "S") is True
    guard_called.faults.refuse("put_item", "TransactionConflictException", times=4)
    with pytest.raises(Throttled):
        guard_called.guard.try_acquire(["c2"], "S")
    assert guard_called.guard.try_acquire(["c2"], "S") is True


@pytest.mark.parametrize("lose", ["lose_request", "lose_answer"])
def test_guard_acquire_without_an_answer_is_not_repeated(guard_called: Backend, lose: str) -> None:  # G10
    getattr(guard_called.faults, lose)("put_item")
    with pytest.raises(Indeterminate):
        guard_called.guard.try_acquire(["c1"], "S")
    assert len(guard_called.faults.called("put_item")) == 1
    assert guard_called.guard.try_acquire(["c1"], "S") is (lose == "lose_request")


@pytest.mark.parametrize("lose", ["lose_request", "lose_answer"])
def test_guard_claim_without_an_answer_is_repeated_and_won(guard_called: Backend, lose: str) -> None:  # G11
    getattr(guard_called.faults, lose)("put_item")
    assert guard_called.guard.claim(firing(), owner="a", lease_s=10) == Claim("won", firing(), "a", 1, START_S + 10)
    guard_called.clock.sleep(20)
    getattr(guard_called.faults, lose)("update_item")
    taken = guard_called.guard.claim(firing(user="bob"), owner="b", lease_s=10)
    assert (taken.state, taken.firing, taken.fencing) == ("won", firing(), 2)
    getattr(guard_called.faults, lose)("update_item")
    guard_called.guard.mark_fired(taken)
    assert guard_called.guard.claim(firing(), owner="c", lease_s=10).state == "fired"


def test_guard_expired_claim_taken_in_between_is_held(guard_called: Backend) -> None:  # G12
    guard = guard_called.guard
    guard.claim(firing(), owner="a", lease_s=10)
    guard_called.clock.sleep(10)
    guard_called.faults.before("update_item", lambda: guard.claim(firing(), owner="b", lease_s=10))
    late = guard.claim(firing(), owner="c", lease_s=10)
    assert (late.state, late.owner, late.fencing) == ("held", "b", 2)


def test_guard_expired_claim_fired_in_between_is_fired(guard_called: Backend) -> None:  # G12
    guard = guard_called.guard
    claim = guard.claim(firing(), owner="a", lease_s=10)
    guard_called.clock.sleep(10)
    guard_called.faults.before("update_item", lambda: guard.mark_fired(claim))
    assert guard.claim(firing(), owner="b", lease_s=10).state == "fired"


def test_guard_claim_is_one_call_and_its_mark_another(guard_called: Backend) -> None:  # G13
    guard_called.guard.mark_fired(guard_called.guard.claim(firing(), owner="a", lease_s=10))
    assert [method for method, _ in guard_called.faults.calls] == ["put_item", "update_item"]
    guard_called.guard.claim(firing(), owner="b", lease_s=10)
    assert [method for method, _ in guard_called.faults.calls[2:]] == ["put_item"]


def test_guard_ttl_is_written_with_each_item(guard_called: Backend) -> None:  # G14
    guard = DynamoDBFiringGuard(guard_called.faults, guard_called.guard._table, guard_called.clock, ttl_s=60)
    guard.try_acquire(["c1"], "S")
    guard.claim(firing(), owner="a", lease_s=10)
    for arguments in guard_called.faults.called("put_item"):
        assert arguments["Item"]["ttl"] == {"N": str(int(START_S + 60))}
    with pytest.raises(BadInput, match="ttl_s"):
        DynamoDBFiringGuard(guard_called.faults, "t", guard_called.clock, ttl_s=-1)


def test_guard_firing_over_the_service_limit_is_too_large(guard_called: Backend) -> None:  # G15
    with pytest.raises(TooLarge):
        guard_called.guard.claim(firing(user="x" * 210_000), owner="a", lease_s=10)


def test_guard_missing_table_is_named(guard_called: Backend) -> None:  # G15
    guard = DynamoDBFiringGuard(guard_called.faults, "no-such-table", guard_called.clock)
    with pytest.raises(NotFound, match="no-such-table"):
        guard.try_acquire(["c1"], "S")
