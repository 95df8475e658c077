"""A model of PostgreSQL, as what travels between it and its driver. `sdk_engine` makes an SQLAlchemy engine of it.

READ COMMITTED: a statement sees what is committed when it begins. Who changes a row holds it until the transaction
ends; others wait, and then look at it again. Transactions that wait for each other in a circle are found after
`deadlock_timeout_s`, as the server finds them, and the one that finds it is undone. A connection that breaks undoes
its transaction at that instant; but a statement that waits for a row is not interrupted by it: on its own, without a
transaction around it, it is done once the row is free, whoever still listens.

Left out: other isolation levels, savepoints, locks but those of rows, secondary indexes, foreign keys, statements
other than those of `statements.py`, standby servers and their failovers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import sqlalchemy as sa

from clef_sim.services.sdk import Unmodelled
from clef_sim.services.sql import errors
from clef_sim.services.sql.running import Rows, Steps, select, steps_of
from clef_sim.services.sql.statements import Plan, Select, planned
from clef_sim.services.sql.tables import Table, Transaction


class Waiter(Protocol):
    """What waiting takes: `clef_sim.kernel`'s Kernel has it."""

    def event(self) -> Any: ...

    def wait(self, event: Any) -> Any: ...

    def timer(self, delay_s: float, function: Callable[[], None]) -> Any: ...


class Session:
    """A connection. Made by the client, opened by `connect`."""

    def __init__(self) -> None:
        self.open = False
        self.transaction: Transaction | None = None
        self.running: _Running | None = None


def _changed_rows(answer: Answer) -> bool:
    """Whether a write did anything, as far as its answer shows."""
    return bool(answer.rows) or not answer.names


class Answer:
    """A statement's columns and rows."""

    __slots__ = ("names", "rows")

    def __init__(self, names: tuple[str, ...], rows: Rows) -> None:
        self.names, self.rows = names, rows


class Database:
    """An in-memory database.

    Args:
        kernel: what those who wait for a row wait with. Without one nobody else could act meanwhile, and a
            statement that would have to wait is refused at once (55P03).
        max_connections: open ones; more are refused.
        hang_ups: called before one is refused, to close the connections of those who are gone by now.
        statement_timeout_s: how long a statement may wait for rows before it is undone (57014); None: for ever.
        deadlock_timeout_s: how long one waits before it is looked whether it waits in a circle (40P01).
    """

    def __init__(
        self,
        kernel: Waiter | None = None,
        *,
        max_connections: int = 100,
        hang_ups: Callable[[], None] = lambda: None,
        statement_timeout_s: float | None = None,
        deadlock_timeout_s: float = 1.0,
    ) -> None:
        self.kernel, self._most, self._hang_ups = kernel, max_connections, hang_ups
        self._statement_timeout_s, self._deadlock_timeout_s = statement_timeout_s, deadlock_timeout_s
        self._tables: dict[str, Table] = {}
        self.connections = 0

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise Unmodelled(f"PostgreSQL.{name} is not modelled")

    # ---- schema

    def create(self, tables: Sequence[sa.Table]) -> None:
        """Creates what is missing; at once, and outside of any transaction."""
        for table in tables:
            if table.name not in self._tables:
                self._tables[table.name] = Table(table)

    def drop(self, tables: Sequence[sa.Table]) -> None:
        """Removes tables that are there."""
        for table in tables:
            self._tables.pop(table.name, None)

    # ---- connections

    def connect(self, *, session: Session) -> None:
        """Raises the driver's OperationalError, which has no code, where too many are open."""
        if self.connections >= self._most:
            self._hang_ups()
        if self.connections >= self._most:
            raise errors.too_many_connections()
        self.connections += 1
        session.open = True

    def hang_up(self, session: Session) -> None:
        """The connection is closed, or broke. What it has not committed is undone, but for a statement that waits:
        its transaction is undone once it has ended."""
        if not session.open:
            return
        session.open = False
        self.connections -= 1
        if session.running is None and session.transaction is not None:
            self._end(session, committed=False)

    # ---- transactions

    def begin(self, *, session: Session) -> None:
        self._check(session)
        session.transaction = Transaction()

    def commit(self, *, session: Session) -> None:
        """A transaction that has failed is rolled back instead, as PostgreSQL does it without an error."""
        self._check(session)
        if session.transaction is not None:
            self._end(session, committed=not session.transaction.failed)

    def rollback(self, *, session: Session) -> None:
        self._check(session)
        if session.transaction is not None:
            self._end(session, committed=False)

    def _check(self, session: Session) -> None:
        if not session.open:
            raise errors.lost_answer()

    def _end(self, session: Session, *, committed: bool) -> None:
        transaction, session.transaction = session.transaction, None
        assert transaction is not None
        self._release(transaction, committed=committed)

    def _release(self, transaction: Transaction, *, committed: bool) -> None:
        """Lets go of its rows; those who waited for it go on, in the order of their coming."""
        slots, transaction.slots = transaction.slots, []
        for slot in slots:
            slot.release(committed)
        waiting, transaction.waiting = transaction.waiting, []
        for running in waiting:
            running.transaction.waits_for = None
            self._go_on(running)

    # ---- statements

    def read(self, *, session: Session, statement: Any) -> Answer:
        """A select on its own."""
        plan = self._planned(session, statement)
        if not isinstance(plan, Select):
            raise Unmodelled(f"SQL: {statement} is no select")
        return Answer(plan.columns, select(self._table(session, plan.table), plan, None))

    def write(self, *, session: Session, statement: Any) -> Answer:
        """An insert, update or delete on its own: committed when it is answered. May wait.

        Raises:
            psycopg's errors: it was undone.
        """
        plan = self._planned(session, statement)
        table = self._table(session, plan.table)
        session.transaction = Transaction()
        return self._run(session, table, plan, alone=True)

    write.took_effect = _changed_rows  # type: ignore[attr-defined]  # read by the network

    def execute(self, *, session: Session, statement: Any) -> Answer:
        """A statement in the session's transaction. May wait. An error fails the transaction, and its rows are free.

        Raises:
            psycopg's errors: it was undone, and with it all of the transaction.
        """
        transaction = session.transaction
        if transaction is None or transaction.failed:
            self._check(session)
            raise errors.failed_transaction()
        plan = self._planned(session, statement)
        return self._run(session, self._table(session, plan.table), plan)

    execute.took_effect = lambda _: False  # type: ignore[attr-defined]  # not before its commit

    def _planned(self, session: Session, statement: Any) -> Plan:
        self._check(session)

        def ask(plan: Select) -> Rows:
            return select(self._table(session, plan.table), plan, session.transaction)

        return planned(statement, ask)

    def _table(self, session: Session, name: str) -> Table:
        found = self._tables.get(name)
        if found is None:
            self._fail(session)
            raise errors.undefined_table(name)
        return found

    def _fail(self, session: Session) -> None:
        if session.transaction is not None:
            session.transaction.failed = True
            self._release(session.transaction, committed=False)

    def _run(self, session: Session, table: Table, plan: Plan, *, alone: bool = False) -> Answer:
        if isinstance(plan, Select):
            return Answer(plan.columns, select(table, plan, session.transaction))
        assert session.transaction is not None
        running = _Running(session, session.transaction, steps_of(table, plan, session.transaction), alone)
        session.running = running
        self._go_on(running)
        if running.rows is None and running.error is None:
            self._wait(running)
        if running.error is not None:
            raise running.error
        assert running.rows is not None
        return Answer(plan.returning, running.rows)

    def _wait(self, running: _Running) -> None:
        """Returns when the statement has ended."""
        if self.kernel is None:
            self._give_up(running, errors.lock_not_available())
            return
        running.event = self.kernel.event()
        if self._statement_timeout_s is not None:
            running.timers.append(
                self.kernel.timer(
                    self._statement_timeout_s, lambda: self._give_up(running, errors.statement_timeout())
                )
            )
        self.kernel.wait(running.event)

    def _go_on(self, running: _Running) -> None:
        """Runs a statement to its end, or to the next transaction that it has to wait for."""
        try:
            blocker = next(running.steps)
        except StopIteration as stop:
            self._ended(running, stop.value, None)
        except errors.DriverError as error:
            self._ended(running, None, error)
        else:
            running.transaction.waits_for = blocker
            blocker.waiting.append(running)
            if self.kernel is not None:
                running.timers.append(
                    self.kernel.timer(self._deadlock_timeout_s, lambda: self._look_for_a_circle(running, blocker))
                )

    def _look_for_a_circle(self, running: _Running, blocker: Transaction) -> None:
        if running.transaction.waits_for is blocker and running.transaction.in_a_circle:
            self._give_up(running, errors.deadlock())

    def _give_up(self, running: _Running, error: Exception) -> None:
        blocker = running.transaction.waits_for
        assert blocker is not None
        blocker.waiting.remove(running)
        running.transaction.waits_for = None
        running.steps.close()
        self._ended(running, None, error)

    def _ended(self, running: _Running, rows: Rows | None, error: Exception | None) -> None:
        session = running.session
        session.running = None
        running.rows, running.error = rows, error
        for timer in running.timers:
            timer.cancel()
        if running.alone or not session.open:
            self._end(session, committed=running.alone and error is None)
        elif error is not None:
            self._fail(session)
        if running.event is not None:
            running.event.succeed()


class _Running:
    """A statement under way. It goes on even where its caller has died."""

    __slots__ = ("alone", "error", "event", "rows", "session", "steps", "timers", "transaction")

    def __init__(self, session: Session, transaction: Transaction, steps: Steps, alone: bool) -> None:
        self.session, self.transaction, self.steps, self.alone = session, transaction, steps, alone
        self.rows: Rows | None = None
        self.error: Exception | None = None
        self.event: Any = None
        self.timers: list[Any] = []
