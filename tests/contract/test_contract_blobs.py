"""Clause S7 of docs/contracts.md: values that are too large for a row. Here those above 1,000 bytes."""

from __future__ import annotations

from socket import socket
from typing import Any

import pytest
from contract_backends import TestClock, sdk_clients
from contract_blobs import Large, large
from contract_messages import completion
from contract_stores import CountingIds
from google.api_core import exceptions as google_exceptions
from google.auth.credentials import AnonymousCredentials
from google.cloud.storage import Client

from clef_runtime.errors import BadInput, Conflict, Indeterminate, NotFound, Refused, Throttled, TooLarge, Unreachable
from clef_runtime.objects import gcs, s3
from clef_runtime.storage.base import Is, Write
from clef_runtime.storage.blob import BlobStorage
from clef_runtime.storage.blob_rows import BLOB, KEPT_BYTES
from clef_runtime.storage.rows import encode_row

S3 = ("moto", "model", "moto-server", "ministack")
GCS = ("firestore-gcs", "firestore-gcs-model")
BIG = {"text": "x" * 2000, "n": 1}
BIGGER = {"text": "y" * 3000, "n": 2}
SMALL = {"n": 3}


@pytest.fixture(params=[*S3, *GCS])
def made(request: pytest.FixtureRequest, stores: Any) -> Large:
    return large(stores[request.param])


@pytest.fixture(params=S3)
def made_s3(request: pytest.FixtureRequest, stores: Any) -> Large:
    return large(stores[request.param])


def whole(made: Large) -> None:
    """Every row has its object, and every object its row."""
    named = {row[BLOB] for relation in ("rows", "others") for row in made.index.find(relation) if BLOB in row}
    assert set(made.store.names()) == named


# ---- large and small


def test_blob_value_of_over_400_kb_comes_back_equal(made: Large) -> None:  # S7.1
    storage, value = made.storage(), {"title": "t", "body": "é" * 600_000, "tags": ["a"] * 1000, "n": 0.1}
    storage.put("rows", "k", value)
    assert storage.get("rows", "k") == value
    assert storage.find("rows", {"title": "t"}) == [{**value, "__key": "k"}]
    assert len(made.store.names()) == 1


@pytest.mark.parametrize(("size", "objects"), [(999, 0), (1000, 0), (1001, 1)])
def test_blob_value_goes_to_an_object_above_the_threshold(made: Large, size: int, objects: int) -> None:  # S7.1
    value = {"text": ""}
    value["text"] = "x" * (size - len(encode_row(value)))
    made.storage().put("rows", "k", value)
    assert len(made.store.names()) == objects
    assert made.storage().get("rows", "k") == value


@pytest.mark.parametrize(
    "value", [{BLOB: "no object"}, {BLOB: None, "n": 1}, {BLOB: {"a": 1}, "t": "x" * 2000}], ids=str
)
def test_blob_value_with_the_field_of_a_reference_comes_back_equal(made: Large, value: dict[str, Any]) -> None:
    # S7.2
    storage = made.storage()
    storage.put("rows", "k", value)
    storage.put("rows", "l", SMALL)
    assert storage.get("rows", "k") == value
    assert storage.find("rows", {BLOB: value[BLOB]}) == [{**value, "__key": "k"}]
    assert storage.find("rows", {BLOB: Is("ne", "?")}) == [{**value, "__key": "k"}]


LONG = "z" * 200
FOUND: dict[str, dict[str, Any]] = {
    "a": {"title": "A", "long": LONG, "n": 1, "body": "x" * 2000},
    "b": {"title": "B", "long": "short", "n": 2.0, "list": ["x", "y"]},
    "c": {"title": "C" * 200, "n": int(1e300), "body": "x" * 2000, "list": ["x"]},
    "d": {"title": None, "flag": True, "n": 10**400, "body": "x" * 2000},
    "e": {"n": 1.0, "flag": False},
}


@pytest.mark.parametrize(
    ("asked", "keys"),
    [
        ({}, "abcde"),
        ({"criteria": {"title": "A"}}, "a"),
        ({"criteria": {"title": "C" * 200}}, "c"),
        ({"criteria": {"long": LONG}}, "a"),
        ({"criteria": {"title": None}}, "d"),
        ({"criteria": {"n": 1}}, "ae"),
        ({"criteria": {"n": 1e300}}, "c"),
        ({"criteria": {"n": 10**400}}, "d"),
        ({"criteria": {"n": Is("gt", 1)}}, "bcd"),
        ({"criteria": {"flag": True}}, "d"),
        ({"criteria": {"list": ["x"]}}, "c"),
        ({"criteria": {"list": Is("contains", "y")}}, "b"),
        ({"criteria": {"title": Is("in", ["A", "C" * 200])}}, "ac"),
        ({"criteria": {"title": Is("in", ["A", "B"])}}, "ab"),
        ({"criteria": {"title": Is("in", [])}}, ""),
        ({"criteria": {"title": Is("ne", "A")}}, "bcd"),
        ({"criteria": {"body": Is("contains", "xx"), "n": 1}}, "a"),
        ({"criteria": {"body": "x" * 2000}, "sort": "-n"}, "dca"),
        ({"criteria": {"__key": Is("ge", "c"), "body": Is("ne", "")}}, "cd"),
        ({"sort": "title"}, "abcde"),
        ({"sort": "-title", "limit": 2}, "cb"),
        ({"sort": "long", "offset": 1}, "acde"),
        ({"limit": 2, "offset": 1}, "bc"),
        ({"criteria": {"n": 1}, "limit": 1, "offset": 1}, "e"),
        ({"criteria": {"n": Is("ge", 1)}, "limit": 2, "offset": 2}, "cd"),
    ],
    ids=str,
)
def test_blob_find_asks_by_every_field(made: Large, asked: dict[str, Any], keys: str) -> None:  # S7.3
    storage = made.storage()
    for key, value in reversed(FOUND.items()):
        storage.put("rows", key, value)
    assert storage.find("rows", **asked) == [{**FOUND[key], "__key": key} for key in keys]


def test_blob_find_by_short_fields_reads_only_what_it_gives(made: Large) -> None:  # S7.3
    storage = made.storage()
    for key, value in FOUND.items():
        storage.put("rows", key, value)
    assert [row["__key"] for row in storage.find("rows", {"n": Is("lt", 5)}, sort="-n", limit=2)] == ["b", "a"]
    # `a` to give it, and `d`, whose number is longer than a row keeps, to decide it.
    assert len(made.store.faults.called(made.store.get)) == 2


def test_blob_value_with_too_many_short_fields_is_too_large(made: Large) -> None:  # S7.4
    value = {f"field {number}": "x" * 100 for number in range(KEPT_BYTES // 100)}
    with pytest.raises(TooLarge, match="short fields"):
        made.storage().put("rows", "k", value)
    made.storage().put("rows", "k", {"inside": value})
    assert made.storage().get("rows", "k") == {"inside": value}
    whole(made)


def test_blob_object_over_the_services_limit_is_too_large(made: Large, monkeypatch: pytest.MonkeyPatch) -> None:
    # S7.4
    monkeypatch.setattr(s3, "OBJECT_BYTES", 2500)
    monkeypatch.setattr(gcs, "OBJECT_BYTES", 2500)
    made.storage().put("rows", "k", BIG)
    with pytest.raises(TooLarge, match="takes 2500"):
        made.storage().put("rows", "k", BIGGER)
    assert made.storage().get("rows", "k") == BIG


# ---- what is replaced


@pytest.mark.parametrize(
    "values", [(BIG, SMALL, BIGGER), (BIG, BIGGER, BIG), (BIG, BIG), (BIG, None), (SMALL, None)], ids=str
)
def test_blob_replaced_value_leaves_no_object(made: Large, values: tuple[Any, ...]) -> None:  # S7.5
    storage = made.storage()
    versions = [0]
    for value in values:
        if value is None:
            storage.delete("rows", "k")
        else:
            storage.put("rows", "k", value)
        found, version = storage.get_versioned("rows", "k")
        assert found == value
        assert version not in versions or value is None
        versions.append(version)
        whole(made)


def test_blob_delete_many_removes_objects_of_what_meets(made: Large) -> None:  # S7.5
    storage = made.storage()
    for key, value in FOUND.items():
        storage.put("rows", key, value)
    assert storage.delete_many("rows", {"body": "x" * 2000, "n": Is("le", 1e300)}) == 2
    assert [row["__key"] for row in storage.find("rows")] == ["b", "d", "e"]
    whole(made)


def test_blob_delete_many_spares_a_row_that_no_longer_meets(made: Large) -> None:  # S7.5
    storage, other = made.storage(), made.storage()
    storage.put("rows", "k", {**BIG, "state": "old"})
    storage.put("rows", "l", {**BIG, "state": "old"})
    delete = "delete_item" if made.write == "put_item" else made.write
    made.faults.before(delete, lambda: other.put("rows", "k", {**BIG, "state": "new"}))
    assert storage.delete_many("rows", {"state": "old"}) == 1
    assert [row["__key"] for row in storage.find("rows")] == ["k"]
    whole(made)


# ---- between the object and its row


def test_blob_write_that_fails_after_the_object_leaves_garbage_and_no_hole(made: Large) -> None:  # S7.6
    storage = made.storage()
    storage.put("rows", "k", BIG)
    made.faults.lose_request(made.write, times=4)
    with pytest.raises(Indeterminate):
        storage.put("rows", "k", BIGGER)
    assert storage.get("rows", "k") == BIG
    assert len(made.store.names()) == 2


def test_blob_object_that_cannot_be_written_leaves_the_row_as_it_was(made: Large) -> None:  # S7.6
    storage = made.storage()
    storage.put("rows", "k", BIG)
    made.store.faults.lose_request(made.store.create, times=4)
    writes = len(made.faults.calls)
    with pytest.raises(Indeterminate):
        storage.put("rows", "k", BIGGER)
    assert len(made.faults.calls) == writes
    assert storage.get("rows", "k") == BIG
    whole(made)


def test_blob_old_object_that_cannot_be_removed_is_garbage(made: Large) -> None:  # S7.6
    storage = made.storage()
    storage.put("rows", "k", BIG)
    made.store.faults.lose_request(made.store.delete, times=4)
    storage.put("rows", "k", BIGGER)
    assert storage.get("rows", "k") == BIGGER
    assert len(made.store.names()) == 2


@pytest.mark.parametrize("lose", ["lose_request", "lose_answer"])
def test_blob_call_without_an_answer_is_repeated(made: Large, lose: str) -> None:  # S7.7
    storage = made.storage()
    storage.put("rows", "k", BIG)
    for faults, method in ((made.faults, made.write), (made.store.faults, made.store.create)):
        getattr(faults, lose)(method, times=2)
    getattr(made.store.faults, lose)(made.store.delete)
    storage.put("rows", "k", BIGGER)
    getattr(made.store.faults, lose)(made.store.get)
    assert storage.get("rows", "k") == BIGGER
    whole(made)


@pytest.mark.parametrize("lose", ["lose_request", "lose_answer"])
def test_blob_delete_without_an_answer_is_repeated(made: Large, lose: str) -> None:  # S7.7
    storage = made.storage()
    storage.put("rows", "k", BIG)
    getattr(made.faults, lose)("delete_item" if made.write == "put_item" else made.write)
    storage.delete("rows", "k")
    assert storage.get("rows", "k") is None
    whole(made)


def test_blob_object_without_any_answer_is_indeterminate(made: Large) -> None:  # S7.7
    made.store.faults.lose_answer(made.store.create, times=4)
    with pytest.raises(Indeterminate) as caught:
        made.storage().put("rows", "k", BIG)
    assert made.store.bucket in str(caught.value)
    assert made.storage().get("rows", "k") is None


def test_blob_throttled_call_is_repeated_on_the_clock(made: Large) -> None:  # S7.7
    faults, create = made.store.faults, made.store.create
    if create == "put_object":
        faults.refuse(create, "SlowDown", times=2, status=503)
        faults.refuse(create, "ConditionalRequestConflict", status=409)
    else:
        faults.refuse(create, google_exceptions.TooManyRequests("planned"), times=3)
    made.storage().put("rows", "k", BIG)
    assert made.backend.clock.pauses == [0.05, 0.1, 0.2]
    assert made.storage().get("rows", "k") == BIG


def test_blob_unknown_refusal_is_not_repeated(made: Large) -> None:  # S7.7
    faults, create = made.store.faults, made.store.create
    if create == "put_object":
        faults.refuse(create, "AccessDenied", status=403)
    else:
        faults.refuse(create, google_exceptions.Forbidden("AccessDenied"))
    with pytest.raises(Refused, match="AccessDenied"):
        made.storage().put("rows", "k", BIG)
    assert len(faults.called(create)) == 1


def test_blob_body_that_breaks_off_is_read_again(made_s3: Large, monkeypatch: pytest.MonkeyPatch) -> None:  # S7.7
    from botocore.exceptions import IncompleteReadError

    class Broken:
        def read(self) -> bytes:
            raise IncompleteReadError(actual_bytes=1, expected_bytes=2)

    made_s3.storage().put("rows", "k", BIG)
    made_s3.store.faults._plans["get_object"] = [lambda call: {"Body": Broken()}]
    assert made_s3.storage().get("rows", "k") == BIG


# ---- two writers, and a reader between them


def test_blob_repeated_write_does_not_bring_back_a_removed_object(made: Large) -> None:  # S7.8
    storage, other = made.storage(), made.storage()
    made.faults.lose_answer(made.write)
    made.faults.before(made.write, lambda: other.put("rows", "k", BIGGER))  # before the repetition
    storage.put("rows", "k", BIG)
    assert storage.get("rows", "k") == BIG
    assert storage.find("rows") == [{**BIG, "__key": "k"}]
    whole(made)


class BlindIndex:
    """An index whose single writes ask for no version: the bug that S7.8 is about."""

    transactional = True

    def __init__(self, index: Any) -> None:
        self._index = index

    def __getattr__(self, name: str) -> Any:
        return getattr(self._index, name)

    def write(self, write: Write) -> None:
        self._index.write(Write(write.relation, write.key, write.value))


def test_blob_row_over_an_index_that_writes_blindly_loses_its_object(made: Large) -> None:  # S7.8
    storage, other = made.storage(BlindIndex(made.index)), made.storage(BlindIndex(made.index))
    made.faults.lose_answer(made.write)
    made.faults.before(made.write, lambda: other.put("rows", "k", BIGGER))
    storage.put("rows", "k", BIG)
    with pytest.raises(NotFound, match="is not there"):
        storage.get("rows", "k")


def test_blob_writers_of_one_row_leave_one_value_and_one_object(made: Large) -> None:  # S7.8
    storage, other = made.storage(), made.storage()
    for _ in range(3):
        made.faults.before(made.write, lambda: other.put("rows", "k", BIGGER))
    storage.put("rows", "k", BIG)
    assert storage.get("rows", "k") == BIG
    whole(made)


def test_blob_row_that_others_always_change_is_given_up(made: Large) -> None:  # S7.8
    storage, other = made.storage(), made.storage()

    def changed() -> None:
        other.put("rows", "k", SMALL)
        made.faults.before(made.write, changed)

    made.faults.before(made.write, changed)
    with pytest.raises(Throttled, match="changed by others"):
        storage.put("rows", "k", BIG)
    assert other.get("rows", "k") == SMALL


@pytest.mark.parametrize("ask", ["get", "find"])
@pytest.mark.parametrize("after", [BIGGER, SMALL, None], ids=["large", "small", "gone"])
def test_blob_reader_of_a_row_that_is_replaced_reads_it_again(made: Large, ask: str, after: Any) -> None:  # S7.9
    storage, other = made.storage(), made.storage()
    storage.put("rows", "k", BIG)

    def replace() -> None:
        if after is None:
            other.delete("rows", "k")
        else:
            other.put("rows", "k", after)

    made.store.faults.before(made.store.get, replace)
    if ask == "get":
        assert storage.get("rows", "k") == after
    else:
        assert storage.find("rows") == ([] if after is None else [{**after, "__key": "k"}])


def test_blob_reader_of_a_row_that_is_always_replaced_gives_up(made: Large) -> None:  # S7.9
    storage, other = made.storage(), made.storage()
    storage.put("rows", "k", BIG)

    def replaced() -> None:
        other.put("rows", "k", BIG)
        made.store.faults.before(made.store.get, replaced)

    made.store.faults.before(made.store.get, replaced)
    with pytest.raises(Throttled, match="replaced under each"):
        storage.get("rows", "k")


@pytest.mark.parametrize("ask", ["get", "find"])
def test_blob_missing_object_of_a_row_is_named(made: Large, ask: str) -> None:  # S7.9
    storage = made.storage()
    storage.put("rows", "k", BIG)
    (name,) = made.store.names()
    made.store.objects.delete(name)
    with pytest.raises(NotFound, match=name):
        storage.get("rows", "k") if ask == "get" else storage.find("rows")
    storage.put("rows", "k", BIGGER)
    assert storage.get("rows", "k") == BIGGER


@pytest.mark.parametrize("cloud", ["aws", "gcp"])
def test_blob_bucket_where_nobody_listens_is_unreachable(cloud: str) -> None:  # S7.7
    with socket() as closed:
        closed.bind(("127.0.0.1", 0))  # and nobody listens
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        if cloud == "aws":
            objects: Any = s3.S3Objects(sdk_clients({"s3": url})["s3"], "b", TestClock())
        else:
            options = {"api_endpoint": url}
            client = Client(project="p", credentials=AnonymousCredentials(), client_options=options)
            objects = gcs.GcsObjects(client, "b", TestClock())
        for use in (lambda: objects.create("k", b"{}"), lambda: objects.get("k"), lambda: objects.delete("k")):
            with pytest.raises(Unreachable, match="nothing was sent"):
                use()


def test_blob_missing_bucket_is_named(made: Large) -> None:  # S7.10
    storage = made.storage()
    storage.put("rows", "k", BIG)
    kind, client = type(made.store.objects), made.store.faults
    lost = BlobStorage(
        made.index,
        kind(client, "no-such-bucket", TestClock()),
        concept="User",
        clock=TestClock(),
        ids=CountingIds(),
        above_bytes=1000,
    )
    for use in (
        lambda: lost.put("rows", "k", BIGGER),
        lambda: lost.get("rows", "k"),
        lambda: lost.find("rows"),
        lambda: lost.collect_garbage("rows"),
    ):
        with pytest.raises(NotFound, match="no-such-bucket"):
            use()
    assert storage.get("rows", "k") == BIG


# ---- staged


def test_blob_staged_large_write_waits_for_the_completion(made: Large) -> None:  # S7.11
    storage = made.storage()
    storage.put("rows", "k", BIG)
    staged = storage.stage(
        [Write("rows", "k", BIGGER, storage.get_versioned("rows", "k")[1]), Write("rows", "l", BIG, 0)]
    )
    assert storage.get("rows", "k") == BIG
    assert storage.get("rows", "l") is None
    assert made.backend.log.append(completion("c1"), along=staged) is True
    assert storage.get("rows", "k") == BIGGER
    assert storage.get("rows", "l") == BIG


def test_blob_staged_write_that_does_not_commit_leaves_garbage_and_no_hole(made: Large) -> None:  # S7.11
    storage = made.storage()
    storage.put("rows", "k", BIG)
    staged = storage.stage([Write("rows", "k", BIGGER, storage.get_versioned("rows", "k")[1])])
    storage.put("rows", "k", SMALL)
    with pytest.raises(Conflict):
        made.backend.log.append(completion("c1"), along=staged)
    assert storage.get("rows", "k") == SMALL
    assert len(made.store.names()) == 1


def test_blob_stage_of_bad_writes_writes_no_object(made: Large) -> None:  # S7.11
    storage = made.storage()
    with pytest.raises(BadInput):
        storage.stage([Write("rows", "k", BIG), Write("rows", "", BIG)])
    with pytest.raises(BadInput):
        storage.stage([Write("rows", "k", BIG), Write("rows", "l", {"a": object()})])
    with pytest.raises(TooLarge, match="changed 500 rows"):
        storage.stage([Write("rows", f"k{number}", BIG) for number in range(500)])
    with pytest.raises(BadInput):
        storage.put("rows", "", BIG)
    assert made.store.names() == []


# ---- garbage


def test_blob_collect_garbage_removes_old_objects_that_no_row_names(made: Large) -> None:  # S7.12
    storage = made.storage()
    storage.put("rows", "k", BIG)
    storage.put("others", "k", BIG)
    staged = storage.stage([Write("rows", "l", BIGGER)])
    made.backend.log.append(completion("c1"), along=staged)
    storage.stage([Write("rows", "m", BIGGER), Write("others", "m", BIGGER)])
    made.backend.clock.now_s = _written_s(made) + 3000.0
    assert storage.collect_garbage("rows", older_than_s=3600.0) == 0
    made.backend.clock.now_s += 3000.0
    assert storage.collect_garbage("rows", older_than_s=3600.0) == 1
    assert storage.collect_garbage("rows", older_than_s=3600.0) == 0
    assert len(made.store.names()) == 4
    assert storage.collect_garbage("others", older_than_s=3600.0) == 1
    whole(made)
    assert [row["__key"] for row in storage.find("rows")] == ["k", "l"]


def _written_s(made: Large) -> float:
    return max(each.written_s for each in made.store.objects.listed(""))


@pytest.mark.parametrize("older_than_s", [0.0, 3599.0, -1.0])
def test_blob_collect_garbage_of_young_objects_is_refused(made: Large, older_than_s: float) -> None:  # S7.12
    with pytest.raises(BadInput, match="must be >= 3600"):
        made.storage().collect_garbage("rows", older_than_s=older_than_s)


def test_blob_objects_are_listed_page_by_page(made: Large, monkeypatch: pytest.MonkeyPatch) -> None:  # S7.12
    monkeypatch.setattr(gcs, "PAGE_OBJECTS", 2)
    if made.store.create == "put_object":
        monkeypatch.setattr(
            made.store.faults, "list_objects_v2", _two_a_page(made.store.faults.client), raising=False
        )
    names = [f"p/{number}" for number in range(5)]
    for name in [*names, "q/0"]:
        made.store.objects.create(name, b"{}")
    assert [each.name for each in made.store.objects.listed("p/")] == names


def _two_a_page(client: Any) -> Any:
    def call(**arguments: Any) -> Any:
        return client.list_objects_v2(**arguments, MaxKeys=2)

    return call


@pytest.mark.parametrize("relation", ["a/b", "a", "", ".", "..", "a~2f~b", "\U0001f600 é", "x" * 300])
def test_blob_relations_of_any_name_are_apart(made: Large, relation: str) -> None:  # S7.12
    if not relation and made.read == "get":
        pytest.skip("Firestore has no empty collection ids")
    storage = made.storage()
    storage.put(relation, "k", BIG)
    storage.put("a/", "k", BIGGER)
    storage.stage([Write(relation, "l", BIG)])
    made.backend.clock.now_s = _written_s(made) + 7200.0
    assert storage.collect_garbage("a/", older_than_s=3600.0) == 0
    assert storage.collect_garbage(relation, older_than_s=3600.0) == 1
    assert storage.get(relation, "k") == BIG
