"""The Firestore model answers as Google's emulator does, call by call, both under the SDK's own client. What is left
out: PARITY.md. Skipped where FIRESTORE_EMULATOR_HOST is not set."""

from __future__ import annotations

import itertools
import os
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud import firestore
from google.cloud.firestore_v1.base_query import FieldFilter
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from clef_runtime.firestore import _Attempt
from clef_runtime.google import ONCE
from clef_sim.services.firestore import Firestore, sdk_client

_numbers = itertools.count()
_emulator: list[Any] = []

IDS = st.sampled_from(["a", "b", ":c.0", "é", "\U0001f600"])
TEXTS = st.sampled_from(["", "x", "y", "long" * 40])
VALUES = st.one_of(
    TEXTS, st.booleans(), st.none(), st.integers(-3, 3), st.just({"a": "x", "b": {"c": True}}), st.just(["x", 1])
)
DATA = st.dictionaries(st.sampled_from(["f", "g", "h i", "j.k"]), VALUES, max_size=3)


@pytest.fixture(scope="module", autouse=True)
def emulator() -> Iterator[None]:
    if not os.environ.get("FIRESTORE_EMULATOR_HOST"):
        reason = "FIRESTORE_EMULATOR_HOST is not set: start the emulator and say where it is"
        if os.environ.get("CLEF_REQUIRE_BACKENDS") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    client = firestore.Client(project=f"test-{uuid.uuid4().hex[:12]}")
    _emulator.append(client)
    yield
    _emulator.clear()
    client.close()  # type: ignore[no-untyped-call]  # the SDK has no types for it


class Both:
    """The same calls to the model and to the emulator, in a collection of their own. Versions are compared by which
    of the earlier ones they equal."""

    def __init__(self) -> None:
        self.root = f"r{next(_numbers)}"
        self.clients = {"model": sdk_client(Firestore(time.time)), "emulator": _emulator[0]}
        self._versions: dict[str, list[Any]] = {which: [] for which in self.clients}
        self.attempts: list[dict[str, _Attempt]] = []

    def call(self, work: Any) -> Any:
        answers = {which: self._ended(which, client, work) for which, client in self.clients.items()}
        assert answers["model"] == answers["emulator"]
        return answers["model"]

    def _ended(self, which: str, client: Any, work: Any) -> Any:
        try:
            return work(which, client)
        except exceptions.GoogleAPICallError as error:
            return type(error).__name__

    def version(self, which: str, at: Any) -> int | None:
        if at is None:
            return None
        at = at if isinstance(at, Timestamp) else at.timestamp_pb()
        known = self._versions[which]
        micros = at.seconds * 1_000_000 + at.nanos // 1_000
        if micros not in known:
            known.append(micros)
        return known.index(micros)

    def option(self, which: str, client: Any, condition: Any) -> Any:
        if condition is None:
            return None
        if isinstance(condition, bool):
            return client.write_option(exists=condition)
        known = self._versions[which]
        micros = known[condition % len(known)] if known else 1
        return client.write_option(last_update_time=Timestamp(seconds=micros // 10**6, nanos=micros % 10**6 * 1000))

    def document(self, client: Any, id_: str) -> Any:
        return client.document(f"{self.root}/{id_}")


CONDITIONS = st.one_of(st.none(), st.booleans(), st.integers(0, 5))
WRITES = st.one_of(
    st.tuples(st.sampled_from(["set", "create"]), IDS, DATA),
    st.tuples(st.just("update"), IDS, DATA.filter(bool), st.one_of(st.none(), st.integers(0, 5))),
    st.tuples(st.just("delete"), IDS, CONDITIONS),
)


class Machine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.both = Both()

    @rule(writes=st.lists(WRITES, min_size=1, max_size=3, unique_by=lambda write: write[1]))
    def commit(self, writes: list[Any]) -> None:
        def work(which: str, client: Any) -> Any:
            batch = client.batch()
            for method, id_, *given in writes:
                self._add(which, client, batch, method, self.both.document(client, id_), given)
            return [self.both.version(which, result.update_time) for result in batch.commit(**ONCE)]

        self.both.call(work)

    def _add(self, which: str, client: Any, batch: Any, method: str, document: Any, given: list[Any]) -> None:
        if method in ("set", "create"):
            getattr(batch, method)(document, given[0])
        elif method == "update":
            data = {_quoted(name): value for name, value in given[0].items()}
            batch.update(document, data, self.both.option(which, client, given[1]))
        else:
            batch.delete(document, self.both.option(which, client, given[0]))

    @rule(id_=IDS, data=DATA, other=DATA)
    def set_again(self, id_: str, data: dict[str, Any], other: dict[str, Any]) -> None:
        """What changes nothing keeps its version."""

        def work(which: str, client: Any) -> Any:
            document = self.both.document(client, id_)
            written = [document.set(each, **ONCE) for each in (data, data, other, data)]
            return [self.both.version(which, each.update_time) for each in written]

        self.both.call(work)

    @rule(id_=IDS)
    def get(self, id_: str) -> None:
        def work(which: str, client: Any) -> Any:
            found = self.both.document(client, id_).get(**ONCE)
            return found.exists, found.to_dict(), self.both.version(which, found.update_time)

        self.both.call(work)

    @rule(
        filters=st.lists(
            st.one_of(
                st.tuples(st.just("f"), st.just("=="), st.one_of(TEXTS, st.booleans(), st.none())),
                st.tuples(
                    st.just("g"), st.just("in"), st.lists(st.one_of(TEXTS, st.booleans()), min_size=1, max_size=3)
                ),
                st.tuples(st.just("`h i`"), st.just("=="), TEXTS),
                st.tuples(st.just("f.b.c"), st.just("=="), st.booleans()),
            ),
            max_size=2,
        ),
        limit=st.one_of(st.none(), st.integers(1, 3)),
        pages=st.booleans(),
    )
    def query(self, filters: list[Any], limit: int | None, pages: bool) -> None:
        def work(which: str, client: Any) -> Any:
            query = client.collection(self.both.root).order_by("__name__")
            for filter_ in filters:
                query = query.where(filter=FieldFilter(*filter_))
            query = query.limit(limit) if limit else query
            found = query.get(**ONCE)
            if pages and found:
                found += query.start_after(found[-1]).get(**ONCE)
            return [(each.id, each.to_dict(), self.both.version(which, each.update_time)) for each in found]

        self.both.call(work)

    @rule(id_=IDS, data=DATA, read=st.booleans(), end=st.sampled_from(["commit", "rollback", "commit twice"]))
    def transaction(self, id_: str, data: dict[str, Any], read: bool, end: str) -> None:
        def work(which: str, client: Any) -> Any:
            document = self.both.document(client, id_)
            attempt = _Attempt(client, max_attempts=1)
            attempt.begin()
            seen = document.get(transaction=attempt, **ONCE).to_dict() if read else None
            attempt.set(document, data)
            if end == "rollback":
                attempt.rollback()
            attempt.commit()
            if end == "commit twice":
                attempt.commit()
            return seen

        self.both.call(work)


def _quoted(name: str) -> str:
    return name if name.isidentifier() else f"`{name}`"


def test_firestore_model_agrees_with_the_emulator() -> None:
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=40,
            stateful_step_count=12,
            deadline=None,
            derandomize=True,
            database=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        ),
    )
