"""The Firestore model under the SDK's own client: preconditions, queries, sizes, and what it refuses by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud.firestore_v1.base_query import FieldFilter
from google.protobuf.timestamp_pb2 import Timestamp

from clef_runtime.google import ONCE
from clef_sim.services.firestore import Firestore, sdk_client
from clef_sim.services.sdk import Unmodelled

OLD = Timestamp(seconds=1)


class Clock:
    def __init__(self) -> None:
        self.now_s = 1_767_225_600.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def client() -> Any:
    return sdk_client(Firestore(Clock()))


def commit(client: Any, *writes: tuple[Any, ...]) -> list[Any]:
    batch = client.batch()
    for method, path, *given in writes:
        getattr(batch, method)(client.document(path), *given)
    return [result.update_time for result in batch.commit(**ONCE)]


def read(client: Any, path: str) -> Any:
    return client.document(path).get(**ONCE).to_dict()


def ids(query: Any) -> list[str]:
    return [found.id for found in query.get(**ONCE)]


def test_firestore_document_is_read_as_it_was_written(client: Any) -> None:
    data = {"text": "ü", "n": 1, "x": 1.5, "yes": True, "none": None, "map": {"a": ["b", {"c": 1}]}, "bytes": b"\0"}
    (at,) = commit(client, ("set", "c/d", data))
    found = client.document("c/d").get(**ONCE)
    assert (found.exists, found.to_dict(), found.update_time) == (True, data, at)
    missing = client.document("c/none").get(**ONCE)
    assert (missing.exists, missing.to_dict()) == (False, None)


@pytest.mark.parametrize(
    ("write", "error"),
    [
        (lambda _: ("create", "c/there", {"n": 1}), exceptions.AlreadyExists),
        (lambda _: ("update", "c/none", {"n": 1}), exceptions.NotFound),
        (
            lambda client: ("update", "c/there", {"n": 1}, client.write_option(last_update_time=OLD)),
            exceptions.FailedPrecondition,
        ),
        (
            lambda client: ("update", "c/none", {"n": 1}, client.write_option(last_update_time=OLD)),
            exceptions.FailedPrecondition,
        ),
        (
            lambda client: ("delete", "c/there", client.write_option(last_update_time=OLD)),
            exceptions.FailedPrecondition,
        ),
        (lambda client: ("delete", "c/there", client.write_option(exists=False)), exceptions.AlreadyExists),
        (lambda client: ("delete", "c/none", client.write_option(exists=True)), exceptions.NotFound),
    ],
)
def test_firestore_precondition_that_does_not_hold_refuses_the_whole_commit(
    client: Any, write: Callable[[Any], tuple[Any, ...]], error: type[Exception]
) -> None:
    commit(client, ("create", "c/there", {"n": 0}))
    with pytest.raises(error):
        commit(client, ("set", "c/other", {"n": 9}), write(client))
    assert (read(client, "c/there"), read(client, "c/other")) == ({"n": 0}, None)


def test_firestore_first_precondition_that_fails_is_the_error(client: Any) -> None:
    commit(client, ("create", "c/there", {"n": 0}))
    with pytest.raises(exceptions.AlreadyExists):
        commit(client, ("create", "c/there", {}), ("update", "c/none", {"n": 1}))
    with pytest.raises(exceptions.NotFound):
        commit(client, ("update", "c/none", {"n": 1}), ("create", "c/there", {}))


def test_firestore_later_write_of_a_commit_sees_the_earlier(client: Any) -> None:
    times = commit(client, ("create", "c/d", {"n": 1}), ("update", "c/d", {"m": 2}))
    assert read(client, "c/d") == {"n": 1, "m": 2}
    assert times[0] == times[1]
    commit(client, ("delete", "c/d"), ("create", "c/d", {"k": 3}))
    assert read(client, "c/d") == {"k": 3}


def test_firestore_versions_grow_with_changes_and_stay_without(client: Any) -> None:
    (first,) = commit(client, ("set", "c/d", {"n": 1, "m": {"a": 1}}))
    (same,) = commit(client, ("set", "c/d", {"m": {"a": 1}, "n": 1}))
    (second,) = commit(client, ("set", "c/d", {"n": 2}))
    (third,) = commit(client, ("set", "c/d", {"n": 1}))
    assert first == same < second < third
    assert client.document("c/d").get(**ONCE).create_time == first


def test_firestore_update_leaves_other_fields_and_what_was_read_before(client: Any) -> None:
    commit(client, ("set", "c/d", {"n": 1, "m": 2}))
    before = client.document("c/d").get(**ONCE)
    commit(client, ("update", "c/d", {"m": 3}))
    assert (read(client, "c/d"), before.to_dict()) == ({"n": 1, "m": 3}, {"n": 1, "m": 2})


def test_firestore_query_filters_and_orders_by_id(client: Any) -> None:
    for n, name in enumerate(["b", "a", "é", "Z", "\U0001f600"]):
        commit(client, ("set", f"c/{name}", {"f": {"odd": n % 2 == 1, "x y": f"v{n}"}, "none": None}))
    commit(client, ("set", "c/a/c/inner", {"f": {}}), ("set", "other/a", {"f": {"odd": True}}))
    every = client.collection("c").order_by("__name__")
    assert ids(every) == ["Z", "a", "b", "é", "\U0001f600"]
    assert ids(every.where(filter=FieldFilter("f.odd", "==", True))) == ["Z", "a"]
    assert ids(every.where(filter=FieldFilter("f.`x y`", "in", ["v0", "v2", "no"]))) == ["b", "é"]
    assert ids(every.where(filter=FieldFilter("none", "==", None)).limit(2)) == ["Z", "a"]
    assert ids(every.start_after(client.document("c/a").get(**ONCE)).limit(2)) == ["b", "é"]
    both = every.where(filter=FieldFilter("f.odd", "==", False)).where(filter=FieldFilter("f.`x y`", "==", "v2"))
    assert ids(both) == ["é"]
    assert ids(client.collection("none").order_by("__name__")) == []


def test_firestore_collection_group_finds_everywhere_page_by_page(client: Any) -> None:
    for path in ("log/f2/records/b", "log/f1/records/a", "log/f1/records/c", "log/f10/records/a", "records/z"):
        commit(client, ("set", path, {"at": 1, "json": "x"}))
    group = client.collection_group("records").select(["at"]).order_by("__name__")
    first = group.limit(3).get(**ONCE)
    assert [each.reference.path for each in first] == ["log/f1/records/a", "log/f1/records/c", "log/f10/records/a"]
    assert [each.to_dict() for each in first] == [{"at": 1}] * 3
    rest = group.start_after(first[-1]).get(**ONCE)
    assert [each.reference.path for each in rest] == ["log/f2/records/b", "records/z"]


def test_firestore_deleted_document_is_in_no_query(client: Any) -> None:
    commit(client, ("set", "c/a", {"n": 1}), ("set", "c/b", {"n": 1}))
    commit(client, ("delete", "c/a"), ("delete", "c/none"))
    assert ids(client.collection("c").order_by("__name__")) == ["b"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"j": "x" * 1_048_488}, "longer than 1048487 bytes"),
        ({"j": "x" * 600_000, "k": "x" * 600_000}, "maximum entity size"),
    ],
)
def test_firestore_too_large_document_is_refused(client: Any, data: Any, words: str) -> None:
    with pytest.raises(exceptions.InvalidArgument, match=words):
        commit(client, ("set", "c/d", data))
    assert read(client, "c/d") is None


def test_firestore_commit_over_its_limit_is_refused(client: Any) -> None:
    with pytest.raises(exceptions.InvalidArgument, match="too big"):
        commit(client, *[("set", f"c/{n}", {"j": "x" * 1_000_000}) for n in range(11)])


@pytest.mark.parametrize(
    "ask",
    [
        lambda client: client.collection("c").order_by("n").get(**ONCE),
        lambda client: client.collection("c").where(filter=FieldFilter("n", "==", 1)).get(**ONCE),
        lambda client: client.collection("c").where(filter=FieldFilter("n", ">", "a")).get(**ONCE),
        lambda client: client.collection("c").offset(1).get(**ONCE),
        lambda client: client.document("c/d").update({"a.b": 1}),
        lambda client: list(client.collections()),
        lambda client: client.transaction(read_only=True)._begin(),
    ],
)
def test_firestore_what_is_not_modelled_is_refused_by_name(client: Any, ask: Callable[[Any], Any]) -> None:
    commit(client, ("set", "c/d", {"n": 1}))
    with pytest.raises(Unmodelled, match="is not modelled"):
        ask(client)
