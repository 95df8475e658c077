"""What one instance keeps between invocations: clients, storages, an index; each made at its first use.

A real instance is a process, and `DEFAULT` is its pool. A simulated one has a `Pool` of its own, so that
instances share nothing that they would not share in the cloud.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from clef_runtime.context import Clock, Ids, SystemClock, SystemIds

if TYPE_CHECKING:  # the SDKs are extras, and slow to import where nobody uses them
    from clef_runtime.action_log.dynamodb import DynamoDBActionLog
    from clef_runtime.action_log.firestore import FirestoreActionLog
    from clef_runtime.action_log.sql import SqlActionLog
    from clef_runtime.guard.dynamodb import DynamoDBFiringGuard
    from clef_runtime.guard.firestore import FirestoreFiringGuard
    from clef_runtime.guard.redis import RedisFiringGuard
    from clef_runtime.guard.sql import SqlFiringGuard
    from clef_runtime.objects.base import Objects
    from clef_runtime.redis import Commands
    from clef_runtime.storage.blob import BlobStorage, Index
    from clef_runtime.storage.dynamodb import DynamoDBStorage
    from clef_runtime.storage.firestore import FirestoreStorage
    from clef_runtime.storage.redis import RedisStorage
    from clef_runtime.storage.sql import SqlStorage

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


class FirestoreConfig(msgspec.Struct, frozen=True):
    """Where a concept's rows are: under the collection `root`."""

    concept: str
    root: str


class SqlConfig(msgspec.Struct, frozen=True):
    """Where a concept's rows are: in the tables of `prefix`."""

    concept: str
    prefix: str


class RedisConfig(msgspec.Struct, frozen=True):
    """Where a concept's rows are: in the keys that start with `prefix`."""

    concept: str
    prefix: str


class BlobConfig(msgspec.Struct, frozen=True):
    """Whose large values are objects: those whose JSON is longer than `above_bytes` (`storage.blob.ABOVE_BYTES` has
    what suits an index)."""

    concept: str
    above_bytes: int


# Each of these is the same one in every warm invocation. Clients are made outside of the handler, as each adapter
# wants them. `clock` is for pauses and times; the system's unless given.


def get_dynamodb_storage(
    client: Any, config: DynamoDBConfig, *, clock: Clock | None = None, pool: Pool = DEFAULT
) -> DynamoDBStorage:
    """The storage of `config`. `client`: made with `aws.client_config()`."""
    from clef_runtime.storage.dynamodb import DynamoDBStorage

    def make(clock: Clock) -> DynamoDBStorage:
        return DynamoDBStorage(client, clock=clock, **_fields(config))

    return _pooled(pool, make, client, config, clock)


def get_dynamodb_action_log(
    client: Any, table: str, *, clock: Clock | None = None, pool: Pool = DEFAULT
) -> DynamoDBActionLog:
    """The action log in `table`; as `get_dynamodb_storage`."""
    from clef_runtime.action_log.dynamodb import DynamoDBActionLog

    return _pooled(pool, lambda clock: DynamoDBActionLog(client, table, clock), client, ("log", table), clock)


def get_dynamodb_firing_guard(
    client: Any, table: str, *, clock: Clock | None = None, pool: Pool = DEFAULT
) -> DynamoDBFiringGuard:
    """The firing guard in `table`; as `get_dynamodb_storage`."""
    from clef_runtime.guard.dynamodb import DynamoDBFiringGuard

    return _pooled(pool, lambda clock: DynamoDBFiringGuard(client, table, clock), client, ("guard", table), clock)


def get_firestore_storage(
    client: Any, config: FirestoreConfig, *, clock: Clock | None = None, pool: Pool = DEFAULT
) -> FirestoreStorage:
    """The storage of `config`. `client`: a `google.cloud.firestore.Client`."""
    from clef_runtime.storage.firestore import FirestoreStorage

    def make(clock: Clock) -> FirestoreStorage:
        return FirestoreStorage(client, clock=clock, **_fields(config))

    return _pooled(pool, make, client, config, clock)


def get_firestore_action_log(
    client: Any, root: str, *, clock: Clock | None = None, pool: Pool = DEFAULT
) -> FirestoreActionLog:
    """The action log under the collection `root`; as `get_firestore_storage`."""
    from clef_runtime.action_log.firestore import FirestoreActionLog

    return _pooled(pool, lambda clock: FirestoreActionLog(client, root, clock), client, ("log", root), clock)


def get_firestore_firing_guard(
    client: Any, root: str, *, clock: Clock | None = None, pool: Pool = DEFAULT
) -> FirestoreFiringGuard:
    """The firing guard under the collection `root`; as `get_firestore_storage`."""
    from clef_runtime.guard.firestore import FirestoreFiringGuard

    return _pooled(pool, lambda clock: FirestoreFiringGuard(client, root, clock), client, ("guard", root), clock)


def get_sql_storage(
    database: Any, config: SqlConfig, *, clock: Clock | None = None, pool: Pool = DEFAULT
) -> SqlStorage:
    """The storage of `config`. `database`: made by `sql.engine`."""
    from clef_runtime.storage.sql import SqlStorage

    return _pooled(pool, lambda clock: SqlStorage(database, clock=clock, **_fields(config)), database, config, clock)


def get_sql_action_log(
    database: Any, prefix: str, *, clock: Clock | None = None, pool: Pool = DEFAULT
) -> SqlActionLog:
    """The action log in the tables of `prefix`; as `get_sql_storage`."""
    from clef_runtime.action_log.sql import SqlActionLog

    return _pooled(pool, lambda clock: SqlActionLog(database, prefix, clock), database, ("log", prefix), clock)


def get_sql_firing_guard(
    database: Any, prefix: str, *, clock: Clock | None = None, pool: Pool = DEFAULT
) -> SqlFiringGuard:
    """The firing guard in the tables of `prefix`; as `get_sql_storage`."""
    from clef_runtime.guard.sql import SqlFiringGuard

    return _pooled(pool, lambda clock: SqlFiringGuard(database, prefix, clock), database, ("guard", prefix), clock)


def get_redis_storage(
    commands: Commands, config: RedisConfig, *, clock: Clock | None = None, pool: Pool = DEFAULT
) -> RedisStorage:
    """The storage of `config`. `commands`: `redis.redis_commands`, or `upstash.upstash_commands`."""
    from clef_runtime.storage.redis import RedisStorage

    return _pooled(
        pool, lambda clock: RedisStorage(commands, clock=clock, **_fields(config)), commands, config, clock
    )


def get_redis_firing_guard(
    commands: Commands, prefix: str, *, clock: Clock | None = None, ids: Ids | None = None, pool: Pool = DEFAULT
) -> RedisFiringGuard:
    """The firing guard in the keys of `prefix`; as `get_redis_storage`. `ids`: the system's unless given."""
    from clef_runtime.guard.redis import RedisFiringGuard

    def make(clock: Clock) -> RedisFiringGuard:
        return RedisFiringGuard(commands, prefix, clock, ids or SystemIds())

    return _pooled(pool, make, commands, ("guard", prefix), clock, ids)


def get_blob_storage(
    index: Index,
    objects: Objects,
    config: BlobConfig,
    *,
    clock: Clock | None = None,
    ids: Ids | None = None,
    pool: Pool = DEFAULT,
) -> BlobStorage:
    """The storage of `config`.

    Args:
        index: the concept's rows, by one of the functions above: DynamoDB, Firestore or SQL.
        objects: `S3Objects` or `GcsObjects`, made outside of the handler.
        ids: gives objects their names; the system's unless given.
    """
    from clef_runtime.storage.blob import BlobStorage

    def make(clock: Clock) -> BlobStorage:
        return BlobStorage(index, objects, clock=clock, ids=ids or SystemIds(), **_fields(config))

    return _pooled(pool, make, index, config, clock, objects, ids)


def _pooled(
    pool: Pool, make: Callable[[Clock], T], client: object, config: Hashable, clock: Clock | None, *others: object
) -> T:
    """What `make` made of these very things before, or makes now."""
    key = (Same(client), config, Same(clock), *map(Same, others))
    return pool.get(key, lambda: make(clock or SystemClock()))


def _fields(config: msgspec.Struct) -> dict[str, Any]:
    return msgspec.structs.asdict(config)
