"""The model of PostgreSQL answers as SQLite does, statement by statement, and as PostgreSQL does, where two
connections wait for each other's rows too. What is left out: PARITY.md. Where POSTGRES_URL is not set, the latter is
skipped."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test
from sqlalchemy.exc import DBAPIError

from clef_runtime import sql
from clef_sim.kernel.threads import Kernel
from clef_sim.services.sql import Database, running, sdk_engine

PREFIX = f"agreement-{uuid.uuid4().hex[:8]}-"
TABLES = sql.tables(PREFIX)
GUARD, LOG = TABLES.guard, TABLES.log
G, L = GUARD.c, LOG.c

IDS = st.sampled_from(["a", "b", "B", "é", "\U0001f600"])
OWNERS = st.one_of(st.none(), st.sampled_from(["o", "p", "a"]))
NUMBERS = st.one_of(st.none(), st.integers(-2, 3))
TIMES = st.one_of(st.none(), st.sampled_from([0.0, 1.5, 2.0]))
FIRED = st.booleans()

COMPARISONS: list[Callable[[Any, Any], Any]] = [
    lambda column, value: column == value,
    lambda column, value: column != value,
    lambda column, value: column < value,
    lambda column, value: column >= value,
]
WHERES = st.recursive(
    st.one_of(
        st.builds(lambda id_: G.id == id_, IDS),
        st.builds(lambda ids: G.id.in_(ids), st.lists(IDS, max_size=2)),
        st.builds(lambda how, value: how(G.owner, value), st.sampled_from(COMPARISONS), OWNERS.filter(bool)),
        st.builds(lambda how, value: how(G.fencing, value), st.sampled_from(COMPARISONS), st.integers(-2, 3)),
        st.builds(lambda how, value: how(G.until, value), st.sampled_from(COMPARISONS), TIMES.filter(bool)),
        st.builds(lambda yes: G.fired if yes else sa.not_(G.fired), FIRED),
        st.just(sa.false()),
    ),
    lambda inner: st.one_of(
        st.builds(lambda one, other: one & other, inner, inner),
        st.builds(lambda one, other: one | other, inner, inner),
        st.builds(sa.not_, inner),
    ),
    max_leaves=3,
)
ROWS = st.fixed_dictionaries(
    {"id": IDS, "owner": OWNERS, "fencing": NUMBERS, "until": TIMES, "fired": st.one_of(FIRED, FIRED, st.none())}
)
CHANGES = st.fixed_dictionaries({"owner": OWNERS, "fired": FIRED})
ALL = (G.id, G.owner, G.fencing, G.until, G.fired)


def inserted(row: dict[str, Any], conflict: str, where: Any) -> Callable[[sa.Engine], Any]:
    def build(engine: sa.Engine) -> Any:
        made = sql.insert(engine, GUARD).values(**row)
        if conflict == "nothing":
            made = made.on_conflict_do_nothing()
        if conflict == "update":
            changes = {
                "owner": made.excluded.owner,
                "until": made.excluded.until,
                "fencing": G.fencing + sa.case((G.owner == (row["owner"] or "o"), 0), else_=1),
            }
            made = made.on_conflict_do_update(index_elements=[G.id], set_=changes, where=where)
        return made.returning(*ALL)

    return build


def logged(id_: str, flow: str, at: float) -> Callable[[sa.Engine], Any]:
    return lambda engine: (
        sql.insert(engine, LOG)
        .values(flow=flow, kind="c", id=id_, json="{}", at=at)
        .on_conflict_do_nothing()
        .returning(L.id)
    )


def removed(before: float) -> Any:
    old = sa.select(L.flow).group_by(L.flow).having(sa.func.max(L.at) < before)
    return sa.delete(LOG).where(L.flow.in_(old)).returning(L.flow, L.id)


def paged(limit: int, after: tuple[str, str] | None) -> Any:
    question = sa.select(L.flow, L.id).order_by(L.flow, L.id).limit(limit).where(L.kind.in_(("c", "e")))
    if after is None:
        return question
    return question.where(sa.tuple_(L.flow, L.id) > sa.tuple_(*map(sa.literal, after)))


CHANGING = st.one_of(
    st.builds(inserted, ROWS, st.sampled_from(["", "nothing", "update"]), WHERES),
    st.builds(
        lambda where, change: lambda _: sa.update(GUARD).where(where).values(change).returning(*ALL), WHERES, CHANGES
    ),
    st.builds(lambda where: lambda _: sa.delete(GUARD).where(where).returning(*ALL), WHERES),
    st.builds(logged, IDS, st.sampled_from(["f", "g"]), TIMES.filter(lambda at: at is not None)),
    st.builds(lambda before: lambda _: removed(before), st.sampled_from([1.0, 2.0, 3.0])),
)
READING = st.one_of(
    st.builds(lambda where: lambda _: sa.select(*ALL).where(where).order_by(G.id), WHERES),
    st.builds(
        lambda part: (
            lambda engine: sa.select(G.id).where(
                (sa.func.strpos if engine.dialect.name == "postgresql" else sa.func.instr)(G.id, part) > 0
            )
        ),
        IDS,
    ),
    st.builds(
        lambda limit, after: lambda _: paged(limit, after),
        st.integers(0, 3),
        st.one_of(st.none(), st.tuples(st.sampled_from(["f", "g"]), IDS)),
    ),
)
STATEMENTS = st.one_of(CHANGING, READING)

FEW = st.sampled_from(["a", "b"])
FEW_OWNERS = st.sampled_from(["o", "p"])
CONTENDED_WHERE = st.one_of(
    st.builds(lambda id_: G.id == id_, FEW),
    st.builds(lambda owner: G.owner == owner, FEW_OWNERS),
    st.builds(lambda id_, owner: (G.id == id_) & (G.owner == owner), FEW, FEW_OWNERS),
    st.just(G.id.in_(("a", "b"))),
)
_UPDATES = st.builds(
    lambda where, owner: lambda _: sa.update(GUARD).where(where).values(owner=owner).returning(G.id, G.owner),
    CONTENDED_WHERE,
    FEW_OWNERS,
)
_INSERTS = st.builds(
    inserted,
    st.builds(lambda id_, owner: {"id": id_, "owner": owner, "fencing": 1, "fired": False}, FEW, FEW_OWNERS),
    st.sampled_from(["", "nothing", "nothing", "update", "update", "update"]),
    CONTENDED_WHERE,
)
_DELETES = st.builds(lambda where: lambda _: sa.delete(GUARD).where(where).returning(G.id, G.owner), CONTENDED_WHERE)
_READS = st.just(lambda _: sa.select(G.id, G.owner))
_ENDS = st.sampled_from(["commit", "commit", "rollback"])
CHANGES_OF_TWO = st.one_of(_UPDATES, _UPDATES, _INSERTS, _DELETES)
CONTENDED_OR_ENDS = st.one_of(_UPDATES, _UPDATES, _INSERTS, _INSERTS, _DELETES, _READS, _ENDS, _ENDS)
"""Of two rows, which every other statement wants."""


def plain(value: Any) -> Any:
    """SQLite's whole numbers of a column of fractions are integers."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def answered(call: Callable[[], Any]) -> Any:
    """Rows without an order of their own, or what kind of error it was."""
    try:
        return sorted(repr(tuple(map(plain, each))) for each in call())
    except DBAPIError as error:
        return type(error).__name__, getattr(error.orig, "sqlstate", None)


def ran(engine: sa.Engine, statement: Callable[[sa.Engine], Any]) -> Any:
    def call() -> Any:
        with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            return connection.execute(statement(engine)).all()

    return answered(call)


def emptied(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        for table in (GUARD, LOG):
            connection.execute(sa.delete(table))


# ---- one connection

_others: dict[str, sa.Engine] = {}


class One(RuleBasedStateMachine):
    """Each statement alone, and several in a transaction that is committed or not."""

    other = "sqlite"

    def __init__(self) -> None:
        super().__init__()
        model, _ = sdk_engine(Database())
        sql.create_schema(model, PREFIX)
        self.engines = (model, _others[self.other])
        emptied(self.engines[1])

    def same(self, answers: list[Any]) -> None:
        if self.other == "sqlite":  # which has codes of its own
            answers = [each[0] if isinstance(each, tuple) else each for each in answers]
        assert answers[0] == answers[1]

    @rule(statement=STATEMENTS)
    def alone(self, statement: Callable[[sa.Engine], Any]) -> None:
        self.same([ran(engine, statement) for engine in self.engines])

    @rule(statements=st.lists(STATEMENTS, min_size=1, max_size=4), commits=st.booleans())
    def together(self, statements: list[Callable[[sa.Engine], Any]], commits: bool) -> None:
        for answers in zip(*(self._together(engine, statements, commits) for engine in self.engines), strict=True):
            self.same(list(answers))

    def _together(self, engine: sa.Engine, statements: list[Any], commits: bool) -> list[Any]:
        said: list[Any] = []
        with engine.connect() as connection:
            for statement in statements:
                said.append(_step(connection, statement, engine))
                if isinstance(said[-1], tuple):
                    return said  # what goes on after an error is PostgreSQL's own way
            if commits:
                connection.commit()
        return said


class OneOnPostgres(One):
    other = "postgres"


def run_machine(machine: type[RuleBasedStateMachine], examples: int, *, shrink: bool = True) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=15,
            deadline=None,
            derandomize=True,
            database=None,
            phases=(Phase.generate, Phase.shrink) if shrink else (Phase.generate,),
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_sql_model_agrees_with_sqlite(tmp_path: Path) -> None:
    engine = _others["sqlite"] = sql.engine(f"sqlite:///{tmp_path / 'agreement.db'}")
    sa.event.listen(engine, "connect", lambda made, _: made.execute("PRAGMA synchronous=OFF").close())
    sql.create_schema(engine, PREFIX)
    try:
        run_machine(One, 60)
    finally:
        engine.dispose()


@pytest.fixture
def postgres() -> Iterator[sa.Engine]:
    url = os.environ.get("POSTGRES_URL", "")
    if not url:
        reason = "POSTGRES_URL is not set: start PostgreSQL and say where it is"
        if os.environ.get("CLEF_REQUIRE_BACKENDS") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    engine = _others["postgres"] = sql.engine(url)
    sql.create_schema(engine, PREFIX)
    yield engine
    TABLES.state.metadata.drop_all(engine)
    engine.dispose()


def test_sql_model_agrees_with_postgresql(postgres: sa.Engine) -> None:
    run_machine(OneOnPostgres, 60)


# ---- two connections

PAST_TIMERS_S = 3.0
"""Virtual seconds after which the model has looked for circles; PostgreSQL's timer is set to `_LOOKS_S`."""

_LOOKS_S = 0.02


class ModelSide:
    """Two sessions of the model, each a virtual thread that does one thing at a time."""

    def __init__(self) -> None:
        self.kernel = Kernel()
        self.engine, self.close = sdk_engine(Database(self.kernel))
        sql.create_schema(self.engine, PREFIX)
        self.connections = [self.engine.connect() for _ in range(2)]
        self.opened: list[Any] = [None, None]
        self.answers: list[Any] = [None, None]

    def begin(self, which: int, statement: Callable[[sa.Engine], Any] | str) -> None:
        def work() -> None:
            if self.opened[which] is None:
                self.opened[which] = self.connections[which].__enter__()
            connection = self.opened[which]
            self.answers[which] = _step(connection, statement, self.engine)

        self.answers[which] = None
        self.kernel.spawn(work, who=str(which))
        self.kernel.run(until=self.kernel.now + PAST_TIMERS_S)

    def said(self, which: int) -> Any:
        return self.answers[which]


class PostgresSide:
    """Two connections, each with an OS thread of its own."""

    def __init__(self, engine: sa.Engine) -> None:
        emptied(engine)
        self.engine = engine
        self.threads = [ThreadPoolExecutor(1) for _ in range(2)]
        self.connections = [engine.connect() for _ in range(2)]
        self.pids = []
        for connection in self.connections:
            # As that of the model: who waits looks for a circle once, after a while.
            connection.exec_driver_sql(f"SET deadlock_timeout = '{int(_LOOKS_S * 1000)}ms'")
            self.pids.append(connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one())
            connection.commit()
        self.futures: list[Future[Any] | None] = [None, None]

    def begin(self, which: int, statement: Callable[[sa.Engine], Any] | str) -> None:
        self.futures[which] = self.threads[which].submit(_step, self.connections[which], statement, self.engine)
        self.said(which)

    def said(self, which: int) -> Any:
        """The answer, None where there is none and it waits: for longer than it takes to find a circle, and to be
        woken by the other's end."""
        future, until = self.futures[which], time.monotonic() + 20.0
        waits_since: float | None = None
        while future is not None and not future.done():
            assert time.monotonic() < until, "neither done nor waiting"
            if not self._waits(which):
                waits_since = None
            elif waits_since is None:
                waits_since = time.monotonic()
            elif time.monotonic() - waits_since > 3 * _LOOKS_S:
                return None
            time.sleep(0.002)
        return None if future is None else future.result()

    def _waits(self, which: int) -> bool:
        with self.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            asked = "SELECT wait_event_type FROM pg_stat_activity WHERE pid = %(pid)s"
            return connection.exec_driver_sql(asked, {"pid": self.pids[which]}).scalar() == "Lock"

    def close(self) -> None:
        for pid, future in zip(self.pids, self.futures, strict=True):
            if future is not None and not future.done():
                with self.engine.begin() as connection:
                    connection.exec_driver_sql("SELECT pg_cancel_backend(%(pid)s)", {"pid": pid})
                future.result()
        for thread, connection in zip(self.threads, self.connections, strict=True):
            thread.submit(connection.close).result()
            thread.shutdown()


def _step(connection: Any, statement: Callable[[sa.Engine], Any] | str, engine: sa.Engine) -> Any:
    if statement == "commit":
        return answered(lambda: connection.commit() or [])
    if statement == "rollback":
        return answered(lambda: connection.rollback() or [])
    return answered(lambda: connection.execute(statement(engine)).all())


class Two(RuleBasedStateMachine):
    """Two transactions at a time. After each step both sides must say the same of both sessions: an answer, an error,
    or that it waits."""

    def __init__(self) -> None:
        super().__init__()
        self.sides = (ModelSide(), PostgresSide(_others["postgres"]))
        self.waiting = [False, False]
        self.seed()

    def seed(self) -> None:
        """Two rows, as at the beginning."""
        self.step(0, lambda _: sa.delete(GUARD).returning(G.id))
        for id_ in ("a", "b"):
            self.step(0, inserted({"id": id_, "owner": "o", "fencing": 1, "fired": False}, "", None))
        self.step(0, "commit")

    def teardown(self) -> None:
        for side in self.sides:
            side.close()

    def step(self, which: int, statement: Callable[[sa.Engine], Any] | str) -> None:
        for side in self.sides:
            side.begin(which, statement)
        for session in (0, 1):
            said = [side.said(session) for side in self.sides]
            assert said[0] == said[1], f"session {session}"
            self.waiting[session] = said[0] is None and (session == which or self.waiting[session])

    @rule(which=st.sampled_from([0, 1]), statement=CONTENDED_OR_ENDS)
    def act(self, which: int, statement: Callable[[sa.Engine], Any] | str) -> None:
        """Whoever waits can do nothing but wait: then it is the other's turn."""
        self.step(1 - which if self.waiting[which] else which, statement)

    @precondition(lambda self: not any(self.waiting))
    @rule(first=CHANGES_OF_TWO, second=CHANGES_OF_TWO, end=_ENDS)
    def race(self, first: Callable[[sa.Engine], Any], second: Callable[[sa.Engine], Any], end: str) -> None:
        for which in (0, 1):
            self.step(which, "rollback")
        self.seed()
        self.step(0, first)
        self.step(1, second)
        self.step(0, end)
        self.step(1, "commit")


@pytest.mark.slow
def test_sql_model_agrees_with_postgresql_where_two_wait_for_each_other(postgres: sa.Engine) -> None:
    run_machine(Two, 40)


@pytest.mark.slow
def test_sql_two_that_wait_notice_a_model_that_does_not_look_at_the_row_again(
    postgres: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def held(slot: Any, seen: Any, _: Any, transaction: Any) -> Any:
        while slot.owner is not None and slot.owner is not transaction:
            yield slot.owner
        now = slot.seen_by(transaction)
        if now is not None:
            slot.hold(transaction)
        return now

    monkeypatch.setattr(running, "_held", held)
    with pytest.raises(AssertionError):
        run_machine(Two, 40, shrink=False)
