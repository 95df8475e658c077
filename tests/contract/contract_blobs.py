"""Storage of large values for the contract suite: an index and a bucket, each on whatever is there for it."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any

import msgspec
from contract_backends import Backend, FaultyClient, Services, TestClock
from contract_google import emulator, firestore_backend, firestore_emulator, firestore_model
from contract_stores import CountingIds, sql_backend, sqlite_service
from google.api_core import exceptions
from google.cloud.storage import Client
from requests.exceptions import ReadTimeout

from clef_runtime.action_log.dynamodb import DynamoDBActionLog, log_table
from clef_runtime.action_log.memory import MemoryActionLog
from clef_runtime.objects.gcs import GcsObjects
from clef_runtime.objects.s3 import S3Objects
from clef_runtime.storage.blob import ABOVE_BYTES, BlobStorage
from clef_runtime.storage.dynamodb import DynamoDBStorage, single_table
from clef_runtime.storage.memory import MemoryStorage
from clef_sim.services.objects import gcs as gcs_model_of
from clef_sim.services.objects.s3 import S3


class Store(msgspec.Struct):
    """A bucket: its adapter, and the client under it, which fails where it is told to. `create`, `get`, `delete`: how
    its calls are named."""

    objects: Any
    faults: Any
    bucket: str
    create: str = "put_object"
    get: str = "get_object"
    delete: str = "delete_object"

    def names(self) -> list[str]:
        return [each.name for each in self.objects.listed("")]


def s3_store(client: Any, clock: TestClock, name: str) -> Store:
    client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    faulty = FaultyClient(client)
    return Store(S3Objects(faulty, name, clock), faulty, name)


def gcs_store(client: Any, clock: TestClock, name: str) -> Store:
    client.create_bucket(name)
    faulty = FaultyGcs(client)
    return Store(GcsObjects(faulty, name, clock), faulty, name, "upload_from_string", "download_as_bytes", "delete")


class Large(msgspec.Struct):
    """A storage of large values, above 1,000 bytes, and what it stands on. `faults`: of the index's client, whose
    calls are named `read` and `write`."""

    backend: Backend
    index: Any
    store: Store
    faults: Any
    read: str
    write: str

    def storage(self, index: Any = None) -> BlobStorage:
        """One instance's; over another index where that is given."""
        return BlobStorage(
            index or self.index,
            self.store.objects,
            concept="User",
            clock=self.backend.clock,
            ids=CountingIds(),
            above_bytes=1000,
        )


def large(services: Any) -> Large:
    """Over DynamoDB and S3's `Services`, or the clients of Firestore and GCS."""
    if isinstance(services, Services):
        backend, store = dynamodb_and_s3(services)
        return Large(backend, backend.storage, store, backend.faults, "get_item", "put_item")
    firestore, gcs = services
    backend = firestore_backend(firestore)
    store = bucket_of(gcs, backend.clock)
    return Large(backend, backend.storage, store, backend.faults, "get", "commit")


def blobs(backend: Backend, other_index: Any, store: Store, above_bytes: int) -> Backend:
    """The backend with its storage as the index of one for large values."""

    def over(index: Any, concept: str) -> BlobStorage:
        return BlobStorage(
            index, store.objects, concept=concept, clock=backend.clock, ids=CountingIds(), above_bytes=above_bytes
        )

    return msgspec.structs.replace(
        backend, storage=over(backend.storage, "User"), other_concept=over(other_index, "User#rows"), guard=None
    )


# ---- by which the whole suite is run


def blob_backend(services: Services) -> Backend:
    """DynamoDB and S3."""
    backend, store = dynamodb_and_s3(services)
    return blobs(backend, backend.other_concept, store, ABOVE_BYTES["dynamodb"])


def offloading_backend(services: Services) -> Backend:
    """DynamoDB and S3; every value is an object."""
    backend, store = dynamodb_and_s3(services)
    return blobs(backend, backend.other_concept, store, 1)


def dynamodb_and_s3(services: Services) -> tuple[Backend, Store]:
    clock, client = TestClock(), FaultyClient(services.dynamodb)
    store = s3_store(services.s3, clock, services.name("bucket"))
    table = services.table(single_table)
    backend = Backend(
        clock,
        DynamoDBStorage(client, table=table, concept="User", clock=clock),
        DynamoDBStorage(client, table=table, concept="User#rows", clock=clock),
        log=DynamoDBActionLog(client, services.table(log_table), clock),
        faults=client,
        table=table,
        capabilities=services.capabilities,
    )
    return backend, store


def blob_memory_backend(services: Any) -> Backend:
    """This process's memory and S3 or GCS; every value is an object."""
    clock = TestClock()
    backend = Backend(clock, MemoryStorage(), MemoryStorage(), log=MemoryActionLog(clock))
    return blobs(backend, backend.other_concept, bucket_of(services, clock), 1)


def bucket_of(services: Any, clock: TestClock) -> Store:
    """A new bucket of S3's `Services`, or of a GCS client."""
    if isinstance(services, Services):
        return s3_store(services.s3, clock, services.name("bucket"))
    return gcs_store(services, clock, f"test-{uuid.uuid4().hex[:20]}")


def blob_firestore_backend(clients: tuple[Any, Any]) -> Backend:
    """Firestore and GCS."""
    firestore, gcs = clients
    backend = firestore_backend(firestore)
    return blobs(backend, backend.other_concept, bucket_of(gcs, backend.clock), ABOVE_BYTES["firestore"])


def blob_sql_backend(services: tuple[Any, Any]) -> Backend:
    """SQL and S3; every value is an object."""
    database, s3 = services
    backend = sql_backend(database)
    return blobs(backend, backend.other_concept, bucket_of(s3, backend.clock), 1)


# ---- services


@contextmanager
def gcs_emulator() -> Iterator[Any]:
    emulator("STORAGE_EMULATOR_HOST")
    client = Client(project=os.environ.get("CLEF_PROJECT", "clef-test"))
    yield client
    client.close()


@contextmanager
def gcs_model() -> Iterator[Any]:
    yield gcs_model_of.sdk_client(gcs_model_of.Gcs(TestClock().now))


@contextmanager
def both_google() -> Iterator[tuple[Any, Any]]:
    with firestore_emulator() as firestore, gcs_emulator() as gcs:
        yield firestore, gcs


@contextmanager
def both_google_models() -> Iterator[tuple[Any, Any]]:
    with firestore_model() as firestore, gcs_model() as gcs:
        yield firestore, gcs


@contextmanager
def sqlite_and_s3() -> Iterator[tuple[Any, Any]]:
    with sqlite_service() as database:
        yield database, Services({"s3": S3(TestClock().now)})


BLOBS: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "gcs": gcs_emulator,
    "gcs-model": gcs_model,
    "firestore-gcs": both_google,
    "firestore-gcs-model": both_google_models,
    "sqlite-s3-model": sqlite_and_s3,
}


# ---- faults


class FaultyGcs:
    """A Cloud Storage client whose blobs' calls fail where it is told to; `calls` has the name of every call made."""

    def __init__(self, client: Any) -> None:
        self.client = client  # without faults
        self.calls: list[str] = []
        self._plans: dict[str, list[Callable[[Callable[[], Any]], Any]]] = {}

    def refuse(self, method: str, error: Exception, *, times: int = 1) -> None:
        """The next calls end in `error` and do nothing."""

        def plan(_: Callable[[], Any]) -> Any:
            raise error

        self._plans.setdefault(method, []).extend([plan] * times)

    def lose_request(self, method: str, *, times: int = 1) -> None:
        """The next calls never reach the service, and get no answer."""
        self.refuse(method, ReadTimeout("planned"), times=times)

    def lose_answer(self, method: str, *, times: int = 1) -> None:
        """The next calls reach the service, but their answers are lost."""

        def plan(call: Callable[[], Any]) -> Any:
            with suppress(exceptions.GoogleAPICallError):  # a refusal is lost as well
                call()
            raise ReadTimeout("planned")

        self._plans.setdefault(method, []).extend([plan] * times)

    def before(self, method: str, action: Callable[[], Any]) -> None:
        """Something happens just before the next call."""

        def plan(call: Callable[[], Any]) -> Any:
            action()
            return call()

        self._plans.setdefault(method, []).append(plan)

    def called(self, method: str) -> list[str]:
        return [each for each in self.calls if each == method]

    def run(self, method: str, call: Callable[[], Any]) -> Any:
        self.calls.append(method)
        plans = self._plans.get(method)
        return plans.pop(0)(call) if plans else call()

    def bucket(self, name: str) -> Any:
        return _FaultyBucket(self, self.client.bucket(name))

    def list_blobs(self, *given: Any, **options: Any) -> Any:
        return self.client.list_blobs(*given, **options)


class _FaultyBucket:
    def __init__(self, faults: FaultyGcs, real: Any) -> None:
        self._faults, self._real = faults, real

    def blob(self, name: str) -> Any:
        return _FaultyBlob(self._faults, self._real.blob(name))


class _FaultyBlob:
    def __init__(self, faults: FaultyGcs, real: Any) -> None:
        self._faults, self._real = faults, real

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._real, name)
        return lambda *given, **options: self._faults.run(name, lambda: method(*given, **options))
