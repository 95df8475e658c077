"""What an instance keeps, and that no lock is held while it is made."""

from __future__ import annotations

import threading
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine

from clef_runtime.errors import BadInput, Indeterminate
from clef_runtime.language import parse_text, write_artifact
from clef_runtime.serverless.cold_start import create_module_initializer, get_sync_index, load_compiled_syncs
from clef_runtime.serverless.connection_pool import (
    BlobConfig,
    DynamoDBConfig,
    FirestoreConfig,
    Pool,
    RedisConfig,
    Same,
    SqlConfig,
    get_blob_storage,
    get_dynamodb_action_log,
    get_dynamodb_firing_guard,
    get_dynamodb_storage,
    get_firestore_action_log,
    get_firestore_firing_guard,
    get_firestore_storage,
    get_redis_firing_guard,
    get_redis_storage,
    get_sql_action_log,
    get_sql_firing_guard,
    get_sql_storage,
)
from clef_runtime.storage.memory import MemoryStorage


class Client:
    """Equal to every other client, as a careless SDK's may be."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Client)

    def __hash__(self) -> int:
        raise TypeError("not every client can be hashed")


def test_pool_makes_each_thing_once() -> None:
    made: list[str] = []
    pool = Pool()
    for key in ("a", "b", "a"):
        pool.get(key, partial(made.append, key))
    assert made == ["a", "b"]


def test_pool_keeps_nothing_where_making_fails() -> None:
    pool = Pool()
    with pytest.raises(ZeroDivisionError):
        pool.get("a", lambda: 1 // 0)
    assert pool.get("a", lambda: 2) == 2


def test_pool_makes_again_after_reset() -> None:
    pool = Pool()
    assert pool.get("a", lambda: 1) == 1
    pool.reset()
    assert pool.get("a", lambda: 2) == 2


def test_pool_gives_racing_callers_one_thing_without_a_lock() -> None:
    """Both callers are inside `make` at once: with a lock held there, the barrier would time out."""
    pool, barrier = Pool(), threading.Barrier(2, timeout=10)
    got: list[object] = []

    def make() -> object:
        barrier.wait()
        return object()

    threads = [threading.Thread(target=lambda: got.append(pool.get("a", make))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 2
    assert got[0] is got[1]


def test_pool_gives_a_caller_that_comes_back_during_making_the_first_result() -> None:
    """As a virtual thread does whose instance takes another call while the first is suspended."""
    pool = Pool()
    inner: list[Any] = []

    def make() -> str:
        inner.append(pool.get("a", lambda: "second, finished first"))
        return "first"

    assert pool.get("a", make) == "second, finished first"
    assert inner == ["second, finished first"]


def test_same_is_identity() -> None:
    one, other = Client(), Client()
    assert Same(one) == Same(one)
    assert Same(one) != Same(other)


def test_storage_is_reused_for_one_client_and_config() -> None:
    pool, client = Pool(), Client()
    first = get_dynamodb_storage(client, DynamoDBConfig("User", table="t"), pool=pool)
    assert get_dynamodb_storage(client, DynamoDBConfig("User", table="t"), pool=pool) is first
    assert get_dynamodb_storage(client, DynamoDBConfig("Token", table="t"), pool=pool) is not first
    assert get_dynamodb_storage(Client(), DynamoDBConfig("User", table="t"), pool=pool) is not first
    assert get_dynamodb_storage(client, DynamoDBConfig("User", table="t"), pool=Pool()) is not first


def test_action_log_and_guard_of_one_table_are_two_things() -> None:
    pool, client = Pool(), Client()
    log, guard = get_dynamodb_action_log(client, "t", pool=pool), get_dynamodb_firing_guard(client, "t", pool=pool)
    assert get_dynamodb_action_log(client, "t", pool=pool) is log
    assert get_dynamodb_firing_guard(client, "t", pool=pool) is guard
    assert len(pool) == 2


EACH: list[tuple[Any, Any, Any]] = [
    (get_firestore_storage, FirestoreConfig("User", "r"), FirestoreConfig("Token", "r")),
    (get_firestore_action_log, "r", "s"),
    (get_firestore_firing_guard, "r", "s"),
    (get_redis_storage, RedisConfig("User", "p:"), RedisConfig("User", "q:")),
    (get_redis_firing_guard, "p:", "q:"),
    (get_sql_storage, SqlConfig("User", "p"), SqlConfig("Token", "p")),
    (get_sql_action_log, "p", "q"),
    (get_sql_firing_guard, "p", "q"),
]


@pytest.mark.parametrize(("get", "config", "other"), EACH, ids=[get.__name__ for get, _, _ in EACH])
def test_pool_keeps_each_adapter_by_its_client_and_config(get: Any, config: Any, other: Any) -> None:
    pool, client = Pool(), create_engine("sqlite://")  # those that are no engine are not called
    first = get(client, config, pool=pool)
    assert get(client, config, pool=pool) is first
    assert get(client, other, pool=pool) is not first
    assert get(create_engine("sqlite://"), config, pool=pool) is not first
    assert type(get(client, config, pool=Pool())) is type(first) is not type(pool)


def test_pool_holds_each_adapter_of_one_client_apart() -> None:
    pool, client = Pool(), create_engine("sqlite://")
    made = [get(client, config, pool=pool) for get, config, _ in EACH if "sql" in get.__name__]
    assert len({type(each) for each in made}) == len(made) == len(pool)


def test_blob_storage_is_reused_for_one_index_bucket_and_config() -> None:
    pool, index, objects = Pool(), MemoryStorage(), Client()
    first = get_blob_storage(index, objects, BlobConfig("User", 1000), pool=pool)
    assert get_blob_storage(index, objects, BlobConfig("User", 1000), pool=pool) is first
    assert get_blob_storage(index, objects, BlobConfig("User", 2000), pool=pool) is not first
    assert get_blob_storage(index, Client(), BlobConfig("User", 1000), pool=pool) is not first
    assert get_blob_storage(MemoryStorage(), objects, BlobConfig("User", 1000), pool=pool) is not first


def test_module_initializer_builds_at_the_first_call_and_once() -> None:
    built: list[int] = []

    def build() -> str:
        built.append(1)
        return "module"

    init = create_module_initializer(build)
    assert built == []
    assert [init(), init()] == ["module", "module"]
    assert built == [1]


def test_module_initializer_keeps_even_none() -> None:
    built: list[int] = []
    init = create_module_initializer(partial(built.append, 1))
    init()
    init()
    assert built == [1]


def test_module_initializer_builds_again_after_a_failure() -> None:
    failures = [Indeterminate("no answer")]

    def build() -> str:
        if failures:
            raise failures.pop()
        return "module"

    init = create_module_initializer(build)
    with pytest.raises(Indeterminate):
        init()
    assert init() == "module"


SYNC = """
sync Greet
when { User/register: [ name: ?name ] => [] }
where { bind(shout(?name) as ?loud) }
then { Mail/send: [ text: ?loud ] }
"""


def shout(text: str) -> str:
    return text.upper()


def test_sync_index_is_built_once_for_each_content(tmp_path: Path) -> None:
    pool, path, copy = Pool(), tmp_path / "syncs.json", tmp_path / "copy.json"
    write_artifact(parse_text(SYNC), path)
    copy.write_bytes(path.read_bytes())
    first = get_sync_index(path, {"shout": shout}, pool=pool)
    assert get_sync_index(copy, {"shout": shout}, pool=pool) is first
    assert get_sync_index(path.read_bytes(), {"shout": shout}, pool=pool) is first
    write_artifact(parse_text(SYNC.replace("Greet", "Hail")), path)
    assert get_sync_index(path, {"shout": shout}, pool=pool) is not first
    assert [sync.name for sync in load_compiled_syncs(path, pool=pool)] == ["Hail"]


def test_sync_index_of_other_functions_is_another(tmp_path: Path) -> None:
    pool, path = Pool(), tmp_path / "syncs.json"
    write_artifact(parse_text(SYNC), path)
    first = get_sync_index(path, {"shout": shout}, pool=pool)
    assert get_sync_index(path, {"shout": str.lower}, pool=pool) is not first


def test_sync_index_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is not an artifact"):
        get_sync_index(b"[]", pool=Pool())
    with pytest.raises(BadInput, match="cannot be read"):
        get_sync_index(tmp_path / "none.json", pool=Pool())
