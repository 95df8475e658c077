"""The model of PostgreSQL under one connection: statements, errors, transactions, what it refuses."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DataError, IntegrityError, OperationalError, ProgrammingError, ResourceClosedError

from clef_runtime import sql
from clef_sim.services.sdk import Unmodelled
from clef_sim.services.sql import Database, sdk_engine
from clef_sim.services.sql.errors import serialization_failure

TABLES = sql.tables("t-")
GUARD, LOG = TABLES.guard, TABLES.log


@pytest.fixture
def engine() -> sa.Engine:
    made, _ = sdk_engine(Database())
    sql.create_schema(made, "t-")
    return made


def row(id_: str, **values: Any) -> Any:
    return insert(GUARD).values(id=id_, fired=False, **values)


def run(engine: sa.Engine, statement: Any) -> list[tuple[Any, ...]]:
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        return [tuple(each) for each in connection.execute(statement).all()]


def ids(engine: sa.Engine) -> list[str]:
    return [each[0] for each in run(engine, sa.select(GUARD.c.id).order_by(GUARD.c.id))]


def test_sql_rows_have_their_columns_names(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        (made,) = connection.execute(row("a", fencing=1).returning(GUARD.c.id, GUARD.c.fencing)).all()
    assert (made.id, made.fencing) == ("a", 1)


def test_sql_transaction_that_raises_leaves_nothing(engine: sa.Engine) -> None:
    with pytest.raises(RuntimeError), engine.begin() as connection:
        connection.execute(row("a"))
        assert len(connection.execute(sa.select(GUARD.c.id)).all()) == 1
        raise RuntimeError
    assert ids(engine) == []


def test_sql_connection_without_commit_leaves_nothing(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        connection.execute(row("a"))
    assert ids(engine) == []


def test_sql_insert_of_a_key_that_is_there_is_an_integrity_error(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.execute(row("a"))
    with pytest.raises(IntegrityError) as caught, engine.begin() as connection:
        connection.execute(row("a"))
    assert caught.value.orig.sqlstate == "23505"
    assert "t-guard_pkey" in str(caught.value)


def test_sql_error_fails_the_transaction_and_commit_rolls_it_back(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.execute(row("a"))
        with pytest.raises(IntegrityError):
            connection.execute(row("a"))
        with pytest.raises(sa.exc.InternalError) as caught:
            connection.execute(sa.select(GUARD.c.id))
        assert caught.value.orig.sqlstate == "25P02"
    assert ids(engine) == []


def test_sql_missing_value_and_missing_table_have_postgresqls_codes(engine: sa.Engine) -> None:
    with pytest.raises(IntegrityError) as no_value:
        run(engine, insert(GUARD).values(id="a"))
    with pytest.raises(ProgrammingError) as no_table:
        run(engine, sa.select(sql.tables("u-").log.c.id))
    assert (no_value.value.orig.sqlstate, no_table.value.orig.sqlstate) == ("23502", "42P01")
    assert ids(engine) == []  # and the connection is as good as new


def test_sql_text_that_postgresql_does_not_have_is_refused_by_the_driver(engine: sa.Engine) -> None:
    with pytest.raises(DataError):
        run(engine, row("a\0b").returning(GUARD.c.id))
    with pytest.raises(UnicodeEncodeError):
        run(engine, row("\ud800").returning(GUARD.c.id))


def test_sql_statement_without_returning_has_no_rows(engine: sa.Engine) -> None:
    with engine.begin() as connection, pytest.raises(ResourceClosedError):
        connection.execute(row("a")).all()


def test_sql_null_is_neither_equal_nor_unequal_nor_in_a_list(engine: sa.Engine) -> None:
    run(engine, row("a", owner="o").returning(GUARD.c.id))
    run(engine, row("b").returning(GUARD.c.id))
    owner = GUARD.c.owner
    for where, found in (
        (owner == "o", ["a"]),
        (owner != "o", []),
        (sa.not_(owner == "o"), []),
        (owner.in_(("o",)), ["a"]),
        ((owner == "x") | (GUARD.c.id == "b"), ["b"]),
        ((owner != "o") | (GUARD.c.fired == False), ["a", "b"]),  # noqa: E712 - SQL's own equality
        (sa.not_((owner == "x") & (GUARD.c.id == "b")), ["a"]),
        (sa.false(), []),
    ):
        assert [each[0] for each in run(engine, sa.select(GUARD.c.id).where(where).order_by(GUARD.c.id))] == found


def test_sql_text_is_ordered_byte_by_byte(engine: sa.Engine) -> None:
    for key in ("b", "a", "B", "é", "\U0001f600", "\uffff", "aa", ""):
        run(engine, row(key).returning(GUARD.c.id))
    assert ids(engine) == sorted(("b", "a", "B", "é", "\U0001f600", "\uffff", "aa", ""), key=str.encode)


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        (sa.select(GUARD.c.id).with_for_update(), "for_update"),
        (sa.select(GUARD.c.id).offset(3), "offset"),
        (sa.select(GUARD.c.id).distinct(), "distinct"),
        (sa.select(sa.func.count(GUARD.c.id)), "only columns"),
        (sa.select(GUARD.c.id).where(GUARD.c.id.like("a%")), "like"),
        (sa.select(GUARD.c.id).where(sa.func.lower(GUARD.c.id) == "a"), "lower"),
        (sa.select(GUARD.c.id, LOG.c.id), "one table"),
        (sa.update(GUARD).values(id="b"), "key"),
        (sa.insert(GUARD).values([{"id": "a", "fired": True}]), "multi"),
        (sa.select(GUARD.c.id).where(GUARD.c.fencing == "1"), "'1'"),
        (sa.text("select 1"), "textclause"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_sql_what_is_not_modelled_is_refused_by_name(engine: sa.Engine, statement: Any, words: str) -> None:
    with pytest.raises(Unmodelled, match=words):
        run(engine, statement)


def test_sql_engine_refuses_what_it_does_not_have(engine: sa.Engine) -> None:
    with pytest.raises(Unmodelled, match="raw_connection"):
        engine.raw_connection()
    with pytest.raises(Unmodelled, match="SERIALIZABLE"):
        engine.execution_options(isolation_level="SERIALIZABLE")
    with engine.connect() as connection, pytest.raises(Unmodelled, match="begin_nested"):
        connection.begin_nested()


def test_sql_statement_that_would_wait_is_refused_where_nobody_else_can_act(engine: sa.Engine) -> None:
    run(engine, row("a").returning(GUARD.c.id))
    change = sa.update(GUARD).where(GUARD.c.id == "a").values(owner="o").returning(GUARD.c.id)
    with engine.begin() as connection:
        connection.execute(change)
        with pytest.raises(OperationalError) as caught:
            run(engine, change)
    assert caught.value.orig.sqlstate == "55P03"


class CommitRefused:
    """A network whose first commit is refused before it arrives, and at `rollback_too` the rollback after it."""

    def __init__(self, database: Database, *, rollback_too: bool) -> None:
        self._database = database
        self._refused = {"commit", "rollback"} if rollback_too else {"commit"}

    def __getattr__(self, name: str) -> Any:
        if name in self._refused:
            self._refused.remove(name)
            return self._refuse
        return getattr(self._database, name)

    def _refuse(self, **_: Any) -> None:
        raise serialization_failure()


@pytest.mark.parametrize("rollback_too", [False, True])
def test_sql_commit_that_fails_lets_go_of_its_rows(rollback_too: bool) -> None:
    """A connection that went back to the pool with its transaction open would hold the row for ever."""
    database = Database()
    engine, _ = sdk_engine(database, CommitRefused(database, rollback_too=rollback_too))
    sql.create_schema(engine, "t-")
    with pytest.raises(OperationalError), engine.begin() as connection:
        connection.execute(row("a"))
    assert run(engine, row("a").returning(GUARD.c.id)) == [("a",)]
