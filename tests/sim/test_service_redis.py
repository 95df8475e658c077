"""The models of Redis and Upstash: answers in their SDKs' forms, expiry in virtual time, connections, refusals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError
from upstash_redis.errors import UpstashError

from clef_sim.services.redis import RedisClient, RedisService, UpstashClient, UpstashService
from clef_sim.services.sdk import Unmodelled

COUNT = "redis.call('PEXPIRE', KEYS[1], ARGV[1]) return redis.call('HINCRBY', KEYS[1], 'n', 1)"


class Clock:
    def __init__(self) -> None:
        self.now_s = 1_000_000_000.0

    def now(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["redis", "upstash"])
def command(request: pytest.FixtureRequest, clock: Clock) -> Callable[..., Any]:
    if request.param == "redis":
        return RedisClient(RedisService(clock.now)).execute_command
    upstash = UpstashClient(UpstashService(clock.now))
    return lambda *words: upstash.execute(list(words))


def test_redis_key_expires_by_the_given_clock(command: Callable[..., Any], clock: Clock) -> None:
    assert command("SET", "k", "v", "NX", "PX", "1000") is True
    clock.now_s += 0.999
    assert not command("SET", "k", "w", "NX")
    assert command("GET", "k") == "v"
    clock.now_s += 0.002
    assert command("GET", "k") is None
    assert command("SET", "k", "w", "NX") is True


def test_redis_script_sets_an_expiry_by_the_given_clock(command: Callable[..., Any], clock: Clock) -> None:
    assert [command("EVAL", COUNT, 1, "h", 500) for _ in range(2)] == [1, 2]
    clock.now_s += 0.6
    assert command("EVAL", COUNT, 1, "h", 500) == 1


def test_redis_hashes_are_answered_as_the_sdks_do(command: Callable[..., Any]) -> None:
    assert command("HSET", "h", "a", "1") == 1
    assert command("HSET", "h", "a", "2") == 0
    cursor, page = command("HSCAN", "h", "0", "COUNT", 100)
    assert (str(cursor), page) == ("0", {"a": "2"})
    assert command("HGET", "h", "b") is None
    assert [command("HDEL", "h", "a") for _ in range(2)] == [1, 0]


def test_redis_wrong_kind_is_each_sdks_own_error(command: Callable[..., Any]) -> None:
    command("HSET", "h", "a", "1")
    with pytest.raises((ResponseError, UpstashError), match=r"^WRONGTYPE"):
        command("GET", "h")


@pytest.mark.parametrize(
    "words",
    [
        ("TIME",),
        ("XADD", "s", "*", "a", "1"),
        ("EVAL", "return redis.call('TIME')", 0),
        ("EVAL", "return redis.pcall(ARGV[1])", 0, "TIME"),
    ],
    ids=lambda words: words[0] + words[1][-8:] if len(words) > 1 else words[0],
)
def test_redis_command_that_is_not_modelled_is_refused_by_name(
    command: Callable[..., Any], words: tuple[Any, ...]
) -> None:
    with pytest.raises(Unmodelled, match=r"TIME|XADD|computed"):
        command(*words)


def test_redis_two_services_share_nothing(clock: Clock) -> None:
    one, other = (RedisClient(RedisService(clock.now)) for _ in range(2))
    one.execute_command("SET", "k", "v")
    assert other.execute_command("GET", "k") is None


def test_redis_connection_is_kept_and_given_up_without_an_answer(clock: Clock) -> None:
    class Api:
        connections = 0
        lose = False

        def connect(self) -> None:
            self.connections += 1

        def get(self, *, command: list[str]) -> None:
            if self.lose:
                raise RedisTimeoutError("planned")

    api = Api()
    client = RedisClient(api)
    client.execute_command("GET", "k")
    client.execute_command("GET", "k")
    assert api.connections == 1
    api.lose = True
    with pytest.raises(RedisTimeoutError):
        client.execute_command("GET", "k")
    api.lose = False
    client.execute_command("GET", "k")
    assert api.connections == 2
