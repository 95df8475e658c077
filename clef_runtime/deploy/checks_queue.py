"""What a queue transport must keep to. Limits are those documented for SQS, Lambda's event source and Pub/Sub."""

from __future__ import annotations

from clef_runtime.deploy.manifest import Manifest
from clef_runtime.deploy.problems import Problems
from clef_runtime.model import Record

_CLOUD_OF = {"sqs": "aws", "pubsub": "gcp"}
_QUEUE_OF = {"aws": "sqs", "gcp": "pubsub"}


def cloud(manifest: Manifest, _: Record, problems: Problems) -> None:
    kind = manifest.transport.kind
    if manifest.transport.is_queue and _CLOUD_OF[kind] != manifest.cloud:
        problems.error(
            ("transport", "kind"),
            f"kind(={kind!r}) feeds no functions on cloud {manifest.cloud}; "
            f"allowed: http, {_QUEUE_OF[manifest.cloud]}",
        )


def meaningless(manifest: Manifest, given: Record, problems: Problems) -> None:
    """Settings that would silently do nothing."""
    kind = manifest.transport.kind
    without = {"http": None, "pubsub": ("batch_size", "window_s", "partial_batch_responses"), "sqs": ()}[kind]
    for field in given.get("transport", {}):
        if field != "kind" and (without is None or field in without):
            why = "has no queue" if kind == "http" else "pushes one message a call"
            problems.error(("transport", field), f"`{field}` has no meaning with kind: {kind}, which {why}")


def batches(manifest: Manifest, _: Record, problems: Problems) -> None:
    transport = manifest.transport
    if transport.kind != "sqs":
        return
    if transport.fifo and transport.window_s > 0:
        problems.error(
            ("transport", "window_s"),
            f"window_s(={transport.window_s:g}) must be 0 with fifo: no batch window there",
        )
    if transport.fifo and transport.batch_size > 10:
        problems.error(("transport", "batch_size"), f"batch_size(={transport.batch_size}) must be <= 10 with fifo")
    elif transport.batch_size > 10 and transport.window_s < 1 and not transport.fifo:
        problems.error(
            ("transport", "window_s"),
            f"window_s(={transport.window_s:g}) must be >= 1 for batch_size(={transport.batch_size}) > 10",
        )
    if not transport.partial_batch_responses and transport.batch_size > 1:
        problems.warn(
            ("transport", "partial_batch_responses"),
            f"one message that fails returns all {transport.batch_size} of its batch; true returns only it",
        )


def limits(manifest: Manifest, _: Record, problems: Problems) -> None:
    transport = manifest.transport
    if transport.kind == "pubsub" and not 10 <= transport.visibility_timeout_s <= 600:
        problems.error(
            ("transport", "visibility_timeout_s"),
            f"visibility_timeout_s(={transport.visibility_timeout_s:g}) must be >= 10 and <= 600: "
            "Pub/Sub's ack deadline",
        )
    if transport.kind == "pubsub" and not 5 <= transport.max_receive_count <= 100:
        problems.error(
            ("transport", "max_receive_count"),
            f"max_receive_count(={transport.max_receive_count}) must be >= 5 and <= 100 on Pub/Sub",
        )
    if transport.kind == "sqs" and transport.max_receive_count == 1:
        problems.warn(
            ("transport", "max_receive_count"),
            "max_receive_count(=1) moves a message that was received and never seen to the dead-letter queue; take 5",
        )


def visibility(manifest: Manifest, _: Record, problems: Problems) -> None:
    transport = manifest.transport
    if not transport.is_queue:
        return
    for name, runtime in manifest.runtimes.items():
        if runtime.is_function and transport.visibility_timeout_s < runtime.timeout_s:
            problems.warn(
                ("transport", "visibility_timeout_s"),
                f"visibility_timeout_s(={transport.visibility_timeout_s:g}) is less than "
                f"runtimes.{name}.timeout_s(={runtime.timeout_s:g}): a message comes again while it is being "
                "worked on; take six times the time-out",
            )
