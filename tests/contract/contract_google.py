"""Firestore and Pub/Sub for the contract suite: the simulator's models, and the emulators that the environment names.

Without FIRESTORE_EMULATOR_HOST or PUBSUB_EMULATOR_HOST the tests of the emulators are skipped, and with
CLEF_REQUIRE_BACKENDS=1 they fail. Every run has a project of its own, every test names of its own in it.
"""

from __future__ import annotations

import itertools
import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any

import pytest
from contract_backends import Backend, TestClock
from google.api_core import exceptions
from google.cloud.firestore import Client

from clef_runtime.action_log.firestore import FirestoreActionLog
from clef_runtime.deploy.google_clients import pubsub_publisher, pubsub_subscriber
from clef_runtime.guard.firestore import FirestoreFiringGuard
from clef_runtime.storage.firestore import FirestoreStorage
from clef_sim.services.firestore import Firestore as FirestoreModel
from clef_sim.services.firestore import sdk_client
from clef_sim.services.pubsub import PubSub as PubSubModel

_numbers = itertools.count(1)

PROJECT = f"test-{uuid.uuid4().hex[:12]}"


def emulator(variable: str) -> str:
    """Where the emulator is; else the test ends here."""
    host = os.environ.get(variable, "")
    if not host:
        reason = f"{variable} is not set: start the emulator and say where it is"
        if os.environ.get("CLEF_REQUIRE_BACKENDS") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return host


@contextmanager
def firestore_emulator() -> Iterator[Client]:
    emulator("FIRESTORE_EMULATOR_HOST")
    yield Client(project=PROJECT)


@contextmanager
def firestore_model() -> Iterator[Client]:
    yield sdk_client(FirestoreModel(TestClock().now))


def firestore_backend(client: Client) -> Backend:
    clock, faulty, name = TestClock(), FaultyFirestore(client), f"t{next(_numbers)}"
    return Backend(
        clock,
        FirestoreStorage(faulty, root=f"{name}-state", concept="User", clock=clock),
        FirestoreStorage(faulty, root=f"{name}-state", concept="User/rows", clock=clock),
        log=FirestoreActionLog(faulty, f"{name}-log", clock),
        guard=FirestoreFiringGuard(faulty, f"{name}-guard", clock),
        faults=faulty,
        table=name,
    )


class FaultyFirestore:
    """A Firestore client whose calls of `get` (one document) and `commit` fail where it is told to; `calls` has the
    name of every call made. Its transactions are not watched."""

    def __init__(self, client: Client) -> None:
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
        self.refuse(method, exceptions.DeadlineExceeded("planned"), times=times)

    def lose_answer(self, method: str, *, times: int = 1) -> None:
        """The next calls reach the service, but their answers are lost."""

        def plan(call: Callable[[], Any]) -> Any:
            with suppress(exceptions.GoogleAPICallError):  # a refusal is lost as well
                call()
            raise exceptions.ServiceUnavailable("planned")

        self._plans.setdefault(method, []).extend([plan] * times)

    def before(self, method: str, action: Callable[[], Any]) -> None:
        """Something happens just before the next call."""

        def plan(call: Callable[[], Any]) -> Any:
            action()
            return call()

        self._plans.setdefault(method, []).append(plan)

    def run(self, method: str, call: Callable[[], Any]) -> Any:
        self.calls.append(method)
        plans = self._plans.get(method)
        return plans.pop(0)(call) if plans else call()

    def batch(self) -> Any:
        return _Faulty(self, self.client.batch(), "commit")

    def document(self, path: str) -> Any:
        return _Faulty(self, self.client.document(path), "get")

    def __getattr__(self, name: str) -> Any:
        return getattr(self.client, name)


class _Faulty:
    """An object of the client's, with its one watched method."""

    def __init__(self, faults: FaultyFirestore, real: Any, watched: str) -> None:
        self._faults, self._real, self._watched = faults, real, watched

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._real, name)
        if name != self._watched:
            return method
        return lambda *given, **options: self._faults.run(name, lambda: method(*given, **options))


class PubSub:
    """Clients, and topics each with a subscription of its name."""

    def __init__(self, publisher: Any, subscriber: Any) -> None:
        self.publisher, self.subscriber = publisher, subscriber

    def topic(self, *, fifo: bool = False, **settings: Any) -> tuple[str, str]:
        """The full names of a new topic and of its subscription."""
        name = f"topic-{next(_numbers)}"
        topic, subscription = f"projects/{PROJECT}/topics/{name}", f"projects/{PROJECT}/subscriptions/{name}"
        self.publisher.create_topic(request={"name": topic})
        self.subscriber.create_subscription(
            request={"name": subscription, "topic": topic, "enable_message_ordering": fifo, **settings}
        )
        return topic, subscription


@contextmanager
def pubsub_emulator() -> Iterator[PubSub]:
    emulator("PUBSUB_EMULATOR_HOST")
    publisher, subscriber = pubsub_publisher(), pubsub_subscriber()
    yield PubSub(publisher, subscriber)
    publisher.transport.close()
    subscriber.transport.close()


@contextmanager
def pubsub_model() -> Iterator[PubSub]:
    model = PubSubModel(TestClock().now)
    yield PubSub(model, model)


GOOGLE: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "firestore": firestore_emulator,
    "firestore-model": firestore_model,
    "pubsub": pubsub_emulator,
    "pubsub-model": pubsub_model,
}
