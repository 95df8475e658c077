"""The emulated world without its services: who has a place in it, what is said of it, who is blamed."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import msgspec
import pytest
from botocore.exceptions import ClientError

from clef_runtime.aws import client_config
from clef_runtime.context import SystemClock
from clef_runtime.errors import BadInput
from clef_sim.emulated.aws_sdk import Sdk
from clef_sim.emulated.backends import Backend, BackendFailed, backend_of, not_emulated, ways_of, why_not
from clef_sim.emulated.dynamodb import EmulatedDynamoDB
from clef_sim.kernel.choices import Seeded
from clef_sim.kernel.decision_log import DecisionLog
from clef_sim.prepared import Prepared, prepare
from clef_sim.replay import replay
from clef_sim.reporting import junit
from clef_sim.reporting.page import headline, page_of
from clef_sim.results import exit_code
from clef_sim.runner import jobs_of, run_job, run_once
from clef_sim.scenario import find_scenarios

SCENARIOS = Path(__file__).parents[2] / "scenarios"


def prepared(name: str, template: str, folder: str = "suite") -> Prepared:
    found = prepare(find_scenarios([SCENARIOS / folder / f"{name}.yaml"]))
    return next(each for each in found if each.template == template)


def backend(service: str, port: int, way: str = "moto") -> Backend:
    return Backend(service, way, f"http://127.0.0.1:{port}", {})


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


# ---- who has a place


def test_stale_reads_have_no_place_where_reads_are_never_stale() -> None:
    assert "stale_read needs the model" in why_not(prepared("3-stale-read", "aws-event-driven", "hazards"), {})


def test_fifo_queues_have_no_place_on_moto_and_have_one_elsewhere() -> None:
    fifo = prepared("orders-fifo", "aws-event-driven")
    assert "moto's FIFO queues" in why_not(fifo, {"sqs": "moto"})
    assert why_not(fifo, {"sqs": "ministack"}) == ""


def test_service_that_is_not_emulated_is_named_and_refused_by_the_run() -> None:
    hybrid = prepared("hybrid-conduit", "hybrid-postgres")
    assert "it needs postgres" in not_emulated(hybrid.manifest)
    with pytest.raises(BadInput, match="it needs postgres; emulated are dynamodb"):
        run_once(hybrid, Seeded(1), 1, backends={})


def test_backend_that_the_manifest_needs_and_nobody_gave_is_an_error() -> None:
    manifest = prepared("orders-steady", "aws-event-driven").manifest
    assert backend_of(None, "sqs", manifest) is None
    assert backend_of({}, "firestore", manifest) is None
    with pytest.raises(BadInput, match="needs sqs; the backends given are dynamodb"):
        backend_of({"dynamodb": backend("dynamodb", 1)}, "sqs", manifest)


def test_way_that_there_is_not_is_named() -> None:
    with pytest.raises(BadInput, match=r"way\(='mtoo'\) must be one of .*did you mean"):
        ways_of([prepared("orders-steady", "aws-event-driven")], ["mtoo"])


# ---- a service that fails


def test_nobody_at_the_endpoint_ends_the_run_undecided_and_says_whom_to_blame(closed_port: int) -> None:
    run = prepared("orders-steady", "aws-event-driven")
    backends = {service: backend(service, closed_port) for service in ("dynamodb", "sqs")}
    result, history = run_once(run, Seeded(1), 1, backends=backends)
    assert history == []
    assert (result.verdict, result.standing, exit_code([result])) == ("unknown", "undecided", 3)
    [blame] = result.checkers
    assert blame.checker == "backend"
    said = (
        f"dynamodb (moto) at http://127.0.0.1:{closed_port} stopped answering: delete_table: EndpointConnectionError"
    )
    assert blame.first.startswith(said)
    assert result.replay.endswith("--world emulated --way moto -k aws-event-driven")


@pytest.mark.slow
def test_service_that_takes_calls_and_never_answers_ends_the_run_by_one_time_out() -> None:
    run, clock = prepared("orders-steady", "aws-event-driven"), SystemClock()
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port, started_s = silent.getsockname()[1], clock.monotonic()
        backends = {service: backend(service, port) for service in ("dynamodb", "sqs")}
        result, _ = run_once(run, Seeded(1), 1, backends=backends)
    assert clock.monotonic() - started_s < 2 * client_config()["read_timeout"]
    assert "stopped answering: delete_table: ReadTimeoutError" in result.checkers[0].first


def test_run_whose_service_failed_is_undecided_whatever_it_expected(closed_port: int) -> None:
    run = prepared("4-partial-dispatch", "aws-event-driven", "hazards")
    assert run.expected == {"no_lost_firing": "invalid"}
    backends = {service: backend(service, closed_port) for service in ("dynamodb", "sqs")}
    assert run_once(run, Seeded(1), 1, backends=backends)[0].standing == "undecided"


class Answering:
    """A client whose every call is answered with this error code."""

    exceptions = None

    def __init__(self, code: str) -> None:
        self.code = code

    def put_item(self, **_: Any) -> Any:
        raise ClientError({"Error": {"Code": self.code, "Message": "no"}}, "PutItem")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("ResourceNotFoundException", "lacks what the run created in it"),
        ("UnrecognizedClientException", "does not take the emulators' credentials"),
    ],
)
def test_answer_that_only_the_backend_can_be_the_cause_of_is_put_on_it(
    monkeypatch: pytest.MonkeyPatch, code: str, words: str
) -> None:
    monkeypatch.setattr("clef_sim.emulated.aws_sdk.client", lambda *_: Answering(code))
    with pytest.raises(BackendFailed, match=words):
        Sdk(backend("dynamodb", 1)).put_item(TableName="t")


def test_other_answers_are_the_sdk_s_own_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clef_sim.emulated.aws_sdk.client", lambda *_: Answering("ConditionalCheckFailedException"))
    with pytest.raises(ClientError):
        Sdk(backend("dynamodb", 1)).put_item(TableName="t")


# ---- expiry


class Recording:
    """A client that takes everything and writes it down."""

    exceptions = None

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any]] = []

    def __getattr__(self, name: str) -> Any:
        def call(**request: Any) -> Any:
            self.calls.append((name, request))
            return {"ResponseMetadata": {"RequestId": "r"}}

        return call

    def deleted(self) -> list[str]:
        return [request["Key"]["pk"]["S"] for name, request in self.calls if name == "delete_item"]


class Expiring:
    """A table `t` whose items go ten seconds after their expiry."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sdk, self.now = Recording(), 1000.0
        monkeypatch.setattr("clef_sim.emulated.aws_sdk.client", lambda *_: self.sdk)
        self.dynamodb = EmulatedDynamoDB(backend("dynamodb", 1), lambda: self.now, lambda: 10.0)
        self.dynamodb.create_table(TableName="t", KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}])
        self.dynamodb.update_time_to_live(
            TableName="t", TimeToLiveSpecification={"Enabled": True, "AttributeName": "ttl"}
        )

    def item(self, key: str, expiry: int) -> Any:
        return {"pk": {"S": key}, "ttl": {"N": str(expiry)}}

    def look(self, now: float) -> list[str]:
        """What has been deleted once somebody reads the table at this time."""
        self.now = now
        self.dynamodb.get_item(TableName="t", Key={"pk": {"S": "none"}})
        return self.sdk.deleted()


def test_expired_items_are_removed_in_virtual_time_and_late(monkeypatch: pytest.MonkeyPatch) -> None:
    table = Expiring(monkeypatch)
    table.dynamodb.put_item(TableName="t", Item=table.item("a", 1100))
    table.dynamodb.transact_write_items(TransactItems=[{"Put": {"TableName": "t", "Item": table.item("b", 1200)}}])
    table.dynamodb.batch_write_item(RequestItems={"t": [{"PutRequest": {"Item": table.item("c", 1300)}}]})
    assert [table.look(now) for now in (1099, 1101, 1109)] == [[], [], []]
    assert table.look(1110) == ["a"]
    assert table.look(1500) == ["a", "b", "c"]
    assert "update_time_to_live" not in [name for name, _ in table.sdk.calls]


def test_item_that_was_replaced_or_deleted_is_not_removed_by_its_old_expiry(monkeypatch: pytest.MonkeyPatch) -> None:
    table = Expiring(monkeypatch)
    for key in ("a", "b"):
        table.dynamodb.put_item(TableName="t", Item=table.item(key, 1100))
    table.dynamodb.put_item(TableName="t", Item=table.item("a", 1300))
    table.dynamodb.delete_item(TableName="t", Key={"pk": {"S": "b"}})
    assert table.look(1200) == ["b"]  # the test's own
    assert table.look(1310) == ["b", "a"]


def test_token_of_a_transaction_is_the_run_s_own(monkeypatch: pytest.MonkeyPatch) -> None:
    table = Expiring(monkeypatch)
    table.dynamodb.transact_write_items(TransactItems=[], ClientRequestToken="x")
    table.dynamodb.transact_write_items(TransactItems=[], ClientRequestToken="x")
    one, again = (
        request["ClientRequestToken"] for name, request in table.sdk.calls if name == "transact_write_items"
    )
    assert one == again != "x"


# ---- what is said


def test_world_and_ways_are_in_headline_settings_and_junit(closed_port: int) -> None:
    run = prepared("orders-steady", "aws-event-driven")
    backends = {service: backend(service, closed_port) for service in ("dynamodb", "sqs")}
    result, _ = run_once(run, Seeded(1), 1, backends=backends)
    words = "emulated (dynamodb by moto, sqs by moto)"
    assert result.world_words == words
    assert headline([result]).endswith(f"; world: {words}")
    assert ("world", words) in page_of([result]).settings
    assert f"in world {words}" in junit([result])
    modelled = msgspec.structs.replace(result, world="model", backends={})
    assert "world" not in headline([modelled])


def test_decision_log_is_not_replayed_in_another_world(tmp_path: Path, closed_port: int) -> None:
    run = prepared("4-partial-dispatch", "aws-event-driven", "hazards")
    [job] = jobs_of([run], [1], keep=str(tmp_path))
    run_job(job)
    [log] = tmp_path.glob("*.decisions")
    assert DecisionLog.load(log).about["world"] == "model"
    with pytest.raises(BadInput, match="is of the model world, not of emulated; give --world model"):
        replay(log, backends={"sqs": backend("sqs", closed_port)})
