"""Clauses S1 to S4 of docs/contracts.md once more: whatever is written, every storage finds the same rows."""

from __future__ import annotations

from typing import Any

from contract_backends import Started, model_services, prefixed_tables_backend, single_table_backend
from contract_stores import AVAILABLE, redis_backend, sql_backend
from hypothesis import given, settings
from hypothesis import strategies as st

from clef_runtime.storage.base import Is
from clef_runtime.storage.memory import MemoryStorage
from clef_runtime.unit_of_work import Staging

SERVICES = model_services()

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([0, 1, 1.0, 2, 0.1, 2**53, 2**53 + 1, float(2**53)]),
    st.sampled_from(["", "a", "b", "1", "x" * 128, "x" * 129, "\u00e9", "e\u0301"]),
)
values = st.one_of(
    scalars, st.lists(scalars, max_size=2), st.dictionaries(st.sampled_from("pq"), scalars, max_size=1)
)
fields = st.sampled_from(["f", "size", "\u00fc.b"])
keys = st.sampled_from(["k1", "k2", "K", "\uffff", "\U0001f600"])
rows = st.dictionaries(fields, values, min_size=1, max_size=3)
wanted = st.one_of(
    values,
    st.builds(Is, st.sampled_from(["eq", "ne", "gt", "ge", "lt", "le", "contains"]), values),
    st.builds(Is, st.just("in"), st.lists(values, max_size=3)),
)
criteria = st.dictionaries(st.one_of(fields, st.just("__key")), st.one_of(wanted, keys), max_size=2)
questions = st.fixed_dictionaries(
    {
        "criteria": st.one_of(st.just({}), criteria),
        "sort": st.sampled_from([None, "f", "-f", "-__key"]),
        "limit": st.sampled_from([None, 0, 1, 2, 3]),
        "offset": st.integers(0, 2),
    }
)
writes = st.lists(st.tuples(keys, st.one_of(st.none(), rows)), min_size=4, max_size=8)


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(writes, questions, st.one_of(st.none(), criteria))
def test_storages_agree_on_every_question(
    stores: Started, writes: list[tuple[str, Any]], question: dict[str, Any], removed: dict[str, Any] | None
) -> None:  # S1 S3 S4
    storages: list[Any] = [
        MemoryStorage(),
        Staging(MemoryStorage()),
        single_table_backend(SERVICES).storage,
        prefixed_tables_backend(SERVICES).storage,
        *(sql_backend(stores[name]).storage for name in ("sqlite", "postgres") if name in AVAILABLE),
        *(redis_backend(stores[name]).storage for name in ("fakeredis", "redis") if name in AVAILABLE),
    ]
    answers = []
    for storage in storages:
        for key, row in writes:
            if row is None:
                storage.delete("rows", key)
            else:
                storage.put("rows", key, row)
        count = storage.delete_many("rows", removed) if removed is not None else 0
        answers.append((count, storage.find("rows", **question), storage.find("rows")))
    assert all(answer == answers[0] for answer in answers)
