"""The driver's errors: what psycopg raises for what PostgreSQL answers, with its code in `sqlstate`."""

from __future__ import annotations

import psycopg
from psycopg import errors

DriverError = psycopg.Error


def unique_violation(constraint: str, key: str) -> DriverError:
    return errors.UniqueViolation(
        f'duplicate key value violates unique constraint "{constraint}"\nDETAIL:  Key {key} already exists.'
    )


def not_null_violation(table: str, column: str) -> DriverError:
    return errors.NotNullViolation(
        f'null value in column "{column}" of relation "{table}" violates not-null constraint'
    )


def undefined_table(table: str) -> DriverError:
    return errors.UndefinedTable(f'relation "{table}" does not exist')


def deadlock() -> DriverError:
    return errors.DeadlockDetected("deadlock detected")


def statement_timeout() -> DriverError:
    return errors.QueryCanceled("canceling statement due to statement timeout")


def lock_not_available() -> DriverError:
    return errors.LockNotAvailable("canceling statement due to lock timeout")


def failed_transaction() -> DriverError:
    return errors.InFailedSqlTransaction(
        "current transaction is aborted, commands ignored until end of transaction block"
    )


def serialization_failure() -> DriverError:
    return errors.SerializationFailure("could not serialize access due to concurrent update")


def too_many_connections() -> DriverError:
    """The server answers 53300, which the driver does not hand on: a connection that fails has no code."""
    return psycopg.OperationalError("connection failed: FATAL:  sorry, too many clients already")


def nul_in_text() -> DriverError:
    return psycopg.DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes")


class LostAnswer(psycopg.OperationalError):
    """The connection broke before the answer came: nobody knows what was done, and there is no code for that."""


def lost_answer() -> DriverError:
    return LostAnswer("consuming input failed: could not receive data from server: Connection timed out")


def throttled(operation: str) -> DriverError:
    """What a server without room for more answers."""
    return too_many_connections() if operation == "Connect" else errors.OutOfMemory("out of memory")
