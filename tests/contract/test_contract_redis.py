"""Clauses E, S, and G10 to G14 of docs/contracts.md on Redis and Upstash: failing commands, and who won in spite."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import upstash_redis
from contract_backends import Backend, Started, TestClock
from contract_messages import firing
from contract_stores import CountingIds, FaultyRedis, RedisService, redis_backend
from redis import exceptions
from upstash_shim import TOKEN, Shim

from clef_runtime.errors import BadInput, ClefError, Indeterminate, Refused, Throttled, TooLarge
from clef_runtime.guard.redis import RedisFiringGuard
from clef_runtime.redis import client, redis_commands
from clef_runtime.storage import upstash
from clef_runtime.storage.base import Write
from clef_runtime.storage.redis import RedisStorage


@pytest.fixture(params=["fakeredis", "redis"])
def failing(request: pytest.FixtureRequest, stores: Started) -> tuple[Backend, FaultyRedis]:
    """Redis by redis-py, with a client that fails when told to."""
    service: RedisService = stores[request.param]
    client = FaultyRedis(service.client)
    return redis_backend(RedisService(client, redis_commands, service.prefix)), client


OPERATIONS: dict[str, Any] = {
    "put": lambda storage: storage.put("rows", "k", {"a": 1}),
    "get": lambda storage: storage.get("rows", "k"),
    "find": lambda storage: storage.find("rows"),
    "delete": lambda storage: storage.delete("rows", "k"),
}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_redis_command_without_an_answer_is_repeated_on_the_clock(failing: Any, operation: str) -> None:  # E3
    backend, client = failing
    client.lose_answer(times=3)
    OPERATIONS[operation](backend.storage)
    assert backend.clock.pauses == [0.05, 0.1, 0.2]
    assert len(client.calls) == 4


@pytest.mark.parametrize("operation", OPERATIONS)
def test_redis_without_any_answer_is_indeterminate(failing: Any, operation: str) -> None:  # E1
    backend, client = failing
    client.lose_answer(times=4)
    with pytest.raises(Indeterminate):
        OPERATIONS[operation](backend.storage)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (exceptions.BusyLoadingError("dataset in memory", status_code="LOADING"), Throttled),
        (exceptions.OutOfMemoryError("used memory > 'maxmemory'", status_code="OOM"), Throttled),
        (exceptions.ReadOnlyError("a read only replica", status_code="READONLY"), Throttled),
        (exceptions.ResponseError("BUSY Redis is busy running a script"), Throttled),
        (exceptions.MaxConnectionsError("Too many connections"), Throttled),
        (exceptions.ConnectionError("Connection refused"), Indeterminate),
        (exceptions.ResponseError("WRONGTYPE Operation against a key"), Refused),
        (exceptions.AuthenticationError("invalid password"), Refused),
        (exceptions.NoPermissionError("no permissions", status_code="NOPERM"), Refused),
        (exceptions.DataError("Invalid input"), BadInput),
    ],
    ids=lambda each: type(each).__name__ if isinstance(each, Exception) else each.__name__,
)
def test_redis_errors_mean(failing: Any, error: Exception, expected: type[ClefError]) -> None:  # E1
    backend, client = failing
    client.fail(*[error] * 4)
    with pytest.raises(ClefError, match="Redis: ") as caught:
        backend.storage.get("rows", "k")
    assert type(caught.value) is expected
    assert len(client.calls) == (4 if expected in (Throttled, Indeterminate) else 1)


def test_redis_key_of_another_kind_is_refused(any_redis: Backend) -> None:  # E1
    any_redis.storage._run("SET", any_redis.storage._place("texts"), "no hash")
    with pytest.raises(Refused, match="WRONGTYPE"):
        any_redis.storage.get("texts", "k")


def test_redis_key_that_is_no_text_is_refused(bare: Any) -> None:  # S1.7
    storage, _ = bare
    with pytest.raises(BadInput):
        storage.get("rows", "\ud800")


def test_redis_that_is_not_there_is_indeterminate() -> None:  # E1
    absent = client("redis://127.0.0.1:1")
    lost = RedisStorage(redis_commands(absent, TestClock()), prefix="", concept="User", clock=TestClock())
    with pytest.raises(Indeterminate):
        lost.get("rows", "k")


@pytest.fixture(params=["fakeredis", "redis", "upstash"])
def any_redis(request: pytest.FixtureRequest, stores: Started) -> Backend:
    """Redis, whatever carries its commands."""
    return redis_backend(stores[request.param])


@pytest.fixture(params=["fakeredis", "redis"])
def bare(request: pytest.FixtureRequest, stores: Started) -> tuple[RedisStorage, Any]:
    service = stores[request.param]
    return redis_backend(service).storage, service.client


def test_redis_throttle_after_a_lost_answer_takes_nothing_back(failing: Any) -> None:  # E4
    backend, client = failing
    client.lose_answer()
    client.fail(*[exceptions.ReadOnlyError("a replica", status_code="READONLY")] * 3)
    with pytest.raises(Indeterminate, match="may have been done"):
        backend.storage.put("rows", "k", {"a": 1})


def test_redis_delete_many_spares_a_row_that_no_longer_meets(failing: Any) -> None:  # S4.3
    backend, client = failing
    storage = backend.storage
    storage.put("rows", "k", {"state": "old"})
    client.before(lambda: None)  # the scan
    client.before(lambda: storage.put("rows", "k", {"state": "new"}))
    assert storage.delete_many("rows", {"state": "old"}) == 0
    assert storage.find("rows") == [{"state": "new", "__key": "k"}]


def test_redis_delete_many_counts_a_row_whose_answer_was_lost(failing: Any) -> None:  # S4.3
    backend, client = failing
    backend.storage.put("rows", "k", {"state": "old"})
    client.before(lambda: None)
    client.lose_answer()
    assert backend.storage.delete_many("rows", {"state": "old"}) == 1
    assert backend.storage.find("rows") == []


def test_redis_find_reads_every_page(any_redis: Backend) -> None:  # S3.5
    for number in range(350):
        any_redis.storage.put("rows", f"k{number:03}", {"n": number, "text": "x" * 100})
    assert [row["n"] for row in any_redis.storage.find("rows")] == list(range(350))


def test_redis_staging_is_refused(failing: Any) -> None:  # S5.6
    storage = failing[0].storage
    assert storage.transactional is False
    with pytest.raises(BadInput, match="recorded"):
        storage.stage([Write("rows", "k", {})])


@pytest.mark.parametrize("answered", [True, False], ids=["lost answer", "lost request"])
def test_redis_acquire_without_an_answer_is_repeated_and_won(failing: Any, answered: bool) -> None:  # G10
    backend, client = failing
    if answered:
        client.lose_answer()
    else:
        client.fail(exceptions.TimeoutError("planned"))
    assert backend.guard.try_acquire(["c1"], "S") is True
    assert backend.guard.try_acquire(["c1"], "S") is False


def test_redis_acquire_without_any_answer_is_indeterminate(failing: Any) -> None:  # G10
    backend, client = failing
    client.lose_answer(times=4)
    with pytest.raises(Indeterminate):
        backend.guard.try_acquire(["c1"], "S")
    assert backend.guard.try_acquire(["c1"], "S") is False


def test_redis_claim_without_an_answer_is_repeated_and_won(failing: Any) -> None:  # G11
    backend, client = failing
    client.lose_answer()
    assert backend.guard.claim(firing(), owner="a", lease_s=10).state == "won"
    backend.clock.sleep(20)
    client.lose_answer()
    taken = backend.guard.claim(firing(user="bob"), owner="b", lease_s=10)
    assert (taken.state, taken.firing, taken.fencing) == ("won", firing(), 2)
    client.lose_answer()
    backend.guard.mark_fired(taken)
    assert backend.guard.claim(firing(), owner="c", lease_s=10).state == "fired"


def test_redis_claim_is_one_command_and_its_mark_another(failing: Any) -> None:  # G13
    backend, client = failing
    backend.guard.mark_fired(backend.guard.claim(firing(), owner="a", lease_s=10))
    assert client.calls == ["EVAL", "EVAL"]


def test_redis_keys_expire_where_told_to(bare: Any) -> None:  # G14
    storage, client = bare
    commands, prefix = redis_commands(client, TestClock()), storage._prefix + "ttl:"
    for ttl_s, expected in ((60, 60), (None, -1)):
        guard = RedisFiringGuard(commands, f"{prefix}{ttl_s}:", TestClock(), CountingIds(), ttl_s=ttl_s)
        guard.try_acquire(["c1"], "S")
        guard.claim(firing(), owner="a", lease_s=10)
        found = [client.ttl(key) for key in client.scan_iter(match=f"{prefix}{ttl_s}:*")]
        assert found == [expected] * 2
    with pytest.raises(BadInput, match="ttl_s"):
        RedisFiringGuard(commands, prefix, TestClock(), CountingIds(), ttl_s=0)


def test_redis_client_does_not_retry_and_does_not_wait_for_ever() -> None:  # E5
    options = client("redis://127.0.0.1:1/2").connection_pool.connection_kwargs
    assert (options["retry"].get_retries(), options["socket_timeout"], options["db"]) == (0, 5.0, 2)
    with pytest.raises(BadInput, match="redis://"):
        client("http://127.0.0.1")


# ---- Upstash


@pytest.fixture
def repeating(stores: Started) -> Iterator[tuple[Shim, upstash_redis.Redis]]:
    """A client as the SDK makes it: it repeats what fails (here without its pause of 3 s)."""
    service: RedisService = stores["upstash"]
    assert service.shim is not None
    with upstash_redis.Redis(service.client._url, TOKEN, rest_retry_interval=0) as client:
        yield service.shim, client


def test_upstash_client_refuses_a_set_that_it_has_won_itself(repeating: Any) -> None:  # G10
    """The trap: why the guard reads its token back."""
    shim, client = repeating
    shim.lose_answers = 1
    assert client.set("clef-test:trap", "mine", nx=True) is False
    assert client.get("clef-test:trap") == "mine"
    client.delete("clef-test:trap")


def test_upstash_acquire_whose_answer_was_lost_is_won(repeating: Any) -> None:  # G10
    shim, client = repeating
    commands = upstash.upstash_commands(client, TestClock())
    guard = RedisFiringGuard(commands, "clef-test:lost:", TestClock(), CountingIds())
    shim.lose_answers = 1
    assert guard.try_acquire(["c1"], "S") is True
    shim.lose_answers = 1
    assert guard.try_acquire(["c1"], "S") is False
    client.delete(*client.keys("clef-test:lost:*"))


def test_upstash_lost_answers_are_repeated_on_the_clock(stores: Started) -> None:  # E3
    service: RedisService = stores["upstash"]
    assert service.shim is not None
    backend = redis_backend(service)
    service.shim.lose_answers = 3
    assert backend.guard.try_acquire(["c1"], "S") is True
    assert backend.clock.pauses == [0.05, 0.1, 0.2]
    service.shim.lose_answers = 4
    with pytest.raises(Indeterminate, match="Upstash"):
        backend.storage.put("rows", "k", {"a": 1})
    assert backend.storage.get("rows", "k") == {"a": 1}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("ERR max requests limit exceeded. Limit: 10000, Usage: 10001.", Throttled),
        ("ERR max daily request limit exceeded. Limit: 10000, Usage: 10001.", Throttled),
        ("ERR max request size exceeded. Limit: 10485760 bytes, Actual: 10485761 bytes", TooLarge),
        ("ERR max key size exceeded. Limit: 32768 bytes, Actual: 32769 bytes", TooLarge),
        ("ERR DB capacity quota exceeded", Refused),
        ("WRONGTYPE Operation against a key", Refused),
        ("Internal server error", Indeterminate),
    ],
)
def test_upstash_errors_mean(stores: Started, answer: str, expected: type[ClefError]) -> None:  # E1
    service: RedisService = stores["upstash"]
    assert service.shim is not None
    backend = redis_backend(service)
    service.shim.refuse = [answer] * (4 if expected in (Throttled, Indeterminate) else 1)
    with pytest.raises(ClefError) as caught:
        backend.storage.get("rows", "k")
    assert type(caught.value) is expected
    assert service.shim.refuse == []


def test_upstash_wrong_token_is_refused(stores: Started) -> None:  # E1
    service: RedisService = stores["upstash"]
    with upstash.client(service.client._url, "other") as wrong:
        commands = upstash.upstash_commands(wrong, TestClock())
        with pytest.raises(Refused, match="WRONGPASS"):
            RedisStorage(commands, prefix="", concept="User", clock=TestClock()).get("rows", "k")


@pytest.mark.parametrize("url", ["not a url", "ftp://127.0.0.1", ""])
def test_upstash_url_that_is_none_is_refused(url: str) -> None:  # E7
    with upstash.client(url, TOKEN) as wrong, pytest.raises(BadInput, match="https"):
        upstash.upstash_commands(wrong, TestClock())("GET", "k")


def test_upstash_client_does_not_retry_and_does_not_wait_for_ever() -> None:  # E5
    with upstash.client("http://127.0.0.1:1", TOKEN) as made:
        assert (made._http._retries, made._http._client.timeout.read) == (0, 5.0)


def test_upstash_that_is_not_there_is_indeterminate() -> None:  # E1
    with upstash.client("http://127.0.0.1:1", TOKEN) as absent:
        commands = upstash.upstash_commands(absent, TestClock())
        with pytest.raises(Indeterminate):
            RedisStorage(commands, prefix="", concept="User", clock=TestClock()).get("rows", "k")
