"""What a manifest needs: which services, and everything of it created in those that run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clef_runtime.app import App
from clef_runtime.deploy.manifest import Manifest
from clef_runtime.errors import BadInput, ClefError, Refused
from emulators import provision
from emulators.questions import REGION, aws_client

_SERVICES = {"dynamodb": "dynamodb", "firestore": "firestore", "redis": "redis", "sql": "postgres"}


def needed(manifest: Manifest) -> list[str]:
    """The services of a manifest's storage, action log, guard and transport.

    Raises:
        BadInput: it needs one for which there is no emulator.
    """
    kinds = [
        *manifest.storage.row_kinds,
        *manifest.storage.kinds,
        manifest.action_log.kind,
        manifest.guard.kind,
        manifest.transport.kind,
    ]
    found: dict[str, None] = {}
    for kind in kinds:
        if kind == "upstash":
            raise BadInput(f"{manifest.file}: kind upstash has no emulator here; use redis, whose commands it has")
        if kind == "blob":
            found["s3" if manifest.cloud == "aws" else "gcs"] = None
        elif kind in ("sqs", "pubsub"):
            found[kind] = None
        elif kind in _SERVICES:
            found[_SERVICES[kind]] = None
    return list(found)


def create(manifest: Manifest, app: App, env: Mapping[str, str]) -> list[str]:
    """Creates what is missing of the manifest's tables, queues, topics, buckets and schema in the services that `env`
    leads to; returns their names. Firestore and Redis need nothing.

    Raises:
        ClefError: a service refused one, or is not in `env`; those before it stand.
    """
    try:
        return _create(manifest, app, env)
    except ClefError:
        raise
    except Exception as error:
        if not _of_an_sdk(error):
            raise
        raise Refused(f"{manifest.file}: creating what it needs: {error}") from error


def _create(manifest: Manifest, app: App, env: Mapping[str, str]) -> list[str]:
    services = needed(manifest)
    made: list[str] = []
    if "dynamodb" in services:
        made += provision.create_tables(manifest, app, _aws("dynamodb", env))
    if "sqs" in services:
        made += provision.create_queues(manifest, app, _aws("sqs", env))
    if "pubsub" in services:
        made += _topics(manifest, app, env)
    if "postgres" in services:
        made += provision.create_schema(manifest, app, _of(env, "DATABASE_URL"))
    if "s3" in services:
        made += provision.create_s3_bucket(manifest, app, _aws("s3", env), REGION)
    if "gcs" in services:
        made += _gcs_bucket(manifest, app, env)
    return made


def _topics(manifest: Manifest, app: App, env: Mapping[str, str]) -> list[str]:
    import grpc
    from google.pubsub_v1 import PublisherClient, SubscriberClient
    from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
    from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

    with grpc.insecure_channel(_of(env, "PUBSUB_EMULATOR_HOST")) as channel:
        publisher = PublisherClient(transport=PublisherGrpcTransport(channel=channel))
        subscriber = SubscriberClient(transport=SubscriberGrpcTransport(channel=channel))
        return provision.create_topics(manifest, app, _of(env, "CLEF_PROJECT"), publisher, subscriber)


def _gcs_bucket(manifest: Manifest, app: App, env: Mapping[str, str]) -> list[str]:
    from google.auth.credentials import AnonymousCredentials
    from google.cloud.storage import Client

    client = Client(
        project=_of(env, "CLEF_PROJECT"),
        credentials=AnonymousCredentials(),  # type: ignore[no-untyped-call]  # the SDK has no types for it
        client_options={"api_endpoint": _of(env, "STORAGE_EMULATOR_HOST")},
    )
    try:
        return provision.create_gcs_bucket(manifest, app, client)
    finally:
        client.close()


def _aws(service: str, env: Mapping[str, str]) -> Any:
    return aws_client(service, _of(env, f"AWS_ENDPOINT_URL_{service.upper()}"))


def _of(env: Mapping[str, str], variable: str) -> str:
    if variable not in env:
        raise BadInput(f"{variable} is not among the variables of what runs; start the service")
    return env[variable]


def _of_an_sdk(error: Exception) -> bool:
    return type(error).__module__.partition(".")[0] in ("botocore", "google", "grpc") or isinstance(error, OSError)
