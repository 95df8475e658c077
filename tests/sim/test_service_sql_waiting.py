"""The model of PostgreSQL under several connections: who waits for whom, how long, and what becomes of the dead."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from clef_runtime import sql
from clef_sim.kernel.instance import Instance
from clef_sim.kernel.threads import Kernel
from clef_sim.services.sql import Database, sdk_engine

GUARD = sql.tables("t-").guard


class Clients:
    """A database and threads with an engine of their own; `log` has (second, name, what it was answered)."""

    def __init__(self, **options: Any) -> None:
        self.kernel = Kernel()
        self.database = Database(self.kernel, **options)
        sql.create_schema(sdk_engine(self.database)[0], "t-")
        self.log: list[tuple[float, str, Any]] = []

    def start(self, name: str, work: Callable[[sa.Engine], Any], at_s: float = 0.0) -> Instance:
        engine, die = sdk_engine(self.database)
        instance = Instance(name)
        instance.on_kill.append(lambda _: die())

        def run() -> None:
            try:
                said = work(engine)
            except DBAPIError as error:
                said = getattr(error.orig, "sqlstate", None) or type(error.orig).__name__
            except PoolTimeoutError:
                said = "no connection"
            self.log.append((round(self.kernel.now, 3), name, said))

        self.kernel.spawn(run, who=name, instance=instance, delay_s=at_s)
        return instance

    def hold(self, name: str, *statements: Any, for_s: float, at_s: float = 0.0, pause_s: float = 0.0) -> Instance:
        """A transaction over statements, which pauses after each, and after the last for `for_s`."""

        def work(engine: sa.Engine) -> str:
            with engine.begin() as connection:
                for statement in statements:
                    connection.execute(statement)
                    self.kernel.sleep(pause_s)
                self.kernel.sleep(for_s)
            return "committed"

        return self.start(name, work, at_s)

    def alone(self, name: str, statement: Any, at_s: float) -> Instance:
        def work(engine: sa.Engine) -> list[tuple[Any, ...]]:
            with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
                return [tuple(each) for each in connection.execute(statement).all()]

        return self.start(name, work, at_s)

    def run(self) -> list[tuple[float, str, Any]]:
        self.kernel.run()
        return self.log

    def rows(self) -> list[tuple[Any, ...]]:
        with sdk_engine(self.database)[0].connect() as connection:
            found = connection.execute(sa.select(GUARD.c.id, GUARD.c.owner).order_by(GUARD.c.id)).all()
        return [tuple(each) for each in found]


def new(id_: str, owner: str) -> Any:
    return insert(GUARD).values(id=id_, owner=owner, fired=False)


def change(id_: str, owner: str, *, was: str | None = None) -> Any:
    where = GUARD.c.id == id_ if was is None else (GUARD.c.id == id_) & (GUARD.c.owner == was)
    return sa.update(GUARD).where(where).values(owner=owner).returning(GUARD.c.owner)


@pytest.fixture
def clients() -> Clients:
    made = Clients()
    made.hold("setup", new("a", "0"), new("b", "0"), for_s=0.0)
    made.run()
    made.log.clear()
    return made


def test_sql_writer_waits_for_the_row_and_looks_at_it_again(clients: Clients) -> None:
    clients.hold("first", change("a", "1"), for_s=5.0)
    clients.alone("reads", sa.select(GUARD.c.owner).where(GUARD.c.id == "a"), at_s=1.0)
    clients.alone("any", change("a", "2"), at_s=2.0)
    clients.alone("was 0", change("a", "3", was="0"), at_s=3.0)
    assert clients.run() == [
        (1.0, "reads", [("0",)]),  # never waits, sees what is committed
        (5.0, "first", "committed"),
        (5.0, "any", [("2",)]),
        (5.0, "was 0", []),
    ]


def test_sql_writer_goes_on_with_the_old_row_where_the_holder_rolls_back(clients: Clients) -> None:
    def undone(engine: sa.Engine) -> str:
        with engine.connect() as connection:
            connection.execute(change("a", "1"))
            clients.kernel.sleep(4.0)
        return "undone"

    clients.start("first", undone)
    clients.alone("was 0", change("a", "2", was="0"), at_s=1.0)
    assert clients.run() == [(4.0, "first", "undone"), (4.0, "was 0", [("2",)])]


@pytest.mark.parametrize("commits", [True, False])
def test_sql_on_conflict_waits_for_an_uncommitted_insert(clients: Clients, commits: bool) -> None:
    if commits:
        clients.hold("first", new("c", "1"), for_s=3.0)
    else:
        instance = clients.hold("first", new("c", "1"), for_s=9.0)
        clients.kernel.call_later(3.0, lambda: instance.kill("crash"))
    nothing = new("c", "2").on_conflict_do_nothing().returning(GUARD.c.owner)
    clients.alone("nothing", nothing, at_s=1.0)
    clients.alone("bare", new("c", "3").returning(GUARD.c.owner), at_s=2.0)
    said = [each for each in clients.run() if each[1] != "first"]
    won = [] if commits else [("2",)]
    assert said == [(3.0, "nothing", won), (3.0, "bare", "23505")]
    assert clients.rows()[-1] == ("c", "1" if commits else "2")


def test_sql_circle_is_found_after_a_second_and_the_one_that_finds_it_is_undone(clients: Clients) -> None:
    clients.hold("ab", change("a", "1"), change("b", "1"), for_s=0.0, pause_s=0.5)
    clients.hold("ba", change("b", "2"), change("a", "2"), for_s=0.0, pause_s=0.5, at_s=0.1)
    # `ab` waits from 0.5 on, `ba` from 0.6: `ab` looks at 1.5 and finds the circle.
    assert clients.run() == [(1.5, "ab", "40P01"), (2.0, "ba", "committed")]
    assert clients.rows() == [("a", "2"), ("b", "2")]


def test_sql_statement_that_waits_too_long_is_undone() -> None:
    clients = Clients(statement_timeout_s=5.0)
    clients.hold("setup", new("a", "0"), for_s=0.0)
    clients.hold("first", change("a", "1"), for_s=20.0, at_s=1.0)
    clients.alone("second", change("a", "2"), at_s=2.0)
    assert clients.run()[1:] == [(7.0, "second", "57014"), (21.0, "first", "committed")]


def test_sql_transaction_of_an_instance_that_dies_is_undone_at_once(clients: Clients) -> None:
    instance = clients.hold("first", change("a", "1"), change("b", "1"), for_s=60.0)
    clients.kernel.call_later(3.0, lambda: instance.kill("crash"))
    clients.alone("second", change("a", "2"), at_s=1.0)
    assert clients.run() == [(3.0, "second", [("2",)])]
    assert clients.database.connections == 2  # setup's and second's: its own is closed
    assert clients.rows() == [("a", "2"), ("b", "0")]


def test_sql_statement_that_waits_when_its_instance_dies_is_done_once_the_row_is_free(clients: Clients) -> None:
    clients.hold("first", change("a", "1"), for_s=5.0)
    alone = clients.alone("dies alone", change("a", "2"), at_s=1.0)
    within = clients.hold("dies within", change("b", "3"), change("a", "3"), for_s=0.0, at_s=2.0)
    for instance in (alone, within):
        clients.kernel.call_later(3.0, lambda instance=instance: instance.kill("crash"))
    assert clients.run() == [(5.0, "first", "committed")]
    assert clients.rows() == [("a", "2"), ("b", "0")]  # the transaction of the other is undone


def test_sql_connections_over_the_limit_are_refused_until_others_hang_up() -> None:
    clients = Clients(max_connections=2)
    holders = [clients.hold(f"h{number}", new(f"{number}", "0"), for_s=3.0) for number in range(2)]
    clients.alone("refused", sa.select(GUARD.c.id), at_s=1.0)
    clients.alone("still", sa.select(GUARD.c.owner), at_s=4.0)  # connections are kept after use
    clients.kernel.call_later(5.0, lambda: holders[0].kill("evicted"))
    clients.alone("let in", sa.select(GUARD.c.owner), at_s=6.0)
    said = {name: what for _, name, what in clients.run()}
    assert (said["refused"], said["still"]) == ("OperationalError", "OperationalError")
    assert said["let in"] == [("0",), ("0",)]


def test_sql_pool_has_fifteen_connections_and_keeps_five() -> None:
    clients = Clients()

    def crowd(engine: sa.Engine) -> int:
        def use() -> None:
            with engine.connect() as connection:
                connection.execute(sa.select(GUARD.c.id))
                clients.kernel.sleep(10.0)

        threads = [clients.kernel.spawn(use, who=f"t{number}") for number in range(20)]
        clients.kernel.sleep(5.0)
        most = clients.database.connections
        for thread in threads:
            clients.kernel.wait(thread.done)
        return most

    clients.start("crowd", crowd)
    assert clients.run() == [(20.0, "crowd", 15)]
    assert clients.database.connections == 5


def test_sql_pool_without_a_free_connection_times_out_after_thirty_seconds() -> None:
    clients = Clients()

    def crowd(engine: sa.Engine) -> str:
        def use() -> None:
            with engine.connect():
                clients.kernel.sleep(100.0)

        for number in range(15):
            clients.kernel.spawn(use, who=f"t{number}")
        clients.kernel.sleep(1.0)
        with engine.connect():
            return "never"

    clients.start("crowd", crowd)
    assert clients.run() == [(31.0, "crowd", "no connection")]
