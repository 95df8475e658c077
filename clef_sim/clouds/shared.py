"""Services that belong to no cloud: PostgreSQL, Redis, Upstash. One state each in a world, made at its first use."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

from clef_runtime.deploy.manifest import Manifest
from clef_runtime.deploy.names import Names
from clef_runtime.errors import BadInput
from clef_sim.kernel.instance import Instance
from clef_sim.kernel.threads import Kernel
from clef_sim.network import Network
from clef_sim.platform.functions import FunctionPlatform

if TYPE_CHECKING:  # their SDKs are extras
    from clef_sim.services.redis import RedisService, UpstashService
    from clef_sim.services.sql import Database


class SharedServices:
    """The models, and their SDKs for the instances that have them."""

    def __init__(
        self,
        manifest: Manifest,
        names: Names,
        kernel: Kernel,
        network: Network,
        platform: FunctionPlatform,
        clock_now: Callable[[], float],
    ) -> None:
        self._manifest, self._names, self._kernel, self._network = manifest, names, kernel, network
        self._platform, self._clock_now = platform, clock_now
        self._database: Database | None = None
        self._redis: RedisService | None = None
        self._upstash: UpstashService | None = None

    def sql(self, instance: Instance) -> Any:
        """An SQLAlchemy engine, whose connections break when the instance dies."""
        try:
            from clef_runtime import sql
            from clef_sim.services.sql import Database, sdk_engine
        except ModuleNotFoundError as error:
            self._missing("sql", error)
        if self._database is None:
            limit = self._network.profile.limit
            self._database = Database(
                self._kernel,
                max_connections=int(limit("sql.max_connections")),
                hang_ups=self._evict_expired,
                statement_timeout_s=limit("sql.statement_timeout_s"),
                deadlock_timeout_s=limit("sql.deadlock_timeout_s"),
            )
            sql.create_schema(sdk_engine(self._database)[0], self._names.table_prefix)
        engine, die = sdk_engine(self._database, self._network.client("sql", self._database, instance))
        instance.on_kill.append(lambda _: die())
        return engine

    def _evict_expired(self) -> None:
        for function in self._platform.functions.values():
            function.evict_expired()

    def redis(self, instance: Instance) -> Any:
        try:
            from clef_sim.services.redis import RedisClient, RedisService
        except ModuleNotFoundError as error:
            self._missing("redis", error)
        if self._redis is None:
            self._redis = RedisService(self._clock_now)
        return RedisClient(self._network.client("redis", self._redis, instance))

    def upstash(self, instance: Instance) -> Any:
        try:
            from clef_sim.services.redis import UpstashClient, UpstashService
        except ModuleNotFoundError as error:
            self._missing("upstash", error)
        if self._upstash is None:
            self._upstash = UpstashService(self._clock_now)
        return UpstashClient(self._network.client("upstash", self._upstash, instance))

    def _missing(self, kind: str, error: ModuleNotFoundError) -> NoReturn:
        extra = "sql" if kind == "sql" else "redis,sim"
        raise BadInput(f"{self._manifest.file}: kind {kind}: {error}; pip install 'clef-sim[{extra}]'") from error
