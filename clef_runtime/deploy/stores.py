"""Storage, action log and guard by the kinds of a manifest; each kind's SDK is imported only where it is used."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from clef_runtime.action_log.base import ActionLog
from clef_runtime.context import Clock, Ids
from clef_runtime.deploy.clients import Clients
from clef_runtime.deploy.manifest import Manifest
from clef_runtime.deploy.names import Names
from clef_runtime.errors import BadInput
from clef_runtime.guard.base import FiringGuard
from clef_runtime.objects.base import Objects
from clef_runtime.serverless.connection_pool import Pool
from clef_runtime.storage.base import Storage

if TYPE_CHECKING:
    from clef_runtime.redis import Commands


_EXTRAS = {"dynamodb": "aws", "firestore": "gcp", "sql": "sql", "redis": "redis", "upstash": "redis"}


class Stores:
    """Makes the adapters of one instance, over one client of each service."""

    def __init__(self, manifest: Manifest, names: Names, clients: Clients, clock: Clock, ids: Ids) -> None:
        self._manifest, self._names, self._clients = manifest, names, clients
        self._clock, self._ids, self._pool = clock, ids, Pool()

    def storage(self, concept: str) -> Storage:
        """The storage of a concept, by its name."""
        settings = self._manifest.storage
        kind = settings.kind_of(concept)
        with _installed("storage", settings.rows_of(kind)):
            rows = self._storage(settings.rows_of(kind), concept)
        if kind != "blob":
            return rows
        with _installed("storage", "blob", self._manifest.cloud):
            return self._blob(rows, concept)

    def log(self) -> ActionLog:
        with _installed("action_log", self._manifest.action_log.kind):
            return self._log()

    def guard(self) -> FiringGuard:
        with _installed("guard", self._manifest.guard.kind):
            return self._guard()

    def _blob(self, index: Any, concept: str) -> Storage:
        from clef_runtime.storage.blob import ABOVE_BYTES, BlobStorage

        above_bytes = ABOVE_BYTES[self._manifest.storage.index]
        return BlobStorage(
            index, self._objects(), concept=concept, clock=self._clock, ids=self._ids, above_bytes=above_bytes
        )

    def _objects(self) -> Objects:
        if self._manifest.cloud == "aws":
            from clef_runtime.objects.s3 import S3Objects

            return S3Objects(self._pool.get(("s3",), self._clients.s3), self._names.bucket, self._clock)
        from clef_runtime.objects.gcs import GcsObjects

        return GcsObjects(self._pool.get(("gcs",), self._clients.gcs), self._names.bucket, self._clock)

    def delete_expired(self) -> int:
        """Only SQL keeps records beyond their time."""
        if "sql" not in (self._manifest.action_log.kind, self._manifest.guard.kind):
            return 0
        from clef_runtime import sql

        return sql.delete_expired(self._sql(), self._names.table_prefix, self._clock.now())

    def _storage(self, kind: str, concept: str) -> Storage:
        names, clock = self._names, self._clock
        if kind == "memory":
            from clef_runtime.storage.memory import MemoryStorage

            return MemoryStorage()
        if kind == "dynamodb":
            from clef_runtime.storage.dynamodb import DynamoDBStorage

            if self._manifest.storage.layout == "single":
                return DynamoDBStorage(self._dynamodb(), concept=concept, clock=clock, table=names.storage_table)
            return DynamoDBStorage(self._dynamodb(), concept=concept, clock=clock, prefix=names.table_prefix)
        if kind == "firestore":
            from clef_runtime.storage.firestore import FirestoreStorage

            return FirestoreStorage(self._firestore(), root=names.storage_table, concept=concept, clock=clock)
        if kind == "sql":
            from clef_runtime.storage.sql import SqlStorage

            return SqlStorage(self._sql(), prefix=names.table_prefix, concept=concept, clock=clock)
        if kind in ("redis", "upstash"):
            from clef_runtime.storage.redis import RedisStorage

            commands = self._redis() if kind == "redis" else self._upstash()
            return RedisStorage(commands, prefix=f"{names.storage_table}:", concept=concept, clock=clock)
        raise self._not_here("storage", kind)

    def _log(self) -> ActionLog:
        settings, names, clock = self._manifest.action_log, self._names, self._clock
        if settings.kind == "memory":
            from clef_runtime.action_log.memory import MemoryActionLog

            return MemoryActionLog(clock)
        if settings.kind == "dynamodb":
            from clef_runtime.action_log.dynamodb import DynamoDBActionLog

            return DynamoDBActionLog(
                self._dynamodb(),
                names.log_table,
                clock,
                consistent_reads=settings.consistent_reads,
                ttl_s=settings.ttl_s,
            )
        if settings.kind == "firestore":
            from clef_runtime.action_log.firestore import FirestoreActionLog

            return FirestoreActionLog(self._firestore(), names.log_table, clock, ttl_s=settings.ttl_s)
        if settings.kind == "sql":
            from clef_runtime.action_log.sql import SqlActionLog

            return SqlActionLog(self._sql(), names.table_prefix, clock, ttl_s=settings.ttl_s)
        raise self._not_here("action_log", settings.kind)

    def _guard(self) -> FiringGuard:
        settings, names, clock = self._manifest.guard, self._names, self._clock
        if settings.kind == "memory":
            from clef_runtime.guard.memory import MemoryFiringGuard

            return MemoryFiringGuard(clock)
        if settings.kind == "dynamodb":
            from clef_runtime.guard.dynamodb import DynamoDBFiringGuard

            return DynamoDBFiringGuard(self._dynamodb(), names.guard_table, clock, ttl_s=settings.ttl_s)
        if settings.kind == "firestore":
            from clef_runtime.guard.firestore import FirestoreFiringGuard

            return FirestoreFiringGuard(self._firestore(), names.guard_table, clock, ttl_s=settings.ttl_s)
        if settings.kind == "sql":
            from clef_runtime.guard.sql import SqlFiringGuard

            return SqlFiringGuard(self._sql(), names.table_prefix, clock, ttl_s=settings.ttl_s)
        if settings.kind in ("redis", "upstash"):
            from clef_runtime.guard.redis import RedisFiringGuard

            commands = self._redis() if settings.kind == "redis" else self._upstash()
            return RedisFiringGuard(commands, f"{names.guard_table}:", clock, self._ids, ttl_s=settings.ttl_s)
        raise self._not_here("guard", settings.kind)

    def _dynamodb(self) -> Any:
        return self._pool.get(("dynamodb",), self._clients.dynamodb)

    def _firestore(self) -> Any:
        return self._pool.get(("firestore",), self._clients.firestore)

    def _sql(self) -> Any:
        return self._pool.get(("sql",), self._clients.sql)

    def _redis(self) -> Commands:
        from clef_runtime.redis import redis_commands

        return self._pool.get(("redis",), lambda: redis_commands(self._clients.redis(), self._clock))

    def _upstash(self) -> Commands:
        from clef_runtime.storage.upstash import upstash_commands

        return self._pool.get(("upstash",), lambda: upstash_commands(self._clients.upstash(), self._clock))

    def _not_here(self, port: str, kind: str) -> BadInput:
        return BadInput(f"{self._manifest.file}: {port}.kind(={kind!r}) has no adapter in this version")


@contextmanager
def _installed(port: str, kind: str, extra: str = "") -> Iterator[None]:
    """Raises BadInput where the SDK of `kind` is not installed; says how to get it."""
    try:
        yield
    except ModuleNotFoundError as error:
        extra = extra or _EXTRAS.get(kind, "")
        if not extra:
            raise
        raise BadInput(f"{port}.kind(={kind!r}): {error}; pip install 'clef-sim[{extra}]'") from error
