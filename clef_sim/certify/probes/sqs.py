"""SQS: visibility time-outs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clef_runtime import aws
from clef_runtime.deploy.aws_clients import AwsClients
from clef_runtime.retry import NO_RETRY
from clef_sim.certify.probes import Moment


class Probe:
    def __init__(self, _: Mapping[str, str]) -> None:
        self._clients = AwsClients()
        self._client, self._call = self._clients.sqs(), aws.caller(Moment(), NO_RETRY)

    def prepare(self, name: str) -> None:
        """Each series has a queue of its own."""

    def make_queue(self, name: str, visibility_s: float) -> None:
        attributes = {"VisibilityTimeout": str(int(visibility_s))}
        self._call(self._client.create_queue, {"QueueName": name, "Attributes": attributes})

    def send(self, queue: str, bodies: list[str]) -> None:
        for start in range(0, len(bodies), 10):
            entries = [{"Id": f"{n}", "MessageBody": body} for n, body in enumerate(bodies[start : start + 10])]
            self._call(self._client.send_message_batch, {"QueueUrl": self._url(queue), "Entries": entries})

    def receive(self, queue: str) -> list[tuple[str, Any]]:
        arguments = {"QueueUrl": self._url(queue), "MaxNumberOfMessages": 10, "WaitTimeSeconds": 0}
        found = self._call(self._client.receive_message, arguments)
        return [(each["Body"], each["ReceiptHandle"]) for each in found.get("Messages", ())]

    def delete(self, queue: str, handle: Any) -> None:
        self._call(self._client.delete_message, {"QueueUrl": self._url(queue), "ReceiptHandle": handle})

    def _url(self, queue: str) -> str:
        return self._clients.queue_url(queue)
