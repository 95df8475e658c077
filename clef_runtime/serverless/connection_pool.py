"""What one instance keeps between invocations: clients, storages, an index; each made at its first use.

A real instance is a process, and `DEFAULT` is its pool. A simulated one has a `Pool` of its own, so that
instances share nothing that they would not share in the cloud.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from clef_runtime.context import Clock, SystemClock

if TYPE_CHECKING:  # botocore is an extra, and slow to import where nobody uses it
    from clef_runtime.action_log.dynamodb import DynamoDBActionLog
    from clef_runtime.guard.dynamodb import DynamoDBFiringGuard
    from clef_runtime.storage.dynamodb import DynamoDBStorage

T = TypeVar("T")


class Same:
    """Wraps a value for a key: equal only to itself, also where the value's own equality says otherwise."""

    __slots__ = ("value",)

    def __init__(self, value: object) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and other.value is self.value

    def __hash__(self) -> int:
        return 0  # a pool holds a handful; the order of anything must not depend on addresses


class Pool:
    """Things by key, each made once.

    No lock is held while one is made: making it may call a service. Where first calls race, each may make
    one; the first to finish is kept and all get it. What raises is not kept.
    """

    def __init__(self) -> None:
        self._made: dict[Hashable, Any] = {}

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """What was made under `key`, else what `make` makes now. Raises what `make` raises."""
        if key not in self._made:
            # Two statements, no lock: `setdefault` alone decides who was first.
            self._made.setdefault(key, make())
        found: T = self._made[key]
        return found

    def reset(self) -> None:
        """Forgets everything, as a new instance does."""
        self._made.clear()

    def __len__(self) -> int:
        return len(self._made)


DEFAULT = Pool()
"""The pool of this process."""


class DynamoDBConfig(msgspec.Struct, frozen=True):
    """Where a concept's rows are: the single `table`, or the `prefix` of the relations' own tables."""

    concept: str
    table: str | None = None
    prefix: str | None = None


def get_dynamodb_storage(
    client: Any, config: DynamoDBConfig, *, clock: Clock | None = None, pool: Pool = DEFAULT
) -> DynamoDBStorage:
    """The storage of `config` over `client`, the same one in every warm invocation.

    Args:
        client: a DynamoDB client made with `aws.client_config()`, outside of the handler.
        clock: for pauses between retries; the system's unless given.
    """
    from clef_runtime.storage.dynamodb import DynamoDBStorage

    return pool.get(
        ("dynamodb-storage", Same(client), config, Same(clock)),
        lambda: DynamoDBStorage(
            client, concept=config.concept, clock=clock or SystemClock(), table=config.table, prefix=config.prefix
        ),
    )


def get_dynamodb_action_log(
    client: Any, table: str, *, clock: Clock | None = None, pool: Pool = DEFAULT
) -> DynamoDBActionLog:
    """The action log in `table`; as `get_dynamodb_storage`."""
    from clef_runtime.action_log.dynamodb import DynamoDBActionLog

    return pool.get(
        ("dynamodb-action-log", Same(client), table, Same(clock)),
        lambda: DynamoDBActionLog(client, table, clock or SystemClock()),
    )


def get_dynamodb_firing_guard(
    client: Any, table: str, *, clock: Clock | None = None, pool: Pool = DEFAULT
) -> DynamoDBFiringGuard:
    """The firing guard in `table`; as `get_dynamodb_storage`."""
    from clef_runtime.guard.dynamodb import DynamoDBFiringGuard

    return pool.get(
        ("dynamodb-firing-guard", Same(client), table, Same(clock)),
        lambda: DynamoDBFiringGuard(client, table, clock or SystemClock()),
    )
