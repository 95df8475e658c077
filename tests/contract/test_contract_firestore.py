"""Clauses E, S, L and G of docs/contracts.md under faults, on Firestore."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from contract_backends import Backend, TestClock
from contract_google import firestore_backend
from contract_messages import START_S, completion, edge, firing
from google.api_core import exceptions as sdk
from google.auth.exceptions import DefaultCredentialsError, RefreshError
from google.cloud.firestore import Client, transactional
from hypothesis import given, settings
from hypothesis import strategies as st
from test_contract_agreement import criteria, questions, writes

from clef_runtime.action_log.firestore import FirestoreActionLog
from clef_runtime.errors import (
    BadInput,
    ClefError,
    Conflict,
    Indeterminate,
    NotFound,
    Refused,
    Throttled,
    TooLarge,
)
from clef_runtime.firestore import Change, Documents, segment
from clef_runtime.google import ONCE, translate
from clef_runtime.guard.base import Claim
from clef_runtime.guard.firestore import FirestoreFiringGuard
from clef_runtime.retry import NO_RETRY, Retry
from clef_runtime.storage.base import Is, Write
from clef_runtime.storage.firestore import ALTERNATIVES, STAGED_WRITES
from clef_runtime.storage.memory import MemoryStorage


@pytest.fixture
def called(firestore_client: Client) -> Backend:
    return firestore_backend(firestore_client)


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        (sdk.AlreadyExists("x"), Conflict),
        (sdk.FailedPrecondition("the stored version (1) does not match the required base version (2)"), Conflict),
        (sdk.Aborted("Transaction lock timeout."), Throttled),
        (sdk.ResourceExhausted("Quota exceeded."), Throttled),
        (sdk.TooManyRequests("x"), Throttled),
        (sdk.NotFound("The database (default) does not exist"), NotFound),
        (sdk.InvalidArgument('The value of property "json" is longer than 1048487 bytes.'), TooLarge),
        (sdk.InvalidArgument("Request payload size exceeds the limit: 11534336 bytes."), TooLarge),
        (sdk.InvalidArgument("its size (1,048,999 bytes) exceeds the maximum allowed size of 1,048,576"), TooLarge),
        (sdk.InvalidArgument("Transaction too big. Decrease transaction size."), TooLarge),
        (sdk.InvalidArgument("The value for message_size is too large. You passed 10000001"), TooLarge),
        (sdk.ResourceExhausted("gRPC message exceeds maximum size 4194304: 12001232"), TooLarge),
        (sdk.ResourceExhausted("Sent message larger than max (5 vs. 4)"), TooLarge),
        (sdk.InvalidArgument("Resource id is reserved"), Refused),
        (sdk.PermissionDenied("x"), Refused),
        (sdk.Unauthenticated("x"), Refused),
        (sdk.DeadlineExceeded("x"), Indeterminate),
        (sdk.GatewayTimeout("x"), Indeterminate),
        (sdk.ServiceUnavailable("x"), Indeterminate),
        (sdk.InternalServerError("x"), Indeterminate),
        (sdk.Unknown("x"), Indeterminate),
        (sdk.Cancelled("x"), Indeterminate),
        (sdk.DataLoss("x"), Indeterminate),
        (sdk.RetryError("x", None), Indeterminate),
        (DefaultCredentialsError("x"), Refused),
        (RefreshError("x"), Refused),
    ],
    ids=repr,
)
def test_google_error_means_what_the_service_said(error: Exception, meaning: type[ClefError]) -> None:  # E1 E6
    found = translate(error, {"path": "state/k"})
    assert type(found) is meaning
    assert "'state/k'" in str(found)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"request": {"topic": "projects/p/topics/t"}}, "topic 'projects/p/topics/t'"),
        ({"request": {"subscription": "s"}}, "subscription 's'"),
        ({"changes": [Change("a/b", None)]}, "document 'a/b':"),
        ({"changes": [Change("a/b", None)] * 3}, "document 'a/b' and 2 more"),
        ({"what": "collection", "path": "a"}, "collection 'a'"),
    ],
    ids=str,
)
def test_google_error_names_what_the_call_was_about(arguments: dict[str, Any], words: str) -> None:  # E1
    assert words in str(translate(sdk.Aborted("x"), arguments))


def test_google_sdk_does_not_retry_by_itself(firestore_client: Client) -> None:  # E5
    calls: list[int] = []

    def fails() -> None:
        calls.append(1)
        raise sdk.ServiceUnavailable("planned")

    with pytest.raises(sdk.ServiceUnavailable):
        ONCE["retry"](fails)()
    assert calls == [1]


def test_firestore_failing_query_is_told_as_it_failed(firestore_client: Client) -> None:  # E1
    documents = Documents(firestore_client, TestClock(), NO_RETRY)
    with pytest.raises(Refused, match=r"collection '__reserved__'.*InvalidArgument"):
        list(documents.find("__reserved__"))


NAMES = ["a", "a.", "a..", "a/", "a/b", "a0", "a.0", "a.1", "a-b", "a.b", "/", "//", ".", "..", "__x__", ":"]


def test_firestore_ids_are_apart_in_the_order_of_their_names_and_read_back(called: Backend) -> None:  # S1.7 S1.8
    names = sorted([*NAMES, "\ue000", "\U0001f600"])
    assert sorted(names, key=lambda name: segment(name).encode()) == names
    for name in names:
        called.storage.put("rows", name, {})
    found = list(called.storage._documents.find(called.storage._collection("rows")))
    assert [document.name for document in found] == names
    with pytest.raises(BadInput, match="must be <= 1500"):
        called.storage.put("rows", "/" * 800, {})
    with pytest.raises(BadInput, match="is not text"):
        called.storage.put("rows", "\ud800", {})


def test_firestore_find_reads_as_few_as_are_asked_for(called: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    # S3.4 S3.5
    monkeypatch.setattr("clef_runtime.firestore.PAGE_DOCUMENTS", 2)
    for number in range(5):
        called.storage.put("rows", f"k{number}", {"group": "g", "n": number})
    sizes: list[int] = []
    real = called.storage._documents._call

    def watched(method: Any, arguments: dict[str, Any], **more: Any) -> Any:
        answer = real(method, arguments, **more)
        sizes.append(len(answer))
        return answer

    called.storage._documents._call = watched
    for arguments, pages in (
        ({}, [2, 2, 1]),
        ({"limit": 1}, [1]),
        ({"limit": 3}, [2, 1]),
        ({"criteria": {"group": "g"}, "limit": 2, "offset": 1}, [2, 1]),
        ({"criteria": {"n": 0}, "limit": 1}, [2]),
        ({"limit": 1, "sort": "n"}, [2, 2, 1]),
        ({"criteria": {"group": "h"}}, [0]),
    ):
        sizes.clear()
        called.storage.find("rows", **arguments)
        assert sizes == pages, arguments


def test_firestore_find_with_more_alternatives_than_a_query_takes(called: Backend) -> None:  # S3.1
    called.storage.put("rows", "k", {"a": "7", "b": "7", "c": True})
    many = Is("in", [str(number) for number in range(ALTERNATIVES)])
    for asked in ({"a": many, "c": True}, {"a": many, "b": many, "c": True}, {"b": Is("in", [*many.value, "x"])}):
        assert [row["__key"] for row in called.storage.find("rows", asked)] == ["k"]


@pytest.mark.slow
@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(writes=writes, question=questions, removed=st.one_of(st.none(), criteria))
def test_firestore_finds_what_memory_finds(
    firestore_client: Client,
    writes: list[tuple[str, Any]],
    question: dict[str, Any],
    removed: dict[str, Any] | None,
) -> None:  # S1 S2 S3 S4
    answers = []
    for storage in (MemoryStorage(), firestore_backend(firestore_client).storage):
        for key, row in writes:
            if row is None:
                storage.delete("rows", key)
            else:
                storage.put("rows", key, row)
        count = storage.delete_many("rows", removed) if removed is not None else 0
        answers.append((count, storage.find("rows", **question), storage.find("rows")))
    assert answers[0] == answers[1]


def test_firestore_call_without_an_answer_is_repeated(called: Backend) -> None:  # S6
    called.faults.lose_answer("commit", times=2)
    called.storage.put("rows", "k", {"a": 1})
    called.faults.lose_request("get")
    assert called.storage.get("rows", "k") == {"a": 1}
    assert called.faults.calls == ["commit", "commit", "commit", "get", "get"]
    called.faults.lose_answer("commit", times=4)
    with pytest.raises(Indeterminate):
        called.storage.put("rows", "k", {"a": 1})


def test_firestore_contention_is_repeated_on_the_clock_then_given_up(called: Backend) -> None:  # S6
    called.faults.refuse("commit", sdk.Aborted("planned"), times=3)
    called.storage.put("rows", "k", {"a": 1})
    assert called.clock.pauses == [0.05, 0.1, 0.2]
    called.faults.refuse("commit", sdk.Aborted("planned"), times=4)
    with pytest.raises(Throttled, match=called.table):
        called.storage.put("rows", "k", {"a": 2})
    assert called.storage.get("rows", "k") == {"a": 1}


def test_firestore_delete_many_spares_a_row_that_no_longer_meets(called: Backend) -> None:  # S4.3
    called.storage.put("rows", "k", {"state": "old"})
    called.storage.put("rows", "l", {"state": "old"})
    called.faults.before("commit", lambda: called.storage.put("rows", "k", {"state": "new"}))
    assert called.storage.delete_many("rows", {"state": "old"}) == 1
    called.faults.lose_answer("commit")
    assert called.storage.delete_many("rows", {"state": "new"}) == 1
    assert called.storage.find("rows") == []


def test_firestore_row_or_transaction_over_the_limit_is_too_large(called: Backend) -> None:  # S5.6 S6
    with pytest.raises(TooLarge):
        called.storage.put("rows", "k", {"a": "x" * 1_050_000})
    with pytest.raises(TooLarge):
        called.log.append(completion("c1", user="x" * 1_050_000))
    with pytest.raises(TooLarge):
        called.guard.claim(firing(user="x" * 600_000), owner="a", lease_s=10)
    writes = [Write("rows", f"k{number}", {}) for number in range(STAGED_WRITES + 1)]
    assert called.log.append(completion("c1"), along=called.storage.stage(writes[:STAGED_WRITES])) is True
    with pytest.raises(TooLarge, match="changed 500 rows"):
        called.storage.stage(writes)


def _staged(backend: Backend) -> Any:
    return backend.storage.stage([Write("rows", "k", {"a": 1}, 0)])


@pytest.mark.parametrize("staged", [False, True])
def test_firestore_append_repeated_after_a_lost_answer_is_new(called: Backend, staged: bool) -> None:  # L9
    called.faults.lose_answer("commit", times=2)
    assert called.log.append(completion("c1"), along=_staged(called) if staged else ()) is True
    assert called.log.get("f1", "c1") == completion("c1")
    assert (called.storage.get("rows", "k") is not None) is staged


@pytest.mark.parametrize("staged", [False, True])
def test_firestore_append_that_finds_anothers_record_is_not_new(called: Backend, staged: bool) -> None:  # L9
    other = completion("c1", user="other")
    along = _staged(called) if staged else ()
    called.faults.lose_request("commit")
    called.faults.before("commit", lambda: called.log.append(other))
    assert called.log.append(completion("c1"), along=along) is False
    assert called.log.get("f1", "c1") == other
    assert called.storage.get("rows", "k") is None


def test_firestore_append_with_a_changed_row_is_a_conflict(called: Backend) -> None:  # L9
    staged = _staged(called)
    called.faults.lose_request("commit")
    called.faults.before("commit", lambda: called.storage.put("rows", "k", {"a": 2}))
    with pytest.raises(Conflict):
        called.log.append(completion("c1"), along=staged)
    assert called.log.get("f1", "c1") is None


def test_firestore_log_under_faults_says_what_is_known(called: Backend) -> None:  # L10
    called.faults.lose_answer("commit", times=4)
    with pytest.raises(Indeterminate):
        called.log.append(completion("c1"))
    assert called.log.append(completion("c1")) is False
    called.faults.lose_answer("commit")
    called.log.add_sync_edge(edge())
    assert called.log.load_flow("f1").edges == [edge()]


def test_firestore_ttl_is_written_as_a_time_with_each_record(called: Backend) -> None:  # L12 G14
    client, clock = called.faults.client, called.clock
    FirestoreActionLog(client, f"{called.table}-log", clock, ttl_s=60).append(completion("c1"))
    guard = FirestoreFiringGuard(client, f"{called.table}-guard", clock, ttl_s=60)
    guard.try_acquire(["c1"], "S")
    guard.claim(firing(), owner="a", lease_s=10)
    records = [
        *client.collection_group(f"{called.table}-log-records").get(**ONCE),
        *client.collection(f"{called.table}-guard").get(**ONCE),
    ]
    assert [record.get("ttl").timestamp() for record in records] == [START_S + 60] * 3
    for make in (FirestoreActionLog, FirestoreFiringGuard):
        with pytest.raises(BadInput, match="ttl_s"):
            make(client, "x", clock, ttl_s=0)


@pytest.mark.parametrize("lose", ["lose_request", "lose_answer"])
def test_firestore_claim_without_an_answer_is_repeated_and_won(called: Backend, lose: str) -> None:  # G11
    getattr(called.faults, lose)("commit")
    assert called.guard.claim(firing(), owner="a", lease_s=10) == Claim("won", firing(), "a", 1, START_S + 10)
    called.clock.sleep(20)
    called.faults.before("commit", lambda: None)  # the create, which is refused
    getattr(called.faults, lose)("commit")
    taken = called.guard.claim(firing(user="bob"), owner="b", lease_s=10)
    assert (taken.state, taken.firing, taken.fencing) == ("won", firing(), 2)
    getattr(called.faults, lose)("commit")
    called.guard.mark_fired(taken)
    assert called.guard.claim(firing(), owner="c", lease_s=10).state == "fired"


def test_firestore_expired_claim_changed_in_between_is_told_as_it_is(called: Backend) -> None:  # G12
    guard = called.guard
    claim = guard.claim(firing(), owner="a", lease_s=10)
    called.clock.sleep(10)
    called.faults.before("commit", lambda: None)
    called.faults.before("commit", lambda: guard.claim(firing(), owner="b", lease_s=10))
    late = guard.claim(firing(), owner="c", lease_s=10)
    assert (late.state, late.owner, late.fencing) == ("held", "b", 2)
    called.faults.before("commit", lambda: guard.mark_fired(late))
    with pytest.raises(Conflict, match="no longer holds"):
        guard.mark_fired(claim)
    called.clock.sleep(10)
    called.faults.before("commit", lambda: None)
    called.faults.before("commit", lambda: guard.mark_fired(late))
    assert guard.claim(firing(), owner="c", lease_s=10).state == "fired"


def test_firestore_claim_calls_are_as_few_as_documented(called: Backend) -> None:  # G13
    claim = called.guard.claim(firing(), owner="a", lease_s=10)
    assert called.faults.calls == ["commit"]
    called.guard.mark_fired(claim)
    assert called.faults.calls[1:] == ["get", "commit"]
    called.guard.claim(firing(), owner="b", lease_s=10)
    assert called.faults.calls[3:] == ["commit", "get"]


def test_firestore_claim_under_contention_says_nothing_of_the_holder(called: Backend) -> None:  # G10
    called.faults.refuse("commit", sdk.Aborted("planned"), times=4)
    with pytest.raises(Throttled):
        called.guard.claim(firing(), owner="a", lease_s=10)
    called.faults.lose_request("commit", times=4)
    with pytest.raises(Indeterminate):
        called.guard.claim(firing(), owner="a", lease_s=10)
    assert called.guard.claim(firing(), owner="a", lease_s=10).state == "won"


def _once_guard(called: Backend, client: Any) -> FirestoreFiringGuard:
    return FirestoreFiringGuard(client, f"{called.table}-guard", called.clock, retry=Retry(attempts=2))


class _LosesCommits:
    """A client whose transactions' commits have no answer; `reach` says whether they reach the service."""

    def __init__(self, client: Client, *, reach: bool) -> None:
        self._client, self._reach = client, reach
        self.commits = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    @property
    def _firestore_api(self) -> Any:
        real, outer = self._client._firestore_api, self

        class Api:
            begin_transaction, rollback = real.begin_transaction, real.rollback

            @staticmethod
            def commit(**arguments: Any) -> None:
                outer.commits += 1
                if outer._reach:
                    real.commit(**arguments)
                raise sdk.DeadlineExceeded("planned")

        return Api


@pytest.mark.parametrize("reach", [True, False])
def test_firestore_acquire_without_an_answer_is_not_repeated(called: Backend, reach: bool) -> None:  # G10
    client = _LosesCommits(called.faults.client, reach=reach)
    with pytest.raises(Indeterminate, match="it may have been done"):
        _once_guard(called, client).try_acquire(["c1"], "S")
    assert client.commits == 1
    assert called.guard.try_acquire(["c1"], "S") is not reach


def test_firestore_acquire_without_a_service_is_indeterminate(called: Backend) -> None:  # G10
    class Gone:
        def __getattr__(self, name: str) -> Any:
            return getattr(called.faults.client, name)

        @property
        def _firestore_api(self) -> Any:
            raise sdk.ServiceUnavailable("planned")

    with pytest.raises(Indeterminate):
        _once_guard(called, Gone()).try_acquire(["c1"], "S")


@pytest.mark.slow
def test_firestore_acquire_behind_anothers_lock_is_throttled_not_refused(called: Backend) -> None:  # G10
    client = called.faults.client
    path = called.guard._path("once-", "f" * 32)
    entered, leave = threading.Event(), threading.Event()

    @transactional
    def holder(transaction: Any) -> None:
        client.document(path).get(transaction=transaction)
        entered.set()
        leave.wait(30)

    thread = threading.Thread(target=lambda: holder(client.transaction()))
    thread.start()
    entered.wait(10)
    try:
        with pytest.raises(Throttled, match="Aborted"):
            Documents(client, called.clock, NO_RETRY).create_unless_read(path, {"state": "acquired"})
    finally:
        leave.set()
        thread.join()
    assert Documents(client, called.clock, NO_RETRY).create_unless_read(path, {"state": "acquired"}) is True
    assert Documents(client, called.clock, NO_RETRY).create_unless_read(path, {"state": "acquired"}) is False


def test_firestore_race_of_first_claims_has_one_winner(called: Backend) -> None:  # G3 G4
    guard = FirestoreFiringGuard(called.faults.client, f"{called.table}-guard", called.clock)
    states: list[str] = []

    def claim(owner: str) -> None:
        states.append(guard.claim(firing(), owner=owner, lease_s=10).state)

    threads = [threading.Thread(target=claim, args=[str(number)]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(states) == ["held"] * 7 + ["won"]
