"""Clauses S1 to S5 of docs/contracts.md: what every storage keeps to."""

from __future__ import annotations

import math
from typing import Any

import pytest
from contract_backends import Backend

from clef_runtime.errors import BadInput
from clef_runtime.storage.base import Is
from clef_runtime.storage.dynamodb import prefixed_name

VALUES: list[Any] = [
    0,
    -1,
    0.1,
    1.0,
    -1e300,
    5e-324,
    2**53 + 1,
    2**63,
    -(10**45),
    "",
    " ",
    "ünïcödé \U0001f600 \u0000 '\"\\",
    "x" * 1000,
    True,
    False,
    None,
    [],
    {},
    [1, [2, {"a": None}], ""],
    {"": {"b": [1.5, "c", False]}},
]


def test_storage_absent_row_is_none(stored: Backend) -> None:  # S1.1
    assert stored.storage.get("rows", "nobody") is None
    assert stored.storage.find("rows") == []


def test_storage_any_json_value_comes_back_equal(stored: Backend) -> None:  # S1.2
    row = {f"field {number}": value for number, value in enumerate(VALUES)}
    stored.storage.put("rows", "k", row)
    got = stored.storage.get("rows", "k")
    assert got == row
    assert [type(value) for value in got.values()] == [type(value) for value in row.values()]
    assert stored.storage.find("rows") == [{**row, "__key": "k"}]


def test_storage_second_put_replaces_the_whole_value(stored: Backend) -> None:  # S1.3
    stored.storage.put("rows", "k", {"a": "1", "b": "2"})
    stored.storage.put("rows", "k", {"b": "3"})
    assert stored.storage.get("rows", "k") == {"b": "3"}
    assert stored.storage.find("rows", {"a": "1"}) == []


def test_storage_shares_no_object_with_its_caller(stored: Backend) -> None:  # S1.4
    row = {"tags": ["a"]}
    stored.storage.put("rows", "k", row)
    row["tags"].append("b")
    stored.storage.get("rows", "k")["tags"].append("c")
    stored.storage.find("rows")[0]["tags"].append("d")
    assert stored.storage.get("rows", "k") == {"tags": ["a"]}


def test_storage_found_row_put_back_keeps_no_key_field(stored: Backend) -> None:  # S1.5
    stored.storage.put("rows", "k", {"a": 1})
    stored.storage.put("rows", "k2", stored.storage.find("rows")[0])
    assert stored.storage.get("rows", "k2") == {"a": 1}


@pytest.mark.parametrize(
    "value", [math.nan, {"x": [math.inf]}, object(), "\ud800"], ids=["nan", "infinity", "object", "surrogate"]
)
def test_storage_value_that_is_not_json_is_refused(stored: Backend, value: Any) -> None:  # S1.6
    with pytest.raises(BadInput, match="not JSON"):
        stored.storage.put("rows", "k", {"a": value, "b": None})
    assert stored.storage.get("rows", "k") is None


@pytest.mark.parametrize("key", ["", "x" * 1025, "\u20ac" * 342], ids=["empty", "long", "long in bytes"])
def test_storage_key_out_of_bounds_is_refused(stored: Backend, key: str) -> None:  # S1.7
    for use in (
        lambda: stored.storage.put("rows", key, {}),
        lambda: stored.storage.get("rows", key),
        lambda: stored.storage.delete("rows", key),
    ):
        with pytest.raises(BadInput, match="must be text of 1 to 1024 bytes"):
            use()


@pytest.mark.parametrize("key", ["x" * 1024, "\u20ac" * 341, "a#b/c d\n", "__key"])
def test_storage_any_other_key_is_kept(stored: Backend, key: str) -> None:  # S1.7
    stored.storage.put("rows", key, {"a": 1})
    assert stored.storage.get("rows", key) == {"a": 1}
    assert stored.storage.find("rows", {"__key": key}) == [{"a": 1, "__key": key}]


def test_storage_relations_and_concepts_are_apart(stored: Backend) -> None:  # S1.8
    stored.storage.put("rows", "k", {"of": "User rows"})
    stored.storage.put("others", "k", {"of": "User others"})
    stored.other_concept.put("rows", "k", {"of": "another"})
    assert stored.storage.find("rows") == [{"of": "User rows", "__key": "k"}]
    assert stored.storage.get("others", "k") == {"of": "User others"}
    stored.other_concept.delete("rows", "k")
    assert stored.storage.get("rows", "k") == {"of": "User rows"}


def test_storage_names_that_read_the_same_when_joined_are_apart(guard_called: Backend) -> None:  # S1.8
    storage, other = guard_called.storage, guard_called.other_concept  # concepts `User` and `User#rows`
    for relation in ("rows#rows", "#rowsrows", "#rows#rows"):
        storage.put(relation, "k", {"of": "User"})
    assert other.find("rows") == []


def test_storage_relation_that_no_table_can_be_named_by_is_refused() -> None:  # S1.8
    with pytest.raises(BadInput, match="relation"):
        prefixed_name("app-", "Phone", "Profile.rows")  # would be `Phone.Profile`'s `rows`
    assert prefixed_name("app-", "urn:clef/Phone.Profile", "rows") == "app-Phone.Profile.rows"


def test_storage_every_write_changes_the_version(stored: Backend) -> None:  # S2.1 S2.2
    assert stored.storage.get_versioned("rows", "k") == (None, 0)
    seen = {0}
    for value in ({"a": 1}, {"a": 2}, {"a": 2}, {"a": 1}):
        stored.storage.put("rows", "k", value)
        got, version = stored.storage.get_versioned("rows", "k")
        assert got == value
        assert version not in seen
        assert stored.storage.get_versioned("rows", "k") == (value, version)
        seen.add(version)


def test_storage_row_that_went_and_came_back_has_another_version(stored: Backend) -> None:  # S2.3
    stored.storage.put("rows", "k", {"a": 1})
    _, before = stored.storage.get_versioned("rows", "k")
    stored.storage.delete("rows", "k")
    assert stored.storage.get_versioned("rows", "k") == (None, 0)
    stored.storage.put("rows", "k", {"a": 1})
    assert stored.storage.get_versioned("rows", "k")[1] != before


ROWS: dict[str, dict[str, Any]] = {
    "a": {"name": "Ann", "age": 30, "active": True, "tags": ["x", "y"]},
    "b": {"name": "Bob", "age": 30.0, "active": False, "tags": []},
    "c": {"name": "Cid", "age": 7, "active": 1, "long": "x" * 500},
    "d": {"name": None, "age": "30"},
    "e": {"name": "", "active": True},
}


def _filled(backend: Backend) -> Any:
    for key, row in reversed(ROWS.items()):  # a store that keeps the order of writing must not pass by it
        backend.storage.put("rows", key, row)
    return backend.storage


@pytest.mark.parametrize(
    ("criteria", "keys"),
    [
        ({}, "abcde"),
        ({"name": "Ann"}, "a"),
        ({"name": ""}, "e"),
        ({"name": None}, "d"),
        ({"age": 30}, "ab"),
        ({"age": 30.0}, "ab"),
        ({"active": True}, "ae"),
        ({"active": 1}, "c"),
        ({"long": "x" * 500}, "c"),
        ({"tags": ["x", "y"]}, "a"),
        ({"nothing": None}, ""),
        ({"active": True, "age": 30}, "a"),
        ({"__key": "c"}, "c"),
        ({"__key": "c", "name": "Ann"}, ""),
        ({"__key": ""}, ""),
        ({"__key": Is("ge", "d")}, "de"),
        ({"name": Is("eq", "Bob")}, "b"),
        ({"name": Is("ne", "Bob")}, "acde"),
        ({"age": Is("gt", 7)}, "ab"),
        ({"age": Is("ge", 7)}, "abc"),
        ({"age": Is("lt", 30)}, "c"),
        ({"age": Is("le", 30)}, "abc"),
        ({"name": Is("in", ["Ann", "Bob", "?"])}, "ab"),
        ({"name": Is("in", ["Ann", None])}, "ad"),
        ({"name": Is("in", [])}, ""),
        ({"tags": Is("contains", "x")}, "a"),
        ({"name": Is("contains", "i")}, "c"),
        ({"name": Is("in", ["Ann", "Bob"]), "active": False}, "b"),
    ],
    ids=str,
)
def test_storage_find_gives_the_rows_that_meet_all_criteria(
    stored: Backend, criteria: dict[str, Any], keys: str
) -> None:  # S3.1 S3.2
    found = _filled(stored).find("rows", criteria)
    assert found == [{**ROWS[key], "__key": key} for key in keys]


@pytest.mark.parametrize(
    ("arguments", "keys"),
    [
        ({}, "abcde"),
        ({"sort": "name"}, "eabcd"),
        ({"sort": "-name"}, "cbaed"),
        ({"sort": "age"}, "cabde"),
        ({"sort": "-age"}, "dabce"),
        ({"sort": "__key"}, "abcde"),
        ({"sort": "-__key"}, "edcba"),
        ({"limit": 2}, "ab"),
        ({"limit": 0}, ""),
        ({"limit": 9}, "abcde"),
        ({"offset": 3}, "de"),
        ({"limit": 2, "offset": 1}, "bc"),
        ({"limit": 2, "offset": 9}, ""),
        ({"sort": "name", "limit": 2, "offset": 1}, "ab"),
        ({"criteria": {"active": True}, "limit": 1, "offset": 1}, "e"),
        ({"criteria": {"age": Is("gt", 0)}, "limit": 2, "offset": 1}, "bc"),
    ],
    ids=str,
)
def test_storage_find_sorts_then_skips_then_cuts(stored: Backend, arguments: dict[str, Any], keys: str) -> None:
    # S3.3 S3.4
    found = _filled(stored).find("rows", **arguments)
    assert [row["__key"] for row in found] == list(keys)


@pytest.mark.parametrize("arguments", [{"limit": -1}, {"offset": -1}, {"limit": 1, "offset": -1}], ids=str)
def test_storage_find_with_a_negative_bound_is_refused(stored: Backend, arguments: dict[str, int]) -> None:  # S3.4
    with pytest.raises(BadInput, match="must be >= 0"):
        stored.storage.find("rows", **arguments)


def test_storage_find_reads_every_page(stored: Backend) -> None:  # S3.5
    for number in range(4):
        stored.storage.put("rows", f"k{number}", {"text": str(number) * 300_000, "group": "g"})
    assert [row["__key"] for row in stored.storage.find("rows")] == ["k0", "k1", "k2", "k3"]
    assert [row["__key"] for row in stored.storage.find("rows", {"group": "g"}, limit=1, offset=3)] == ["k3"]


def test_storage_delete_of_an_absent_row_does_nothing(stored: Backend) -> None:  # S4.1
    stored.storage.put("rows", "k", {"a": 1})
    stored.storage.delete("rows", "k")
    stored.storage.delete("rows", "k")
    assert stored.storage.get("rows", "k") is None
    assert stored.storage.find("rows") == []


def test_storage_delete_many_removes_and_counts_what_meets(stored: Backend) -> None:  # S4.2
    storage = _filled(stored)
    assert storage.delete_many("rows", {"active": True}) == 2
    assert storage.delete_many("rows", {"active": True}) == 0
    assert [row["__key"] for row in storage.find("rows")] == ["b", "c", "d"]
    assert storage.delete_many("rows", {"__key": "b"}) == 1
    assert storage.delete_many("rows", {}) == 2
