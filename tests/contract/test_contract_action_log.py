"""Clauses L of docs/contracts.md: what every action log keeps to."""

from __future__ import annotations

from typing import Any

import pytest
from contract_backends import REPEATS, STALE_READS, TOKENS, Backend
from contract_messages import START_S, completion, edge, invocation

from clef_runtime.action_log.dynamodb import DynamoDBActionLog
from clef_runtime.errors import BadInput, Conflict, Indeterminate, NotFound, Throttled, TooLarge
from clef_runtime.model import SyncEdge
from clef_runtime.storage.base import Write


def test_log_append_is_new_once_and_the_first_record_stays(logged: Backend) -> None:  # L1
    assert logged.log.append(completion("c1")) is True
    assert logged.log.append(completion("c1")) is False
    assert logged.log.append(completion("c1", user="other")) is False
    assert logged.log.get("f1", "c1") == completion("c1")
    assert logged.log.append(invocation("c1")) is True
    assert logged.log.append(invocation("c1", body="other")) is False
    assert logged.log.load_flow("f1").invocations == [invocation("c1")]


def test_log_get_of_an_absent_completion_is_none(logged: Backend) -> None:  # L2
    logged.log.append(completion("c1"))
    logged.log.append(invocation("i1"))
    assert logged.log.get("f1", "c2") is None
    assert logged.log.get("f2", "c1") is None
    assert logged.log.get("f1", "i1") is None


def test_log_load_flow_gives_everything_of_the_flow_in_order(logged: Backend) -> None:  # L3 L4
    for id_, at_s in (("c9", 1.0), ("c1", 3.0), ("c5", 2.0), ("c4", 2.0)):
        logged.log.append(completion(id_, at_s=at_s))
        logged.log.append(invocation("i" + id_, at_s=at_s))
    logged.log.append(completion("c0", flow="f2"))
    logged.log.add_sync_edge(edge("S", ("c1",)))
    logged.log.add_sync_edge(edge("S", ("c2",), flow="f2"))
    records = logged.log.load_flow("f1")
    assert [each.id for each in records.completions] == ["c9", "c4", "c5", "c1"]
    assert [each.id for each in records.invocations] == ["ic9", "ic4", "ic5", "ic1"]
    assert records.edges == [edge("S", ("c1",))]
    empty = logged.log.load_flow("f3")
    assert (empty.completions, empty.invocations, empty.edges) == ([], [], [])


def test_log_load_flow_reads_every_page(logged: Backend) -> None:  # L3
    for number in range(5):
        logged.log.append(completion(f"c{number}", user="x" * 300_000))
    assert [each.id for each in logged.log.load_flow("f1").completions] == ["c0", "c1", "c2", "c3", "c4"]


def test_log_records_come_back_equal_unknown_fields_included(logged: Backend) -> None:  # L5
    sent = completion("c1", user={"a": [1, 2.5, None, 2**70, "ü"]}, extra={"x": 1}, trace="t")
    asked = invocation("i1", body=[{}], traceparent="00-1")
    logged.log.append(sent)
    logged.log.append(asked)
    records = logged.log.load_flow("f1")
    assert records.completions == [sent]
    assert records.invocations == [asked]
    assert logged.log.get("f1", "c1") == sent


def test_log_edges_are_of_a_match_whatever_the_order_of_its_ids(logged: Backend) -> None:  # L6
    assert logged.log.for_match("S", ["c1", "c2"], "f1") is None
    assert logged.log.has_sync_edge("S", ["c1", "c2"], "f1") is False
    logged.log.add_sync_edge(edge())
    for ids in (["c1", "c2"], ["c2", "c1"]):
        assert logged.log.has_sync_edge("S", ids, "f1") is True
        assert logged.log.for_match("S", iter(ids), "f1") == edge()
    assert logged.log.has_sync_edge("S", ["c1"], "f1") is False
    assert logged.log.has_sync_edge("T", ["c1", "c2"], "f1") is False
    assert logged.log.has_sync_edge("S", ["c1", "c2"], "f2") is False


def test_log_first_edge_of_a_match_stays(logged: Backend) -> None:  # L6
    logged.log.add_sync_edge(edge())
    logged.log.add_sync_edge(SyncEdge(sync="S", matched_ids=("c2", "c1"), invocation_ids=("x",), flow="f1"))
    assert logged.log.load_flow("f1").edges == [edge()]


def test_log_scan_gives_completions_and_edges_of_all_flows(logged: Backend) -> None:  # L7
    wanted = [completion("c1"), completion("c2", flow="f2"), edge(), edge("T", flow="f2")]
    for record in wanted[:2]:
        logged.log.append(record)
    for record in wanted[2:]:
        logged.log.add_sync_edge(record)
    logged.log.append(invocation("i1"))
    found = list(logged.log.scan())
    assert len(found) == 4
    assert all(record in found for record in wanted)


def test_log_gc_removes_flows_without_news(logged: Backend) -> None:  # L8
    logged.log.append(completion("c1", flow="old"))
    logged.log.append(invocation("i1", flow="old"))
    logged.log.add_sync_edge(edge(flow="old"))
    logged.log.append(completion("c1", flow="touched"))
    logged.clock.sleep(100)
    logged.log.add_sync_edge(edge(flow="touched"))
    assert logged.log.gc(START_S) == 0
    assert logged.log.gc(START_S + 50) == 3
    assert logged.log.load_flow("old").completions == []
    assert len(logged.log.load_flow("touched").completions) == 1
    assert logged.log.append(completion("c1", flow="old")) is True


def _staged(backend: Backend) -> Any:
    return backend.storage.stage([Write("rows", "k", {"a": 1}, 0)])


@pytest.mark.parametrize("method", ["put_item", "transact_write_items"])
def test_log_append_repeated_after_a_lost_answer_is_new(called: Backend, method: str) -> None:  # L9
    if method != "put_item" and REPEATS not in called.capabilities:
        pytest.skip(f"no capability {REPEATS!r}")
    called.faults.lose_answer(method, times=2)
    assert called.log.append(completion("c1"), along=_staged(called) if method != "put_item" else ()) is True
    assert called.log.get("f1", "c1") == completion("c1")
    assert (called.storage.get("rows", "k") is None) == (method == "put_item")


@pytest.mark.parametrize("method", ["put_item", "transact_write_items"])
def test_log_append_that_finds_anothers_record_after_a_lost_request_is_not_new(
    called: Backend, method: str
) -> None:  # L9
    along = _staged(called) if method != "put_item" else ()
    other = completion("c1", user="other")
    called.faults.lose_request(method)
    called.faults.before(method, lambda: _append_unwatched(called, other))
    assert called.log.append(completion("c1"), along=along) is False
    assert called.log.get("f1", "c1") == other
    assert called.storage.get("rows", "k") is None


def _append_unwatched(backend: Backend, other: Any) -> None:
    DynamoDBActionLog(backend.faults.client, backend.log._table, backend.clock).append(other)


def test_log_append_with_a_conflict_after_a_lost_request_is_a_conflict(called: Backend) -> None:  # L9
    staged = _staged(called)
    called.faults.lose_request("transact_write_items")
    called.faults.before("transact_write_items", lambda: called.storage.put("rows", "k", {"a": 2}))
    with pytest.raises(Conflict):
        called.log.append(completion("c1"), along=staged)
    assert called.log.get("f1", "c1") is None


def test_log_append_without_any_answer_is_indeterminate(called: Backend) -> None:  # L10
    called.faults.lose_answer("put_item", times=4)
    with pytest.raises(Indeterminate):
        called.log.append(completion("c1"))
    assert called.log.append(completion("c1")) is False


def test_log_always_throttled_append_is_not_done(called: Backend) -> None:  # L10
    called.faults.refuse("put_item", "ThrottlingException", times=4)
    with pytest.raises(Throttled):
        called.log.append(completion("c1"))
    assert called.log.get("f1", "c1") is None


def test_log_edge_repeated_after_a_lost_answer_is_recorded(called: Backend) -> None:  # L10
    called.faults.lose_answer("put_item")
    called.log.add_sync_edge(edge())
    assert called.log.load_flow("f1").edges == [edge()]


def test_log_transaction_repeated_after_a_lost_answer_carries_the_same_token(called: Backend) -> None:  # L9
    if REPEATS not in called.capabilities:
        pytest.skip(f"no capability {REPEATS!r}")
    called.faults.lose_answer("transact_write_items")
    called.log.append(completion("c1"), along=_staged(called))
    first, second = called.faults.called("transact_write_items")
    assert first == second
    if TOKENS not in called.capabilities:
        pytest.skip(f"no capability {TOKENS!r}")
    called.faults.client.transact_write_items(**second)  # succeeds, though the record is there
    called.log.append(completion("c2"), along=called.storage.stage([Write("rows", "k2", {"a": 1}, 0)]))
    assert called.storage.get("rows", "k2") == {"a": 1}


def test_log_made_for_eventual_reads_can_miss_an_append(called: Backend) -> None:  # L11
    if STALE_READS not in called.capabilities:
        pytest.skip(f"no capability {STALE_READS!r}")
    stale = DynamoDBActionLog(called.faults, called.log._table, called.clock, consistent_reads=False)
    called.faults.client.force_lag(called.log._table, 60.0)
    called.log.append(completion("c1"))
    assert stale.load_flow("f1").completions == []
    assert stale.get("f1", "c1") == completion("c1")
    assert called.log.load_flow("f1").completions == [completion("c1")]


@pytest.mark.parametrize("consistent", [True, False])
def test_log_reads_are_strong_unless_made_otherwise(called: Backend, consistent: bool) -> None:  # L11
    log = DynamoDBActionLog(called.faults, called.log._table, called.clock, consistent_reads=consistent)
    log.load_flow("f1")
    log.has_sync_edge("S", ["c1"], "f1")
    log.for_match("S", ["c1"], "f1")
    reads = [arguments["ConsistentRead"] for _, arguments in called.faults.calls]
    assert reads == [consistent] * 3
    log.get("f1", "c1")
    list(log.scan())
    assert [arguments["ConsistentRead"] for _, arguments in called.faults.calls[3:]] == [True, True]


def test_log_ttl_is_written_with_each_record(called: Backend) -> None:  # L12
    log = DynamoDBActionLog(called.faults, called.log._table, called.clock, ttl_s=60)
    log.append(completion("c1"))
    log.add_sync_edge(edge())
    for arguments in called.faults.called("put_item"):
        assert arguments["Item"]["ttl"] == {"N": str(int(START_S + 60))}
    with pytest.raises(BadInput, match="ttl_s"):
        DynamoDBActionLog(called.faults, called.log._table, called.clock, ttl_s=0)


def test_log_record_over_the_service_limit_is_too_large(called: Backend) -> None:  # L13
    with pytest.raises(TooLarge):
        called.log.append(completion("c1", user="x" * 410_000))
    with pytest.raises(TooLarge):
        called.log.append(completion("c1", user="x" * 410_000), along=_staged(called))


def test_log_missing_table_is_named(called: Backend) -> None:  # L13
    log = DynamoDBActionLog(called.faults, "no-such-table", called.clock)
    for use in (
        lambda: log.append(completion("c1")),
        lambda: log.append(completion("c1"), along=_staged(called)),
        lambda: log.load_flow("f1"),
    ):
        with pytest.raises(NotFound, match="no-such-table"):
            use()
