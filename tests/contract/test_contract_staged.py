"""Clauses S5, S6 and U of docs/contracts.md: staged writes, storage under faults, units of work."""

from __future__ import annotations

from typing import Any

import pytest
from contract_backends import Backend, TestClock
from contract_messages import completion

from clef_runtime.errors import BadInput, Conflict, Indeterminate, NotFound, Refused, Throttled, TooLarge
from clef_runtime.storage.base import Write
from clef_runtime.storage.dynamodb import DynamoDBStorage
from clef_runtime.storage.memory import MemoryStorage
from clef_runtime.unit_of_work import Staging


def test_staged_writes_wait_for_the_completion(logged: Backend) -> None:  # S5.1 S5.2
    storage = logged.storage
    storage.put("rows", "old", {"a": 1})
    storage.put("rows", "gone", {"a": 1})
    staged = storage.stage(
        [
            Write("rows", "old", {"a": 2}, storage.get_versioned("rows", "old")[1]),
            Write("rows", "gone", None, storage.get_versioned("rows", "gone")[1]),
            Write("rows", "new", {"a": 3}, 0),
            Write("others", "blind", {"a": 4}),
            Write("rows", "never", None, 0),
        ]
    )
    assert storage.get("rows", "old") == {"a": 1}
    assert logged.log.append(completion("c1"), along=staged) is True
    assert storage.find("rows") == [{"a": 3, "__key": "new"}, {"a": 2, "__key": "old"}]
    assert storage.get("others", "blind") == {"a": 4}
    assert logged.log.get("f1", "c1") == completion("c1")


@pytest.mark.parametrize("change", ["put", "same", "delete", "create"])
def test_staged_write_on_a_changed_row_commits_nothing(logged: Backend, change: str) -> None:  # S5.3
    storage = logged.storage
    if change != "create":
        storage.put("rows", "k", {"a": 1})
    _, version = storage.get_versioned("rows", "k")
    staged = storage.stage([Write("rows", "other", {"a": 2}, 0), Write("rows", "k", {"a": 2}, version)])
    if change == "delete":
        storage.delete("rows", "k")
    else:
        storage.put("rows", "k", {"a": 1} if change == "same" else {"a": 9})
    with pytest.raises(Conflict):
        logged.log.append(completion("c1"), along=staged)
    assert logged.log.get("f1", "c1") is None
    assert storage.get("rows", "other") is None
    assert storage.get("rows", "k") != {"a": 2}


def test_staged_writes_of_a_recorded_completion_are_dropped(logged: Backend) -> None:  # S5.4
    logged.log.append(completion("c1"))
    staged = logged.storage.stage([Write("rows", "k", {"a": 1})])
    assert logged.log.append(completion("c1", user="other"), along=staged) is False
    assert logged.storage.get("rows", "k") is None
    assert logged.log.get("f1", "c1") == completion("c1")


def test_stage_of_bad_writes_is_refused_before_the_commit(logged: Backend) -> None:  # S5.5
    with pytest.raises(BadInput):
        logged.storage.stage([Write("rows", "", {"a": 1})])
    with pytest.raises(BadInput):
        logged.storage.stage([Write("rows", "k", {"a": object()})])


def test_stage_of_more_rows_than_a_transaction_takes_is_refused(called: Backend) -> None:  # S5.6
    writes = [Write("rows", f"k{number}", {}) for number in range(100)]
    assert logged_append(called, writes[:99]) is True
    with pytest.raises(TooLarge, match="changed 100 rows"):
        called.storage.stage(writes)


def logged_append(backend: Backend, writes: list[Write]) -> Any:
    return backend.log.append(completion("c1"), along=backend.storage.stage(writes))


OPERATIONS: dict[str, Any] = {
    "put_item": lambda storage: storage.put("rows", "k", {"a": 1}),
    "get_item": lambda storage: storage.get("rows", "k"),
    "delete_item": lambda storage: storage.delete("rows", "k"),
}


@pytest.mark.parametrize("method", OPERATIONS)
def test_storage_throttled_call_is_repeated_on_the_clock(called: Backend, method: str) -> None:  # S6.1
    called.faults.refuse(method, "ProvisionedThroughputExceededException", times=3)
    OPERATIONS[method](called.storage)
    assert len(called.faults.called(method)) == 4
    assert called.clock.pauses == [0.05, 0.1, 0.2]


@pytest.mark.parametrize("method", OPERATIONS)
def test_storage_always_throttled_call_is_given_up(called: Backend, method: str) -> None:  # S6.1
    called.faults.refuse(method, "ThrottlingException", times=4)
    with pytest.raises(Throttled, match="ThrottlingException") as caught:
        OPERATIONS[method](called.storage)
    assert caught.value.definite
    assert called.table in str(caught.value)


@pytest.mark.parametrize("lose", ["lose_request", "lose_answer"])
def test_storage_call_without_an_answer_is_repeated(called: Backend, lose: str) -> None:  # S6.2
    getattr(called.faults, lose)("put_item", times=2)
    called.storage.put("rows", "k", {"a": 1})
    assert called.storage.get("rows", "k") == {"a": 1}
    assert called.faults.called("put_item")[0] == called.faults.called("put_item")[2]


def test_storage_without_any_answer_is_indeterminate(called: Backend) -> None:  # S6.3
    called.faults.lose_answer("put_item", times=4)
    with pytest.raises(Indeterminate) as caught:
        called.storage.put("rows", "k", {"a": 1})
    assert not caught.value.definite


def test_storage_server_error_is_indeterminate(called: Backend) -> None:  # S6.3
    called.faults.refuse("put_item", "InternalServerError", status=500, times=4)
    with pytest.raises(Indeterminate):
        called.storage.put("rows", "k", {"a": 1})


def test_storage_throttle_after_a_lost_answer_takes_nothing_back(called: Backend) -> None:  # S6.4
    called.faults.lose_answer("put_item")
    called.faults.refuse("put_item", "ThrottlingException", times=3)
    with pytest.raises(Indeterminate, match="may have been done"):
        called.storage.put("rows", "k", {"a": 1})


def test_storage_unknown_refusal_is_not_repeated(called: Backend) -> None:  # S6.5
    called.faults.refuse("put_item", "AccessDeniedException")
    with pytest.raises(Refused, match="AccessDeniedException"):
        called.storage.put("rows", "k", {"a": 1})
    assert len(called.faults.called("put_item")) == 1


def test_storage_missing_table_is_named(called: Backend) -> None:  # S6.6
    storage = DynamoDBStorage(called.faults, table="no-such-table", concept="User", clock=TestClock())
    for use in (
        lambda: storage.get("rows", "k"),
        lambda: storage.put("rows", "k", {}),
        lambda: storage.find("rows"),
    ):
        with pytest.raises(NotFound, match="no-such-table"):
            use()


def test_storage_row_over_the_service_limit_is_too_large(called: Backend) -> None:  # S6.7
    with pytest.raises(TooLarge):
        called.storage.put("rows", "k", {"a": "x" * 410_000})


def test_storage_delete_many_spares_a_row_that_no_longer_meets(called: Backend) -> None:  # S4.3
    called.storage.put("rows", "k", {"state": "old"})
    called.storage.put("rows", "l", {"state": "old"})
    called.faults.before("delete_item", lambda: called.storage.put("rows", "k", {"state": "new"}))
    assert called.storage.delete_many("rows", {"state": "old"}) == 1
    assert called.storage.find("rows") == [{"state": "new", "__key": "k"}]


def test_storage_delete_many_takes_a_row_that_changed_and_still_meets(called: Backend) -> None:  # S4.3
    called.storage.put("rows", "k", {"state": "old"})
    called.faults.before("delete_item", lambda: called.storage.put("rows", "k", {"state": "old", "n": 1}))
    called.faults.lose_answer("delete_item")
    assert called.storage.delete_many("rows", {"state": "old"}) == 1
    assert called.storage.find("rows") == []


def _two() -> tuple[MemoryStorage, Staging]:
    storage = MemoryStorage()
    storage.put("rows", "a", {"n": 1, "state": "old"})
    storage.put("rows", "b", {"n": 2, "state": "old"})
    return storage, Staging(storage)


def _commit(storage: MemoryStorage, staging: Staging) -> None:
    for staged in storage.stage(staging.writes()):
        storage.commit(staged.writes)


def test_staging_sees_its_own_writes_and_nobody_else_does() -> None:  # U1
    storage, staging = _two()
    staging.put("rows", "c", {"n": 0, "state": "new"})
    staging.put("rows", "a", {"n": 3, "state": "new"})
    staging.delete("rows", "b")
    assert staging.get("rows", "b") is None
    assert [row["__key"] for row in staging.find("rows", sort="n")] == ["c", "a"]
    assert [row["__key"] for row in staging.find("rows", {"state": "new"}, sort="-n", limit=1)] == ["a"]
    assert staging.find("rows", {"state": "old"}) == []
    assert [row["__key"] for row in storage.find("rows", {"state": "old"})] == ["a", "b"]
    _commit(storage, staging)
    assert storage.find("rows") == staging.find("rows")


def test_staging_keeps_one_write_a_row_on_the_version_first_read() -> None:  # U2
    _, staging = _two()
    _, version = staging.get_versioned("rows", "a")
    staging.put("rows", "a", {"n": 5})
    staging.put("rows", "a", {"n": 6})
    staging.get("rows", "new")
    staging.put("rows", "new", {})
    staging.put("rows", "blind", {})
    assert staging.writes() == [
        Write("rows", "a", {"n": 6}, version),
        Write("rows", "new", {}, 0),
        Write("rows", "blind", {}, None),
    ]


@pytest.mark.parametrize("how", ["get", "find", "find then get", "delete_many", "get twice"])
@pytest.mark.parametrize("when", ["before the write", "after the write"])
def test_staging_commit_fails_where_a_row_it_wrote_was_changed(how: str, when: str) -> None:  # U3
    storage, staging = _two()

    def other() -> None:
        storage.put("rows", "a", {"n": 9, "state": "old"})

    if how == "get" or how == "get twice":
        staging.get("rows", "a")
    elif how != "delete_many":
        staging.find("rows")
    if when == "before the write" and how != "delete_many":
        other()
    if how in ("find then get", "get twice"):
        staging.get("rows", "a")
    if how == "delete_many":
        staging.delete_many("rows", {"state": "old"})
    else:
        staging.put("rows", "a", {"n": 2})
    if when == "after the write" or how == "delete_many":
        other()
    with pytest.raises(Conflict):
        _commit(storage, staging)
    assert storage.get("rows", "a") == {"n": 9, "state": "old"}


def test_staging_commits_where_other_rows_changed() -> None:  # U3
    storage, staging = _two()
    (row,) = staging.find("rows", {"n": 1})
    staging.put("rows", "a", {**row, "n": 7})
    storage.put("rows", "b", {"n": 8})
    _commit(storage, staging)
    assert storage.get("rows", "a") == {"n": 7, "state": "old"}
