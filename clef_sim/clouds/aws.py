"""AWS: DynamoDB, SQS and its event sources, Lambda's Function URLs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from clef_runtime.errors import NotFound
from clef_runtime.serverless.lambda_handler import make_handler
from clef_runtime.serverless.service import FunctionService
from clef_sim.clients import SimClients
from clef_sim.clouds import Site
from clef_sim.clouds.shared import SharedServices
from clef_sim.emulated.dynamodb import EmulatedDynamoDB
from clef_sim.emulated.s3 import EmulatedS3
from clef_sim.emulated.sqs import EmulatedSQS
from clef_sim.faults_queues import QueueFaults
from clef_sim.faults_tables import TableFaults
from clef_sim.kernel.instance import Instance
from clef_sim.network import Endpoint, Network
from clef_sim.outside import Front, FunctionUrlFront
from clef_sim.platform.event_source import EventSource
from clef_sim.platform.event_source import Mapping as SourceMapping
from clef_sim.platform.functions import Handler
from clef_sim.platform.url import FunctionUrl
from clef_sim.services.dynamodb import DynamoDB
from clef_sim.services.dynamodb.rates import ReplicaLag, TtlDelay
from clef_sim.services.objects.s3 import S3
from clef_sim.services.sqs import SQS
from emulators.provision import create_queues, create_s3_bucket, create_tables


class Aws:
    """See `clouds.Cloud`."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self.front: Front = FunctionUrlFront()
        self.dynamodb, self.sqs = _dynamodb_of(site), _sqs_of(site)
        create_tables(site.manifest, site.app, self.dynamodb)
        self.s3 = _s3_of(site)
        create_s3_bucket(site.manifest, site.app, self.s3)
        self.queue_urls = create_queues(site.manifest, site.app, self.sqs)
        self._queues = {name: self.sqs.queue(name) for name in self.queue_urls}
        self._table_faults = TableFaults(site.faults, site.history, self.dynamodb)
        self.queue_faults = QueueFaults(site.faults, site.history, self._queues, self._redrive)
        self.sources: list[EventSource] = []

    def clients(self, instance: Instance) -> SimClients:
        site = self._site
        timeout_s, shared = site.http_timeout_s, site.shared
        return _Clients(site.network, instance, shared, timeout_s, self.dynamodb, self.sqs, self.queue_urls, self.s3)

    def handler(self, build: Callable[[], FunctionService]) -> Handler:
        return make_handler(build(), partial_batch_responses=self._site.manifest.transport.partial_batch_responses)

    def url(self, function: str) -> Endpoint:
        return FunctionUrl(self._site.platform, function)

    def feed(self, function: str, queue: str) -> None:
        """An event source from the queue to the function."""
        site, transport = self._site, self._site.manifest.transport
        mapping = SourceMapping(
            queue=self.queue_urls[queue],
            arn=self._queues[queue].arn,
            function=function,
            fifo=transport.fifo,
            batch_size=transport.batch_size,
            window_s=transport.window_s,
            partial_batch_responses=transport.partial_batch_responses,
            hold_back_s=self.queue_faults.hold_back(queue),
        )
        self.sources.append(
            EventSource(mapping, site.kernel, site.choices, site.history, site.profile, self.sqs, site.platform)
        )

    def _redrive(self, queue: str) -> int:
        dead = self._queues[queue].settings.dead_letters
        count = self.sqs.queue(dead).visible
        if count:
            self.sqs.start_message_move_task(SourceArn=dead)
        return count

    def begin_faults(self) -> None:
        self._table_faults.begin()

    def stop_faults(self) -> None:
        self._table_faults.stop()

    @property
    def resting(self) -> bool:
        return not any(queue.visible or queue.in_flight or queue.delayed for queue in self._queues.values())

    @property
    def dead_letters(self) -> int:
        return sum(self.sqs.queue(self._site.names.dead_letters(name)).visible for name in self._queues)

    def close(self) -> None:
        if isinstance(self.sqs, EmulatedSQS):
            self.sqs.check()


def _dynamodb_of(site: Site) -> DynamoDB | EmulatedDynamoDB:
    choices, now = site.choices, site.clock.now
    ttl_delay_s = TtlDelay(choices.stream("dynamodb.ttl"))
    backend = site.backend("dynamodb")
    if backend is not None:
        return EmulatedDynamoDB(backend, now, ttl_delay_s)
    return DynamoDB(now, lag_s=ReplicaLag(choices.stream("dynamodb.lag")), ttl_delay_s=ttl_delay_s)


def _sqs_of(site: Site) -> SQS:
    backend = site.backend("sqs")
    if backend is not None:
        return EmulatedSQS(backend, site.kernel, site.clock.now)
    return SQS(site.clock.now, site.kernel)


def _s3_of(site: Site) -> S3 | EmulatedS3:
    backend = site.backend("s3")
    return S3(site.clock.now) if backend is None else EmulatedS3(backend)


class _Clients(SimClients):
    def __init__(
        self,
        network: Network,
        instance: Instance,
        shared: SharedServices,
        http_timeout_s: float,
        dynamodb: DynamoDB | EmulatedDynamoDB,
        sqs: SQS,
        queue_urls: Mapping[str, str],
        s3: S3 | EmulatedS3,
    ) -> None:
        super().__init__(network, instance, shared, http_timeout_s=http_timeout_s)
        self._dynamodb, self._sqs, self._queue_urls, self._s3 = dynamodb, sqs, queue_urls, s3

    def dynamodb(self) -> Any:
        return self._network.client("dynamodb", self._dynamodb, self._instance)

    def sqs(self) -> Any:
        return self._network.client("sqs", self._sqs, self._instance)

    def s3(self) -> Any:
        return self._network.client("s3", self._s3, self._instance)

    def queue_url(self, queue: str) -> str:
        if queue not in self._queue_urls:
            raise NotFound(f"no queue {queue!r}; there are {', '.join(self._queue_urls)}")
        return self._queue_urls[queue]
