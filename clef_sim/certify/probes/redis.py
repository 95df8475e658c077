"""Redis: `SET NX`, `INCRBY`, a script that compares and sets."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from clef_runtime import redis
from clef_runtime.context import SystemIds
from clef_runtime.guard.redis import RedisFiringGuard
from clef_runtime.retry import NO_RETRY
from clef_sim.certify.probes import Moment

_SET = """
local there = redis.call('GET', KEYS[1])
if (there or '') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
return 1
"""


class Probe:
    def __init__(self, env: Mapping[str, str]) -> None:
        self.client = redis.client(env.get("REDIS_URL") or os.environ["REDIS_URL"])

    def prepare(self, name: str) -> None:
        """Keys need nothing."""

    def contender(self, name: str) -> _Contender:
        return _Contender(self.client, name)


class _Contender:
    def __init__(self, client: Any, name: str) -> None:
        self.clock = Moment()
        self._run = redis.redis_commands(client, self.clock, NO_RETRY)
        commands = redis.redis_commands(client, self.clock)
        self.guard = RedisFiringGuard(commands, f"{name}:", self.clock, SystemIds())

    def create(self, key: str, value: str) -> bool:
        return bool(self._run("SET", key, value, "NX"))

    def read(self, key: str) -> tuple[str | None, Any]:
        value = self._run("GET", key)
        return value, value

    def set(self, key: str, token: Any, value: str) -> bool:
        return bool(self._run("EVAL", _SET, 1, key, token or "", value))

    def add(self, key: str, number: int) -> int:
        return int(self._run("INCRBY", key, number))

    def sum(self, key: str) -> int:
        return int(self._run("GET", key) or 0)
