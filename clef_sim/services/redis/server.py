"""A model of Redis: fakeredis in the process, on the simulator's clock. Each command is a method, `set(command=)`.

Left out: persistence, replicas and what is lost when one takes over, eviction, clusters, blocking commands,
transactions, and every command that is not listed here, in scripts too: some of them read a clock or draw by chance.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from threading import Lock
from typing import Any

import fakeredis
from fakeredis._core._database import Database

from clef_sim.services.sdk import Unmodelled

COMMANDS = frozenset({"get", "set", "hget", "hset", "hdel", "hscan", "eval"})
_IN_SCRIPTS = COMMANDS - {"eval", "hscan"} | {"hmget", "hincrby", "pexpire"}
_CALLS = re.compile(r"redis\.p?call\(\s*(?:'(\w+)')?")


class Redis:
    """One database, in memory.

    Args:
        clock_now: epoch seconds, by which keys expire.
        raw: answers as they are sent, maps as lists; else as redis-py gives them.
    """

    def __init__(self, clock_now: Callable[[], float], *, raw: bool = False) -> None:
        server = fakeredis.FakeServer()
        server.dbs[0] = _OnClock(server.lock, clock_now)
        self._client: Any = fakeredis.FakeRedis(server=server, decode_responses=True, protocol=2)
        self._run = self._raw if raw else self._client.execute_command

    def __getattr__(self, name: str) -> Any:
        if name not in COMMANDS:
            raise Unmodelled(f"Redis: the command {name.upper()} is not modelled; modelled are {sorted(COMMANDS)}")

        def call(*, command: list[str]) -> Any:
            """The answer. Raises redis-py's ResponseError."""
            if name == "eval":
                _check_script(command[1])
            return self._run(*command)

        call.took_effect = _took_effect  # type: ignore[attr-defined]  # read by the network
        self.__dict__[name] = call
        return call

    def _raw(self, *command: str) -> Any:
        pool = self._client.connection_pool
        connection = pool.get_connection()
        try:
            # Below the client's own commands, which would turn answers into Python's types.
            connection.send_command(*command)
            return connection.read_response()
        finally:
            pool.release(connection)


def _took_effect(answer: Any) -> bool:
    """A `SET NX` that is refused is answered with nothing, a script that does nothing with 0."""
    return answer is not None and answer != 0


class _OnClock(Database):
    """A database whose time is the given clock's; fakeredis would set it to the wall clock's with each command."""

    def __init__(self, lock: Lock, clock_now: Callable[[], float]) -> None:
        self._now = clock_now
        super().__init__(lock)

    @property
    def time(self) -> float:
        return self._now()

    @time.setter
    def time(self, _: float) -> None:
        """The clock sets it."""


@lru_cache(maxsize=64)
def _check_script(script: str) -> None:
    for command in _CALLS.findall(script):
        if command.lower() not in _IN_SCRIPTS:
            raise Unmodelled(f"Redis: {command.upper() or 'a computed command'} in a script is not modelled")
