"""The real services of a live run: emptied of what earlier runs left, filled with what the manifest names, asked
whether messages wait, and watched."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from clef_runtime.context import SystemIds
from clef_runtime.deploy.names import Names
from clef_runtime.errors import BadInput
from clef_sim.emulated.backends import Backend, BackendFailed, Backends
from clef_sim.prepared import Prepared
from emulators.catalogue import ENVIRONMENT, SERVICES, WAYS
from emulators.provisioned import create, needed
from emulators.questions import aws_client

_LOOK_S = 1.0
_SILENT_LOOKS = 3
"""So many times one after another a backend must fail to answer, to be taken for gone: it may be busy."""


class Queues(Protocol):
    """What is asked of the queues that feed functions."""

    def waiting(self) -> int:
        """Messages that wait or are being worked on, dead letters aside."""

    def dead_letters(self) -> int:
        """Messages that were received too often."""


class NoQueues:
    """Options A and B."""

    def waiting(self) -> int:
        return 0

    dead_letters = waiting


class SqsQueues:
    def __init__(self, prepared: Prepared, sqs: Any) -> None:
        names = Names(prepared.manifest, prepared.app.name)
        functions = names.functions(concept.name for concept in prepared.app.catalogue)
        queues = [names.completion_queue, *map(names.queue_of, functions)]
        self._sqs = sqs
        self._urls = [self._url(queue) for queue in queues]
        self._dead = [self._url(names.dead_letters(queue)) for queue in queues]

    def _url(self, queue: str) -> str:
        return str(self._sqs.get_queue_url(QueueName=queue)["QueueUrl"])

    def waiting(self) -> int:
        try:
            return sum(map(self._held, self._urls))
        except (BotoCoreError, ClientError):
            return 1  # nobody knows; if SQS has gone, `Watch` says so

    def dead_letters(self) -> int:
        return sum(map(self._held, self._dead))

    def _held(self, url: str) -> int:
        answer = self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        counts = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
        return sum(int(answer[name]) for name in (*counts, "ApproximateNumberOfMessagesDelayed"))


class PubSubQueues:
    """Pub/Sub does not say how many wait: those count that were published and never acknowledged, dead letters among
    them."""

    def __init__(self, folder: Path) -> None:
        from clef_sim.live.pubsub import Traffic

        self._traffic = Traffic(folder)

    def waiting(self) -> int:
        return self._traffic.waiting

    def dead_letters(self) -> int:
        return 0


class LiveSite:
    """The services that one run uses.

    Attributes:
        env: the variables that lead to them.
        project: Google Cloud's, fresh.
    """

    def __init__(self, prepared: Prepared, backends: Backends) -> None:
        self._prepared = prepared
        self.backends: dict[str, Backend] = {name: backends[name] for name in needed(prepared.manifest)}
        self.project = f"live-{SystemIds().new()[:13]}"
        self.env = {name: value for each in self.backends.values() for name, value in each.env.items()}
        self.env["CLEF_PROJECT"] = self.env["GOOGLE_CLOUD_PROJECT"] = self.project

    def prepare(self) -> None:
        """Removes what bears the app's name, and creates what the manifest names.

        Raises:
            BadInput: a database of the environment, which is not emptied here.
            ClefError: a service refuses what the manifest names.
        """
        prefix = f"{Names(self._prepared.manifest, self._prepared.app.name).base}-"
        for service, backend in self.backends.items():
            if service == "dynamodb":
                _delete_tables(aws_client(service, backend.url), prefix)
            elif service == "sqs":
                _delete_queues(aws_client(service, backend.url), prefix)
            elif service not in ("firestore", "pubsub", "gcs"):  # the project is fresh
                if backend.way == ENVIRONMENT:
                    raise BadInput(f"{backend} is not emptied by a live run; unset its variable, or take another way")
                SERVICES[service].empty(backend.url)
        create(self._prepared.manifest, self._prepared.app, self.env)

    def queues(self, folder: Path) -> Queues:
        if "sqs" in self.backends:
            return SqsQueues(self._prepared, aws_client("sqs", self.backends["sqs"].url))
        return PubSubQueues(folder) if "pubsub" in self.backends else NoQueues()


def _delete_tables(dynamodb: Any, prefix: str) -> None:
    for page in dynamodb.get_paginator("list_tables").paginate():
        for table in page["TableNames"]:
            if table.startswith(prefix):
                dynamodb.delete_table(TableName=table)


def _delete_queues(sqs: Any, prefix: str) -> None:
    for page in sqs.get_paginator("list_queues").paginate(QueueNamePrefix=prefix):
        for url in page.get("QueueUrls", ()):
            sqs.delete_queue(QueueUrl=url)


class Watch:
    """Asks the backends of a run again and again whether they answer, in a thread of its own."""

    def __init__(self, backends: Mapping[str, Backend]) -> None:
        self._backends = backends
        self._silent: dict[str, int] = dict.fromkeys(backends, 0)
        self._stopped = threading.Event()
        self._failed: Backend | None = None
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raises BackendFailed where one has stopped answering."""
        if self._failed is not None:
            raise BackendFailed(self._failed, "stopped answering in the middle of the run; see whether it still runs")

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(_LOOK_S):
            for service, backend in self._backends.items():
                good = SERVICES[service].answers_by(WAYS.get(backend.way), backend.url)
                self._silent[service] = 0 if good else self._silent[service] + 1
                if self._silent[service] >= _SILENT_LOOKS:
                    self._failed = backend
                    return
