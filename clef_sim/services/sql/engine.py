"""The SDK over the model: what the adapters take for an SQLAlchemy engine, with the pool and the errors of one.

As `create_engine` makes it for psycopg: 5 connections are kept, 10 more opened and closed again as needed, and who
gets none waits 30 s. A transaction begins with its first statement, by a call of its own. A connection that breaks
takes those that wait in the pool with it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import psycopg
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.engine.cursor import _NO_RESULT_METADATA
from sqlalchemy.engine.result import IteratorResult, Result, SimpleResultMetaData
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from clef_sim.services.sdk import Unmodelled
from clef_sim.services.sql.database import Database, Session

KEPT, MORE, WAIT_S = 5, 10, 30.0
"""SQLAlchemy's `pool_size`, `max_overflow` and `pool_timeout`."""


def sdk_engine(database: Database, api: Any = None) -> tuple[sa.Engine, Callable[[], None]]:
    """An engine whose calls `api` answers: the model itself, or a network's client of it.

    Returns:
        The engine, and what is to be called when the process that has it dies: its connections break.
    """
    pool = _Pool(database, database if api is None else api)
    return cast("sa.Engine", _Engine(pool, autocommit=False)), pool.break_all


class _Pool:
    def __init__(self, database: Database, api: Any) -> None:
        self.database, self.api = database, api
        self.dialect = PGDialect_psycopg()  # type: ignore[no-untyped-call]  # SQLAlchemy has no types for it
        self._idle: deque[Session] = deque()
        self._waiting: deque[Any] = deque()
        self._out: list[Session] = []

    def take(self) -> Session:
        """An open connection.

        Raises:
            OperationalError: none could be opened.
            SQLAlchemy's TimeoutError: none was free in time.
        """
        if self._idle:
            session = self._idle.popleft()
            self._out.append(session)
        elif len(self._out) < KEPT + MORE:
            session = Session()
            self._out.append(session)
        else:
            session = self._wait()
        if not session.open:
            try:
                self.api.connect(session=session)
            except psycopg.Error as error:
                self.give_back(session)
                raise self.reported(None, error) from error
        return session

    def _wait(self) -> Session:
        kernel = self.database.kernel
        if kernel is None:
            raise PoolTimeoutError(f"QueuePool limit of size {KEPT} overflow {MORE} reached")
        turn = kernel.event()
        self._waiting.append(turn)

        def give_up() -> None:
            self._waiting.remove(turn)
            turn.succeed(None)

        timer = kernel.timer(WAIT_S, give_up)
        session: Session | None = kernel.wait(turn)
        if session is None:
            raise PoolTimeoutError(
                f"QueuePool limit of size {KEPT} overflow {MORE} reached, connection timed out, timeout {WAIT_S:.2f}"
            )
        timer.cancel()
        return session

    def give_back(self, session: Session) -> None:
        if self._waiting:
            self._waiting.popleft().succeed(session)
            return
        self._out.remove(session)
        if len(self._idle) < KEPT:
            self._idle.append(session)
        else:
            self.database.hang_up(session)

    def broke(self, session: Session) -> None:
        """A connection is broken: those that nobody uses may be as well, and are opened anew."""
        for each in (session, *self._idle):
            self.database.hang_up(each)

    def break_all(self) -> None:
        for each in (*self._out, *self._idle):
            self.database.hang_up(each)

    def reported(self, statement: Any, error: psycopg.Error) -> Exception:
        """SQLAlchemy's error for the driver's."""
        text = None if statement is None else str(statement.compile(dialect=self.dialect))
        made: Exception = DBAPIError.instance(text, None, error, psycopg.Error, dialect=self.dialect)
        return made


class _Engine:
    """As the adapters use an `Engine`; anything else is refused by name."""

    def __init__(self, pool: _Pool, *, autocommit: bool) -> None:
        self._pool, self._autocommit = pool, autocommit
        self.dialect = pool.dialect

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise Unmodelled(f"Engine.{name} is not modelled")

    def execution_options(self, *, isolation_level: str) -> _Engine:
        """The same connections with statements that commit themselves."""
        if isolation_level != "AUTOCOMMIT":
            raise Unmodelled(f"isolation_level(={isolation_level!r}) is not modelled; only AUTOCOMMIT")
        return _Engine(self._pool, autocommit=True)

    @contextmanager
    def connect(self) -> Iterator[_Connection]:
        """A connection; what is not committed at its end is rolled back."""
        connection = _Connection(self._pool, self._pool.take(), autocommit=self._autocommit)
        try:
            yield connection
        finally:
            connection.end()

    @contextmanager
    def begin(self) -> Iterator[_Connection]:
        """A transaction: committed at its end, rolled back where it raises."""
        with self.connect() as connection:
            yield connection
            connection.commit()

    def dispose(self) -> None:
        """Closes all connections."""
        self._pool.break_all()

    def _run_ddl_visitor(self, visitor: Any, metadata: sa.MetaData, **_: Any) -> None:
        """How `MetaData.create_all` and `drop_all` ask."""
        tables = metadata.sorted_tables
        if visitor.__name__ == "SchemaGenerator":
            self._pool.database.create(tables)
        else:
            self._pool.database.drop(tables)


class _Connection:
    """As the adapters use a `Connection`."""

    def __init__(self, pool: _Pool, session: Session, *, autocommit: bool) -> None:
        self._pool, self.session, self._autocommit = pool, session, autocommit
        self._began = False

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise Unmodelled(f"Connection.{name} is not modelled")

    def execute(self, statement: Any) -> Result[Any]:
        """Raises SQLAlchemy's errors, the driver's in `orig`."""
        api = self._pool.api
        if self._autocommit:
            run = api.read if statement.__visit_name__ == "select" else api.write
        else:
            if not self._began:
                self._call(api.begin)
                self._began = True
            run = api.execute
        answer = self._call(run, statement)
        if not answer.names:
            return IteratorResult(_NO_RESULT_METADATA, iter(()))
        return IteratorResult(SimpleResultMetaData(answer.names), iter(answer.rows))

    def commit(self) -> None:
        if self._began:
            self._call(self._pool.api.commit)
            self._began = False

    def rollback(self) -> None:
        if self._began and self.session.open:
            self._call(self._pool.api.rollback)
        self._began = False

    def end(self) -> None:
        """Gives the connection back, without a transaction: one that cannot be rolled back is closed."""
        try:
            self.rollback()
        except SQLAlchemyError:
            self._pool.database.hang_up(self.session)
        finally:
            self._pool.give_back(self.session)

    def _call(self, call: Callable[..., Any], statement: Any = None) -> Any:
        try:
            if statement is None:
                return call(session=self.session)
            return call(session=self.session, statement=statement)
        except psycopg.Error as error:
            if error.sqlstate is None and not isinstance(error, psycopg.DataError):
                self._pool.broke(self.session)
            raise self._pool.reported(statement, error) from error
