"""The models of Redis and Upstash answer as redis-server does, command by command. What is left out: PARITY.md.
Skipped where REDIS_URL is not set."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test
from redis import Redis
from redis.exceptions import ResponseError
from upstash_redis.errors import UpstashError
from upstash_redis.format import cast_response

from clef_runtime.guard.redis import _CLAIM, _MARK
from clef_runtime.redis import client as redis_client
from clef_runtime.storage.redis import _DELETE_AT_VERSION
from clef_sim.services.redis import RedisClient, RedisService, UpstashClient, UpstashService

_server: list[Any] = []
PREFIX = f"agreement-{uuid.uuid4().hex[:8]}:"

KEYS = st.sampled_from(["a", "b", "é"]).map(PREFIX.__add__)
FIELDS = st.sampled_from(["f", "g", "\U0001f600"])
TEXTS = st.sampled_from(["", "v", "1 {}", "12 {}", "é", "w" * 300])
OWNERS = st.sampled_from(["o", "p"])
TIMES = st.sampled_from(["1.0", "2.0", "3.5"])

SCRIPTS = st.one_of(
    st.builds(
        lambda key, owner, now, until: ["EVAL", _CLAIM, "1", key, "{}", owner, now, until, ""],
        KEYS,
        OWNERS,
        TIMES,
        TIMES,
    ),
    st.builds(
        lambda key, owner, number: ["EVAL", _MARK, "1", key, owner, number], KEYS, OWNERS, st.sampled_from("12")
    ),
    st.builds(
        lambda key, field, version: ["EVAL", _DELETE_AT_VERSION, "1", key, field, version],
        KEYS,
        FIELDS,
        st.sampled_from(["1 ", "12 "]),
    ),
)
COMMANDS = st.one_of(
    st.builds(lambda key, text: ["SET", key, text], KEYS, TEXTS),
    st.builds(lambda key, text: ["SET", key, text, "NX"], KEYS, TEXTS),
    st.builds(lambda key, text: ["SET", key, text, "NX", "PX", "600000"], KEYS, TEXTS),
    st.builds(lambda key: ["GET", key], KEYS),
    st.builds(lambda key, field, text: ["HSET", key, field, text], KEYS, FIELDS, TEXTS),
    st.builds(lambda key, field: ["HGET", key, field], KEYS, FIELDS),
    st.builds(lambda key, field: ["HDEL", key, field], KEYS, FIELDS),
    st.builds(lambda key: ["HSCAN", key, "0", "COUNT", "100"], KEYS),
    SCRIPTS,
)


@pytest.fixture(autouse=True)
def server() -> Iterator[None]:
    url = os.environ.get("REDIS_URL", "")
    if not url:
        reason = "REDIS_URL is not set: start Redis and say where it is"
        if os.environ.get("CLEF_REQUIRE_BACKENDS") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    client = redis_client(url)
    raw = Redis.from_url(url, decode_responses=True, protocol=2)
    _server[:] = [client, raw]
    yield
    _emptied(client)
    client.close()
    raw.close()


def _emptied(client: Any) -> None:
    keys = list(client.scan_iter(match=f"{PREFIX}*"))
    if keys:
        client.delete(*keys)


def answered(call: Any, command: list[str]) -> Any:
    """The answer, or its error's code."""
    try:
        return call(command)
    except (ResponseError, UpstashError) as error:
        return f"error {getattr(error, 'status_code', None) or str(error).partition(' ')[0]}"


def upstash_of(raw: Any, command: list[str]) -> Any:
    """What Upstash's client makes of what a server answers."""
    connection = raw.connection_pool.get_connection()
    try:
        connection.send_command(*command)
        return cast_response(command, connection.read_response(), None)
    finally:
        raw.connection_pool.release(connection)


class Machine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.redis = RedisClient(RedisService(time.time))
        self.upstash = UpstashClient(UpstashService(time.time))
        _emptied(_server[0])

    @rule(command=COMMANDS)
    def act(self, command: list[str]) -> None:
        said = answered(lambda words: self.redis.execute_command(*words), command)
        wanted = answered(lambda words: _server[0].execute_command(*words), command)
        assert said == wanted
        if command[0] in ("GET", "HGET", "HSCAN"):  # these leave the server as it is
            assert answered(self.upstash.execute, command) == answered(lambda w: upstash_of(_server[1], w), command)
        else:
            answered(self.upstash.execute, command)


def test_redis_models_agree_with_the_server() -> None:
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=60,
            stateful_step_count=15,
            deadline=None,
            derandomize=True,
            database=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        ),
    )
