"""What the adapters over SQL share: the engine, the tables, calls and what a driver's error means.

SQLAlchemy Core over two databases, by the same code: PostgreSQL (psycopg 3), and SQLite inside the process.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from clef_runtime.context import Clock
from clef_runtime.errors import (
    BadInput,
    ClefError,
    Conflict,
    Indeterminate,
    NotFound,
    Refused,
    Throttled,
    TooLarge,
)
from clef_runtime.retry import Caller, Retry

_CONNECT_S = 2
"""libpq waits no less."""

_ANSWER_S = 5.0
"""As long as the AWS clients wait for an answer; SQLite waits so long for another's write."""

_INSERT: dict[str, Callable[[sa.Table], Any]] = {"postgresql": postgresql.insert, "sqlite": sqlite.insert}


# ---- engine


def engine(url: str | sa.URL) -> sa.Engine:
    """An engine for `postgresql://..`, `postgres://..` or `sqlite:///<file>`.

    PostgreSQL's own time limits are its role's: `ALTER ROLE <app> SET statement_timeout = '5s'`; here are only those
    that poolers and proxies let pass.

    Raises:
        BadInput: another database, or no URL.
    """
    try:
        parsed = sa.make_url(url)
    except ArgumentError as error:
        raise BadInput(f"database URL: {error}; give postgresql://<user>@<host>/<database>") from error
    backend = "postgresql" if parsed.drivername == "postgres" else parsed.get_backend_name()
    if backend == "postgresql":
        arguments: dict[str, Any] = {
            "connect_timeout": _CONNECT_S,
            "tcp_user_timeout": int(_ANSWER_S * 1000),
            "prepare_threshold": None,  # poolers that share connections know nothing of prepared statements
        }
        made = sa.create_engine(parsed.set(drivername="postgresql+psycopg"), connect_args=arguments)
        event.listen(made, "handle_error", _notice_shutdown)
        return made
    if backend == "sqlite":
        made = sa.create_engine(parsed, connect_args={"timeout": _ANSWER_S})
        event.listen(made, "connect", _prepare_sqlite)
        event.listen(made, "begin", _begin_sqlite)
        return made
    raise BadInput(f"database URL of {parsed.drivername!r}: must be postgresql or sqlite")


def _notice_shutdown(context: sa.engine.ExceptionContext) -> None:
    """A server that shuts down says so before it closes the connection, and has closed the others in the pool too."""
    if str(getattr(context.original_exception, "sqlstate", None)).startswith("57P"):
        context.is_disconnect = True


def _prepare_sqlite(connection: sqlite3.Connection, _: Any) -> None:
    # Readers and the one writer do not wait for each other.
    connection.execute("PRAGMA journal_mode=WAL").close()


def _begin_sqlite(connection: sa.Connection) -> None:
    """Takes the write lock at once: a transaction that reads first could not wait for it later."""
    if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
        connection.exec_driver_sql("BEGIN IMMEDIATE")


# ---- tables


class Tables(msgspec.Struct, frozen=True):
    """`state`: rows of all concepts. `log`: completions (`kind` c), invocations (i) and edges (e). `guard`: firings.

    Values are JSON text, exact for every JSON value. `expires` is when a record may be removed, epoch seconds.
    """

    state: sa.Table
    log: sa.Table
    guard: sa.Table


def tables(prefix: str) -> Tables:
    """The tables `<prefix>state`, `<prefix>log` and `<prefix>guard`."""
    metadata = sa.MetaData()
    return Tables(
        sa.Table(
            f"{prefix}state",
            metadata,
            _text("concept", primary_key=True),
            _text("relation", primary_key=True),
            _text("key", primary_key=True),
            _text("json", nullable=False),
            sa.Column("version", sa.BigInteger, nullable=False),
        ),
        sa.Table(
            f"{prefix}log",
            metadata,
            _text("flow", primary_key=True),
            _text("kind", primary_key=True),
            _text("id", primary_key=True),
            _text("json", nullable=False),
            sa.Column("at", sa.Double, nullable=False),
            sa.Column("expires", sa.Double, index=True),
        ),
        sa.Table(
            f"{prefix}guard",
            metadata,
            _text("id", primary_key=True),
            _text("json"),
            _text("owner"),
            sa.Column("fencing", sa.BigInteger),
            sa.Column("until", sa.Double),
            sa.Column("fired", sa.Boolean, nullable=False),
            sa.Column("expires", sa.Double, index=True),
        ),
    )


def _text(name: str, **options: Any) -> sa.Column[str]:
    # Compared and ordered byte by byte on both, as the keys of all adapters are.
    exact = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    return sa.Column(name, exact, **options)


def create_schema(database: sa.Engine, prefix: str) -> None:
    """Creates what is missing of the tables of `prefix`. Raises Refused, Throttled or Indeterminate."""
    try:
        tables(prefix).state.metadata.create_all(database)
    except SQLAlchemyError as error:
        raise translate(error, {"table": f"{prefix}*"}) from error


def delete_expired(database: sa.Engine, prefix: str, now_s: float) -> int:
    """Removes what log and guard may forget by `now_s` (epoch seconds); says how many rows. SQL does not do it by
    itself: call it now and then. Raises as `create_schema`."""
    made = tables(prefix)
    try:
        with database.begin() as connection:
            gone = [
                connection.execute(sa.delete(each).where(each.c.expires <= now_s).returning(each.c.expires)).all()
                for each in (made.log, made.guard)
            ]
    except SQLAlchemyError as error:
        raise translate(error, {"table": f"{prefix}*"}) from error
    return sum(map(len, gone))


def insert(database: sa.Engine, table: sa.Table) -> Any:
    """An insert that knows `on conflict`, in the engine's dialect.

    Raises:
        BadInput: a dialect other than PostgreSQL's and SQLite's.
    """
    name = database.dialect.name
    if name not in _INSERT:
        raise BadInput(f"database(={name!r}) must be postgresql or sqlite")
    return _INSERT[name](table)


def no_nul(name: str, text: str) -> None:
    """Raises BadInput for text with a NUL in it: PostgreSQL has no such text, and SQLite is to agree."""
    if "\0" in text:
        raise BadInput(f"{name}(={text[:40]!r}) must be without NUL: SQL text has none")


# ---- calls


class Calls:
    """Executes statements, repeated within `retry`, each in a transaction of its own.

    A method given to `together` runs in one transaction; it may raise Conflict, which undoes all of it.
    """

    def __init__(self, database: sa.Engine, clock: Clock, retry: Retry) -> None:
        self.database = database
        self._single = database.execution_options(isolation_level="AUTOCOMMIT")
        self._call = Caller(clock, retry, (SQLAlchemyError, UnicodeError, Conflict), translate)

    def rows(
        self, statement: sa.Executable, table: sa.Table, *, idempotent: bool = True, none: Conflict | None = None
    ) -> list[Any]:
        """The rows that the statement gives. Raises as `Caller`, and `none` where there are none."""
        arguments = {"statement": statement, "table": table.name, "none": none}
        found: list[Any] = self._call(self._execute, arguments, idempotent=idempotent)
        return found

    def together(self, run: Callable[[sa.Connection], None], table: sa.Table) -> None:
        """Runs in one transaction."""
        self._call(self._transact, {"run": run, "table": table.name})

    def _execute(
        self,
        statement: sa.Executable,
        table: str,  # noqa: ARG002 - for errors
        none: Conflict | None,
    ) -> list[Any]:
        with self._single.connect() as connection:
            # All rows are fetched: until then SQLite has not ended the statement. Never `rowcount`: psycopg does
            # not know it of a statement that gives rows.
            found = list(connection.execute(statement).all())
        if none is not None and not found:
            raise none
        return found

    def _transact(self, run: Callable[[sa.Connection], None], table: str) -> None:  # noqa: ARG002 - for errors
        with self.database.begin() as connection:
            run(connection)


# ---- errors

_PG_CODES: dict[str, type[ClefError]] = {
    "40001": Throttled,  # serialization failure, deadlock: undone, and over in milliseconds
    "40P01": Throttled,
    "55P03": Throttled,  # a lock was not free
    "57014": Throttled,  # the statement's time was up: undone
    "57P03": Throttled,  # starting up or shutting down: did not let us in
    "42P01": NotFound,  # table
    "3D000": NotFound,  # database
    "40003": Indeterminate,  # nobody knows whether the statement is complete
}
_PG_CLASSES: dict[str, type[ClefError]] = {
    "08": Indeterminate,  # connection
    "57": Indeterminate,  # shut down or crashed under us
    "58": Indeterminate,  # input and output
    "XX": Indeterminate,  # internal
    "53": Throttled,  # connections, memory, disk: none left
    "54": TooLarge,
    "22": BadInput,
}
_SQLITE_CODES: dict[int, type[ClefError]] = {
    sqlite3.SQLITE_BUSY: Throttled,
    sqlite3.SQLITE_LOCKED: Throttled,
    sqlite3.SQLITE_PROTOCOL: Throttled,
    sqlite3.SQLITE_CANTOPEN: NotFound,
    sqlite3.SQLITE_NOTADB: BadInput,
    sqlite3.SQLITE_TOOBIG: TooLarge,
    sqlite3.SQLITE_IOERR: Indeterminate,
}
_ADVICE: dict[type[ClefError], str] = {
    NotFound: "; create it (`create_schema`), or correct its name",
    Indeterminate: "; it may have been done",
}


def translate(error: Exception, arguments: Mapping[str, Any]) -> ClefError:
    """The runtime's error for SQLAlchemy's, by the driver's code. A broken connection is indeterminate, a code that
    nobody knows a plain refusal."""
    if isinstance(error, Conflict):
        return error
    cause = error.orig if isinstance(error, DBAPIError) else error
    kind = _kind(error, cause)
    first_line = str(cause).partition("\n")[0]
    words = f"table {arguments['table']!r}: {type(cause).__name__}: {first_line}"
    return kind(words + _ADVICE.get(kind, ""))


def _kind(error: Exception, cause: Any) -> type[ClefError]:
    if isinstance(error, PoolTimeoutError):
        return Throttled  # no connection was free
    if isinstance(error, UnicodeError):
        return BadInput  # a lone surrogate
    if not isinstance(error, DBAPIError):
        return Refused
    if isinstance(cause, sqlite3.Error):
        return _of_sqlite(cause)
    code = getattr(cause, "sqlstate", None)
    if code is not None:
        return _PG_CODES.get(code) or _PG_CLASSES.get(code[:2], Refused)
    if type(cause).__name__ == "DataError":
        return BadInput  # refused by the driver before anything was sent
    return Indeterminate


def _of_sqlite(cause: sqlite3.Error) -> type[ClefError]:
    code = getattr(cause, "sqlite_errorcode", None)
    if code is None:
        return Refused  # the driver's own, before anything was run
    if "no such table" in str(cause):
        return NotFound  # SQLite has no code for it, only words
    return _SQLITE_CODES.get(code & 0xFF, Refused)  # above are the details
