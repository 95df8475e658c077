"""Clauses E, S6, L9, L10, G10 and G11 of docs/contracts.md on SQL: what happens when statements and commits fail."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from contract_backends import Backend
from contract_messages import START_S, completion, edge, firing
from contract_stores import SqlFaults

from clef_runtime import sql
from clef_runtime.action_log.sql import SqlActionLog
from clef_runtime.errors import BadInput, Conflict, Indeterminate, NotFound, Refused, Throttled
from clef_runtime.guard.sql import SqlFiringGuard
from clef_runtime.retry import NO_RETRY
from clef_runtime.storage.base import Write
from clef_runtime.storage.sql import SqlStorage


def _engine(backend: Backend) -> sa.Engine:
    engine: sa.Engine = backend.storage._calls.database
    return engine


@pytest.fixture
def faults(racing_log: Backend, monkeypatch: pytest.MonkeyPatch) -> SqlFaults:
    return SqlFaults(_engine(racing_log), monkeypatch)


OPERATIONS: dict[str, Any] = {
    "put": lambda storage: storage.put("rows", "k", {"a": 1}),
    "get": lambda storage: storage.get("rows", "k"),
    "delete": lambda storage: storage.delete("rows", "k"),
}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_sql_deadlocked_statement_is_repeated_on_the_clock(
    racing_log: Backend, faults: SqlFaults, operation: str
) -> None:  # E3
    faults.throttle(times=3)
    OPERATIONS[operation](racing_log.storage)
    assert racing_log.clock.pauses == [0.05, 0.1, 0.2]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_sql_always_deadlocked_statement_is_given_up(
    racing_log: Backend, faults: SqlFaults, operation: str
) -> None:  # E1 E3
    faults.throttle(times=4)
    with pytest.raises(Throttled, match=racing_log.table):
        OPERATIONS[operation](racing_log.storage)


@pytest.mark.parametrize("lose", ["lose_request", "lose_answer"])
def test_sql_statement_without_an_answer_is_repeated(racing_log: Backend, faults: SqlFaults, lose: str) -> None:  # E3
    getattr(faults, lose)(times=2)
    racing_log.storage.put("rows", "k", {"a": 1})
    assert racing_log.storage.get("rows", "k") == {"a": 1}
    assert faults.calls == ["INSERT"] * 3 + ["SELECT"]


def test_sql_deadlock_after_a_lost_answer_takes_nothing_back(racing_log: Backend, faults: SqlFaults) -> None:  # E4
    faults.lose_answer()
    faults.throttle(times=3)
    with pytest.raises(Indeterminate, match="may have been done"):
        racing_log.storage.put("rows", "k", {"a": 1})


def test_sql_unknown_refusal_is_not_repeated(racing_log: Backend, faults: SqlFaults) -> None:  # E1
    faults.refuse()
    with pytest.raises(Refused, match="planned") as caught:
        racing_log.storage.put("rows", "k", {"a": 1})
    assert type(caught.value) is Refused
    assert faults.calls == ["INSERT"]


def test_sql_delete_many_spares_a_row_that_no_longer_meets(racing_log: Backend, faults: SqlFaults) -> None:  # S4.3
    storage = racing_log.storage
    storage.put("rows", "k", {"state": "old"})
    storage.put("rows", "l", {"state": "old"})
    faults.before(lambda: None)  # the SELECT
    faults.before(lambda: storage.put("rows", "k", {"state": "new"}))
    assert storage.delete_many("rows", {"state": "old"}) == 1
    assert storage.find("rows") == [{"state": "new", "__key": "k"}]


def test_sql_delete_many_counts_a_row_whose_answer_was_lost(racing_log: Backend, faults: SqlFaults) -> None:  # S4.3
    racing_log.storage.put("rows", "k", {"state": "old"})
    faults.before(lambda: None)
    faults.lose_answer()
    assert racing_log.storage.delete_many("rows", {"state": "old"}) == 1
    assert racing_log.storage.find("rows") == []


def _staged(backend: Backend) -> Any:
    return backend.storage.stage([Write("rows", "k", {"a": 1}, 0)])


@pytest.mark.parametrize("staged", [False, True])
@pytest.mark.parametrize("lose", ["lose_request", "lose_answer"])
def test_sql_append_repeated_after_a_lost_answer_is_new(
    racing_log: Backend, faults: SqlFaults, lose: str, staged: bool
) -> None:  # L9
    along = _staged(racing_log) if staged else ()
    getattr(faults, lose)("do_commit" if staged else "do_execute", times=2)
    assert racing_log.log.append(completion("c1"), along=along) is True
    assert racing_log.log.get("f1", "c1") == completion("c1")
    assert racing_log.storage.get("rows", "k") == ({"a": 1} if staged else None)
    assert racing_log.log.append(completion("c1"), along=along) is False


@pytest.mark.parametrize("staged", [False, True])
def test_sql_append_that_finds_anothers_record_after_a_lost_request_is_not_new(
    racing_log: Backend, faults: SqlFaults, staged: bool
) -> None:  # L9
    other = completion("c1", user="other")
    faults.lose_request()
    racing_log.clock.sleep = lambda _: SqlActionLog(  # while it waits to try again
        _engine(racing_log), racing_log.log._table.name.removesuffix("log"), racing_log.clock
    ).append(other)
    assert racing_log.log.append(completion("c1"), along=_staged(racing_log) if staged else ()) is False
    assert racing_log.log.get("f1", "c1") == other
    assert racing_log.storage.get("rows", "k") is None


def test_sql_append_with_a_conflict_after_a_lost_request_is_a_conflict(
    racing_log: Backend, faults: SqlFaults
) -> None:  # L9
    along = _staged(racing_log)
    racing_log.storage.put("rows", "k", {"a": 2})
    faults.lose_request()
    with pytest.raises(Conflict, match="rows/k") as caught:
        racing_log.log.append(completion("c1"), along=along)
    assert caught.value.after_doubt
    assert racing_log.log.get("f1", "c1") is None


@pytest.mark.parametrize("staged", [False, True])
def test_sql_append_without_any_answer_is_indeterminate(
    racing_log: Backend, faults: SqlFaults, staged: bool
) -> None:  # L10
    faults.lose_request("do_commit" if staged else "do_execute", times=4)
    with pytest.raises(Indeterminate):
        racing_log.log.append(completion("c1"), along=_staged(racing_log) if staged else ())
    assert racing_log.log.append(completion("c1")) is True


def test_sql_failed_transaction_leaves_nothing(racing_log: Backend, faults: SqlFaults) -> None:  # S5.3 L10
    along = racing_log.storage.stage([Write("rows", "a", {}, 0), Write("rows", "b", {}, 0)])
    faults.before(lambda: None)  # the record
    faults.before(lambda: None)  # the first row
    faults.refuse()
    with pytest.raises(Refused):
        racing_log.log.append(completion("c1"), along=along)
    assert faults.calls[-3:] == ["INSERT"] * 3
    assert racing_log.storage.find("rows") == []
    assert racing_log.log.get("f1", "c1") is None


def test_sql_append_of_writes_of_another_engine_is_refused(racing_log: Backend) -> None:  # S5.5
    other = sql.engine("sqlite://")
    storage = SqlStorage(other, prefix="", concept="User", clock=racing_log.clock)
    with pytest.raises(BadInput, match="own engine"):
        racing_log.log.append(completion("c1"), along=storage.stage([Write("rows", "k", {})]))
    other.dispose()


@pytest.mark.parametrize("lose", ["lose_request", "lose_answer"])
def test_sql_acquire_without_an_answer_is_not_repeated(
    racing_log: Backend, faults: SqlFaults, lose: str
) -> None:  # G10
    getattr(faults, lose)()
    with pytest.raises(Indeterminate):
        racing_log.guard.try_acquire(["c1"], "S")
    assert faults.calls == ["INSERT"]
    assert racing_log.guard.try_acquire(["c1"], "S") is (lose == "lose_request")


def test_sql_throttle_is_no_answer_about_the_holder(racing_log: Backend, faults: SqlFaults) -> None:  # G10
    faults.throttle(times=2)
    assert racing_log.guard.try_acquire(["c1"], "S") is True
    faults.throttle(times=4)
    with pytest.raises(Throttled):
        racing_log.guard.try_acquire(["c2"], "S")
    assert racing_log.guard.try_acquire(["c2"], "S") is True


@pytest.mark.parametrize("lose", ["lose_request", "lose_answer"])
def test_sql_claim_without_an_answer_is_repeated_and_won(
    racing_log: Backend, faults: SqlFaults, lose: str
) -> None:  # G11
    guard = racing_log.guard
    getattr(faults, lose)()
    assert guard.claim(firing(), owner="a", lease_s=10).state == "won"
    racing_log.clock.sleep(20)
    getattr(faults, lose)()
    taken = guard.claim(firing(user="bob"), owner="b", lease_s=10)
    assert (taken.state, taken.firing, taken.fencing) == ("won", firing(), 2)
    getattr(faults, lose)()
    guard.mark_fired(taken)
    assert guard.claim(firing(), owner="c", lease_s=10).state == "fired"


def test_sql_claim_that_is_won_is_one_statement_and_its_mark_another(
    racing_log: Backend, faults: SqlFaults
) -> None:  # G13
    claim = racing_log.guard.claim(firing(), owner="a", lease_s=10)
    racing_log.guard.mark_fired(claim)
    assert faults.calls == ["INSERT", "UPDATE"]


def test_sql_missing_table_is_named(racing_log: Backend) -> None:  # E1
    engine, clock = _engine(racing_log), racing_log.clock
    for use in (
        lambda: SqlStorage(engine, prefix="no-such-", concept="User", clock=clock).get("rows", "k"),
        lambda: SqlActionLog(engine, "no-such-", clock).append(completion("c1")),
        lambda: SqlActionLog(engine, "no-such-", clock).append(completion("c1"), along=_staged(racing_log)),
        lambda: SqlFiringGuard(engine, "no-such-", clock).try_acquire(["c1"], "S"),
    ):
        with pytest.raises(NotFound, match=r"no-such-.*create_schema"):
            use()


def test_sql_schema_made_again_keeps_the_rows(racing_log: Backend) -> None:  # S6.6
    racing_log.storage.put("rows", "k", {"a": 1})
    sql.create_schema(_engine(racing_log), racing_log.table.removesuffix("state"))
    assert racing_log.storage.get("rows", "k") == {"a": 1}


def test_sql_row_held_by_another_is_throttled_when_the_wait_ends(racing_log: Backend) -> None:  # E1
    engine, prefix = _engine(racing_log), racing_log.table.removesuffix("state")
    racing_log.storage.put("rows", "k", {"a": 1})
    short = {"timeout": 0.05} if engine.dialect.name == "sqlite" else {"options": "-c lock_timeout=50"}
    impatient = sa.create_engine(engine.url, connect_args=short)
    storage = SqlStorage(impatient, prefix=prefix, concept="User", clock=racing_log.clock, retry=NO_RETRY)
    with engine.begin() as connection:
        connection.execute(sa.update(sql.tables(prefix).state).values(version=1))
        with pytest.raises(Throttled, match="lock"):
            storage.put("rows", "k", {"a": 2})
        with pytest.raises(Throttled):
            SqlActionLog(impatient, prefix, racing_log.clock, retry=NO_RETRY).append(
                completion("c1"), along=storage.stage([Write("rows", "k", {"a": 2})])
            )
    impatient.dispose()
    assert racing_log.log.append(completion("c1")) is True


def test_sql_connections_that_the_server_has_ended_are_made_anew(racing_log: Backend) -> None:  # E1 E3
    if _engine(racing_log).dialect.name != "postgresql":
        pytest.skip("SQLite has no server")
    prefix, clock = racing_log.table.removesuffix("state"), racing_log.clock
    own = sql.engine(_engine(racing_log).url.update_query_dict({"application_name": prefix}))
    guard, log = SqlFiringGuard(own, prefix, clock), SqlActionLog(own, prefix, clock)
    storage = SqlStorage(own, prefix=prefix, concept="User", clock=clock)
    _end_several_connections(own, prefix)
    with pytest.raises(Indeterminate):
        guard.try_acquire(["c1"], "S")
    assert guard.try_acquire(["c2"], "S") is True
    _end_several_connections(own, prefix)
    assert storage.get("rows", "k") is None
    assert clock.pauses == [0.05]
    _end_several_connections(own, prefix)
    assert log.append(completion("c1"), along=storage.stage([Write("rows", "k", {"a": 1}, 0)])) is True
    assert clock.pauses == [0.05, 0.05]
    own.dispose()


def _end_several_connections(own: sa.Engine, name: str) -> None:
    """As a server does that is shut down: those in the engine's pool."""
    with ExitStack() as stack:
        for connection in [stack.enter_context(own.connect()) for _ in range(5)]:
            connection.exec_driver_sql("select 1")
    other = sql.engine(own.url.difference_update_query(["application_name"]))
    with other.connect() as connection:
        ended = "select pg_terminate_backend(pid, 1000) from pg_stat_activity where application_name = %(name)s"
        assert connection.exec_driver_sql(ended, {"name": name}).scalars().all() == [True] * 5
    other.dispose()


def test_sql_connection_of_a_server_that_shuts_down_is_not_used_again(
    racing_log: Backend, faults: SqlFaults
) -> None:  # E1
    engine = _engine(racing_log)
    if engine.dialect.name != "postgresql":
        pytest.skip("SQLite has no server")

    def used() -> int:
        with engine.connect() as connection:
            pid: int = connection.exec_driver_sql("select pg_backend_pid()").scalar_one()
        return pid

    before = {used() for _ in range(8)}
    faults.shut_down()
    assert racing_log.storage.get("rows", "k") is None
    assert before.isdisjoint({used() for _ in range(8)})


def test_sql_server_that_is_not_there_is_indeterminate(racing_log: Backend) -> None:  # E1
    engine = sql.engine("postgresql://nobody@127.0.0.1:1/none")
    storage = SqlStorage(engine, prefix="", concept="User", clock=racing_log.clock)
    with pytest.raises(Indeterminate, match=r"127\.0\.0\.1"):
        storage.get("rows", "k")
    assert len(racing_log.clock.pauses) == 3


@pytest.mark.parametrize("key", ["a\0b", "\ud800"], ids=["NUL", "surrogate"])
def test_sql_key_that_is_no_sql_text_is_refused(racing_log: Backend, key: str) -> None:  # S1.7
    for use in (
        lambda: racing_log.storage.put("rows", key, {}),
        lambda: racing_log.storage.get("rows", key),
        lambda: racing_log.storage.delete("rows", key),
    ):
        with pytest.raises(BadInput):
            use()
    assert racing_log.storage.find("rows", {"__key": "a\0b"}) == []


def test_sql_expired_records_are_removed_when_asked(racing_log: Backend) -> None:  # L12 G14
    engine, prefix, clock = _engine(racing_log), racing_log.table.removesuffix("state"), racing_log.clock
    log, guard = SqlActionLog(engine, prefix, clock, ttl_s=60), SqlFiringGuard(engine, prefix, clock, ttl_s=60)
    log.append(completion("c1"))
    log.add_sync_edge(edge())
    racing_log.log.append(completion("kept"))
    guard.try_acquire(["c1"], "S")
    assert sql.delete_expired(engine, prefix, START_S + 59) == 0
    assert guard.try_acquire(["c1"], "S") is False
    assert sql.delete_expired(engine, prefix, START_S + 60) == 3
    assert guard.try_acquire(["c1"], "S") is True
    assert [record.id for record in log.load_flow("f1").completions] == ["kept"]
    for made in (SqlActionLog, SqlFiringGuard):
        with pytest.raises(BadInput, match="ttl_s"):
            made(engine, prefix, clock, ttl_s=0)


def test_sql_scan_reads_every_page(racing_log: Backend, monkeypatch: pytest.MonkeyPatch) -> None:  # L7
    monkeypatch.setattr("clef_runtime.action_log.sql._PAGE", 2)
    for number in range(5):
        racing_log.log.append(completion("c1", flow=f"f{number}"))
        racing_log.log.append(completion("c2", flow=f"f{number}"))
    assert len({(record.flow, msgspec.json.encode(record)) for record in racing_log.log.scan()}) == 10


@pytest.mark.parametrize("url", ["", "nonsense", "mysql://localhost/x", "oracle+nothing://x"])
def test_sql_engine_of_another_database_is_refused(url: str) -> None:  # E7
    with pytest.raises(BadInput, match="postgresql"):
        sql.engine(url)


def test_sql_engine_takes_the_short_name_of_postgres() -> None:  # E7
    engine = sql.engine("postgres://me:secret@db.invalid:5433/shop?sslmode=require")
    assert engine.dialect.name == "postgresql"
    assert engine.driver == "psycopg"
    assert engine.url.query == {"sslmode": "require"}


def test_sql_text_is_narrowed_down_by_the_database(racing_log: Backend) -> None:  # S3.1
    for key, name in (("a", "Ann"), ("b", "Bob"), ("c", '"},{"name":"Ann')):
        racing_log.storage.put("rows", key, {"name": name, "of": {"name": "Ann"} if key == "b" else None})
    read = [row["__key"] for row, _ in racing_log.storage._rows("rows", {"name": "Ann"})]
    assert read == ["a"]
    wanted = list(racing_log.storage._narrowed({"name": "Ann"}))
    with _engine(racing_log).connect() as connection:
        table = racing_log.storage._table
        assert connection.execute(sa.select(table.c.key).where(*wanted)).scalars().all() == ["a", "b"]
