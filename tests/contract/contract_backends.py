"""Every adapter that the contract is held against: how to make one, and what it can do.

To add a backend: name a service that starts by itself (`AWS`, `STORES`, `GOOGLE`), write a maker of adapters over it,
and enter both in the lists of conftest.py, each of which is one ability (to store, to log, to guard, to fail). What
only some services can do is a capability: tests ask for it, not for a name.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from typing import Any

import boto3
import msgspec
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ReadTimeoutError
from moto import mock_aws

from clef_runtime import aws
from clef_runtime.action_log.dynamodb import DynamoDBActionLog, log_table
from clef_runtime.action_log.memory import MemoryActionLog
from clef_runtime.guard.dynamodb import DynamoDBFiringGuard, guard_table
from clef_runtime.guard.memory import MemoryFiringGuard
from clef_runtime.storage.dynamodb import DynamoDBStorage, prefixed_table, single_table
from clef_runtime.storage.memory import MemoryStorage
from clef_runtime.unit_of_work import Staging
from clef_sim.services.dynamodb import DynamoDB, Limits
from clef_sim.services.objects.s3 import S3
from clef_sim.services.sqs import SQS

TOKENS = "tokens"
"""The service does a transaction with the same ClientRequestToken once. moto ignores it."""

REPEATS = "repeats"
"""A transaction that is sent again is taken for the same one, or done again. MiniStack takes it for another one with
the same token, and refuses it, where a number in it is not in its shortest spelling (`1.0`)."""

STALE_READS = "stale_reads"
"""Eventual reads can be made to lag, by the client's `force_lag(table, lag_s)`."""

ATOMIC = "atomic"
"""Conditional writes of several threads have one winner. moto's do not where threads are switched often; the models
are called by one thread at a time."""

_numbers = itertools.count(1)


class TestClock:
    """Stands still but for `sleep`, and remembers the pauses."""

    __test__ = False

    def __init__(self, now_s: float = 1_800_000_000.0) -> None:
        self.now_s, self.pauses = now_s, list[float]()

    def now(self) -> float:
        return self.now_s

    def monotonic(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now_s += seconds


class FaultyClient:
    """An SDK client that fails where it is told to; `calls` has (method, arguments) of every call made."""

    def __init__(self, client: Any) -> None:
        self.client = client  # without faults
        self._plans: dict[str, list[Callable[[Callable[[], Any]], Any]]] = {}
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def refuse(self, method: str, code: str, *, times: int = 1, status: int = 400) -> None:
        """The next calls are refused by the service: surely not done."""
        for _ in range(times):
            self._plans.setdefault(method, []).append(lambda call: _refuse(code, method, status))

    def lose_request(self, method: str, *, times: int = 1) -> None:
        """The next calls never reach the service, and get no answer."""
        for _ in range(times):
            self._plans.setdefault(method, []).append(lambda call: _time_out())

    def lose_answer(self, method: str, *, times: int = 1) -> None:
        """The next calls reach the service, but their answers are lost."""

        def plan(call: Callable[[], Any]) -> Any:
            with suppress(ClientError):  # a refusal is lost as well
                call()
            _time_out()

        self._plans.setdefault(method, []).extend([plan] * times)

    def fail_entries(self, *ids: str, code: str = "InternalError", sender: bool = False) -> None:
        """The next send_message_batch accepts all entries but these."""
        failed = [{"Id": id_, "Code": code, "Message": "planned", "SenderFault": sender} for id_ in ids]

        def plan(call: Callable[[], Any]) -> Any:
            _, arguments = self.calls[-1]
            accepted = [entry for entry in arguments["Entries"] if entry["Id"] not in ids]
            if accepted:
                self.client.send_message_batch(**{**arguments, "Entries": accepted})
            return {"Successful": [], "Failed": failed}

        self._plans.setdefault("send_message_batch", []).append(plan)

    def before(self, method: str, action: Callable[[], Any]) -> None:
        """Something happens just before the next call."""

        def plan(call: Callable[[], Any]) -> Any:
            action()
            return call()

        self._plans.setdefault(method, []).append(plan)

    def called(self, method: str) -> list[dict[str, Any]]:
        return [arguments for name, arguments in self.calls if name == method]

    def __getattr__(self, method: str) -> Callable[..., Any]:
        real = getattr(self.client, method)

        def call(**arguments: Any) -> Any:
            self.calls.append((method, arguments))
            plans = self._plans.get(method)
            if plans:
                return plans.pop(0)(lambda: real(**arguments))
            return real(**arguments)

        return call


def _refuse(code: str, method: str, status: int) -> None:
    answer: Any = {"Error": {"Code": code, "Message": "planned"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    raise ClientError(answer, method)


def _time_out() -> None:
    raise ReadTimeoutError(endpoint_url="https://planned.invalid")


class Services(msgspec.Struct):
    """The clients of one emulator or model; `prefix` begins every name, where others may use it too."""

    clients: dict[str, Any]
    capabilities: frozenset[str] = frozenset()
    prefix: str = ""

    def client(self, service: str) -> Any:
        """Skips the test where this one is not served."""
        if service not in self.clients:
            pytest.skip(f"no {service} here")
        return self.clients[service]

    @property
    def dynamodb(self) -> Any:
        return self.client("dynamodb")

    @property
    def sqs(self) -> Any:
        return self.client("sqs")

    @property
    def s3(self) -> Any:
        return self.client("s3")

    def name(self, kind: str) -> str:
        """A new name."""
        return f"{self.prefix}{kind}-{next(_numbers)}"

    def table(self, describe: Callable[[str], dict[str, Any]]) -> str:
        name = self.name("table")
        self.dynamodb.create_table(**describe(name))
        return name

    def queue(self, *, fifo: bool) -> str:
        name = self.name("queue")
        made = self.sqs.create_queue(
            QueueName=f"{name}.fifo" if fifo else name, Attributes={"FifoQueue": "true"} if fifo else {}
        )
        url: str = made["QueueUrl"]
        return url


def sdk_clients(places: dict[str, str | None]) -> dict[str, Any]:
    """Clients of services by their URLs, as the runtime makes them; None: of moto in this process."""
    return {
        name: boto3.client(
            name,
            endpoint_url=url,
            region_name="eu-central-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(**aws.client_config()),
        )
        for name, url in places.items()
    }


@contextmanager
def moto_services() -> Iterator[Services]:
    """Moto in this process; on one thread only, its conditional writes are not atomic across threads."""
    with mock_aws():
        yield Services(sdk_clients({"dynamodb": None, "sqs": None, "s3": None}), frozenset({REPEATS}))


def model_services() -> Services:
    """The simulator's models, called directly."""
    clock = TestClock()
    dynamodb = DynamoDB(clock.now, limits=Limits.none())
    clients = {"dynamodb": dynamodb, "sqs": SQS(clock.now), "s3": S3(clock.now)}
    return Services(clients, frozenset({TOKENS, REPEATS, STALE_READS}))


class Started:
    """The services by their names, each started when a test asks for it first, and stopped with the session."""

    def __init__(self, makers: Mapping[str, Callable[[], AbstractContextManager[Any]]]) -> None:
        self._makers, self._stack = makers, ExitStack()
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            self._made[name] = self._stack.enter_context(self._makers[name]())
        return self._made[name]

    def close(self) -> None:
        self._stack.close()


class Backend(msgspec.Struct):
    """One adapter family, ready to use: `storage` of one concept, a log and a guard that share its service."""

    clock: TestClock
    storage: Any
    other_concept: Any
    log: Any = None
    guard: Any = None
    faults: FaultyClient | None = None
    table: str = ""
    capabilities: frozenset[str] = frozenset()


def memory_backend(_: None) -> Backend:
    clock = TestClock()
    return Backend(
        clock,
        MemoryStorage(),
        MemoryStorage(),
        log=MemoryActionLog(clock),
        guard=MemoryFiringGuard(clock),
    )


def single_table_backend(services: Services) -> Backend:
    clock, client = TestClock(), FaultyClient(services.dynamodb)
    table = services.table(single_table)
    return Backend(
        clock,
        DynamoDBStorage(client, table=table, concept="User", clock=clock),
        DynamoDBStorage(client, table=table, concept="User#rows", clock=clock),
        log=DynamoDBActionLog(client, services.table(log_table), clock),
        guard=DynamoDBFiringGuard(client, services.table(guard_table), clock),
        faults=client,
        table=table,
        capabilities=services.capabilities,
    )


def prefixed_tables_backend(services: Services) -> Backend:
    clock, client = TestClock(), FaultyClient(services.dynamodb)
    prefix = services.name("prefix") + "-"
    for concept in ("User", "Phone.User"):
        for relation in ("rows", "others"):
            services.dynamodb.create_table(**prefixed_table(prefix, concept, relation))
    return Backend(
        clock,
        DynamoDBStorage(client, prefix=prefix, concept="User", clock=clock),
        DynamoDBStorage(client, prefix=prefix, concept="Phone.User", clock=clock),
        log=DynamoDBActionLog(client, services.table(log_table), clock),
        faults=client,
        table=f"{prefix}User.rows",
        capabilities=services.capabilities,
    )


def staging_backend(_: None) -> Backend:
    return Backend(TestClock(), Staging(MemoryStorage()), Staging(MemoryStorage()))
