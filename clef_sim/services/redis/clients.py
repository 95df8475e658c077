"""The SDKs over the model: redis-py's client, which opens connections, and Upstash's, which sends requests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from redis.exceptions import ResponseError
from upstash_redis.errors import UpstashError
from upstash_redis.format import cast_response

from clef_sim.services.redis.server import COMMANDS, Redis
from clef_sim.services.sdk import Unmodelled


class RedisService:
    """What a Redis client calls: `connect`, and the commands."""

    def __init__(self, clock_now: Callable[[], float]) -> None:
        self._redis = Redis(clock_now)

    def connect(self) -> None:
        """A connection; there is no limit to them."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._redis, name)


class RedisClient:
    """As the adapters use a `redis.Redis`: a connection for each command under way, kept for the next.

    Args:
        api: a `RedisService`, or a network's client of one.
    """

    def __init__(self, api: Any) -> None:
        self._api = api
        self._idle = 0

    def execute_command(self, *words: Any) -> Any:
        """The command's answer.

        Raises:
            redis.exceptions.ResponseError: the service refuses it.
            redis.exceptions.TimeoutError, ConnectionError: nobody knows; the connection is given up.
        """
        if self._idle:
            self._idle -= 1
        else:
            self._api.connect()
        command = [str(word) for word in words]
        try:
            answer = _method(self._api, command)(command=command)
        except ResponseError:
            self._idle += 1
            raise
        self._idle += 1
        return answer

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise Unmodelled(f"redis.Redis.{name} is not modelled; only execute_command")


class UpstashService:
    """What an Upstash client calls: the commands, with lists for answers, as JSON carries them."""

    def __init__(self, clock_now: Callable[[], float]) -> None:
        self._redis = Redis(clock_now, raw=True)

    def __getattr__(self, name: str) -> Any:
        run = getattr(self._redis, name)

        def call(*, command: list[str]) -> Any:
            """The answer as it is sent. Raises UpstashError."""
            try:
                return run(command=command)
            except ResponseError as error:
                code = f"{error.status_code} " if getattr(error, "status_code", None) else ""
                raise UpstashError(f"{code}{error}") from error

        call.took_effect = run.took_effect  # type: ignore[attr-defined]  # as the command's
        return call


class UpstashClient:
    """As the adapters use an `upstash_redis.Redis` without retries.

    Args:
        api: an `UpstashService`, or a network's client of one.
    """

    def __init__(self, api: Any) -> None:
        self._api = api

    def execute(self, command: list[Any]) -> Any:
        words = [str(word) for word in command]
        return cast_response(words, _method(self._api, words)(command=words), self)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise Unmodelled(f"upstash_redis.Redis.{name} is not modelled; only execute")


def _method(api: Any, command: list[str]) -> Any:
    name = command[0].lower()
    if name not in COMMANDS:
        raise Unmodelled(f"Redis: the command {name.upper()} is not modelled; modelled are {sorted(COMMANDS)}")
    return getattr(api, name)
