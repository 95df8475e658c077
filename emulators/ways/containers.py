"""Containers by the docker command, each gone with its service. The images are those of `docker-compose.yml`."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

import msgspec

from emulators.processes import Launch, Place
from emulators.ways.base import Missing, Way, modules


class Image(msgspec.Struct, frozen=True):
    """`port` is the one inside the container; `command` what runs there, the image's own where empty."""

    name: str
    port: int
    env: dict[str, str] = {}
    command: tuple[str, ...] = ()


_GCLOUD = "gcr.io/google.com/cloudsdktool/google-cloud-cli:528.0.0-emulators"

IMAGES = {
    "redis": Image("redis:7.4.1", 6379, command=("redis-server", "--save", "", "--protected-mode", "no")),
    "postgres": Image("postgres:17.2", 5432, {"POSTGRES_HOST_AUTH_METHOD": "trust"}),
    "dynamodb-local": Image("amazon/dynamodb-local:2.5.2", 8000),
    # Later images refuse to start without an account's token.
    "localstack": Image("localstack/localstack:4.14.0", 4566, {"SERVICES": "sqs,s3", "DISABLE_EVENTS": "1"}),
    "firestore": Image(
        _GCLOUD, 8080, command=("gcloud", "emulators", "firestore", "start", "--host-port=0.0.0.0:8080")
    ),
    "pubsub": Image(
        _GCLOUD, 8085, command=("gcloud", "beta", "emulators", "pubsub", "start", "--host-port=0.0.0.0:8085")
    ),
    "gcs": Image("fsouza/fake-gcs-server:1.52.2", 4443, command=("-scheme", "http", "-backend", "memory")),
}

_SERVES = {"dynamodb-local": ("dynamodb",), "localstack": ("sqs", "s3")}
_MODULES = {"redis": ("redis",), "postgres": ("psycopg",)}


def services_of(image: str) -> tuple[str, ...]:
    """What a container of the image serves."""
    return _SERVES.get(image, (image,))


def _missing(name: str) -> Missing | None:
    image = IMAGES[name].name
    without = modules(*_MODULES.get(name, ()))
    if without:
        return without
    if not engine(("version", "--format", "{{.Server.Version}}")):
        return Missing("no Docker engine answers", "apt-get install -y docker.io")
    if not engine(("image", "inspect", "--format", "{{.Id}}", image)):
        return Missing(f"no image {image}", f"docker pull {image}")
    return None


@cache
def engine(arguments: tuple[str, ...]) -> bool:
    """The docker command succeeds with these; asked once."""
    docker = shutil.which("docker")
    if not docker:
        return False
    try:
        return subprocess.run([docker, *arguments], capture_output=True, timeout=5).returncode == 0  # noqa: S603 - as above
    except subprocess.TimeoutExpired:
        return False


def _launch(name: str, place: Place) -> Launch:
    image, container = IMAGES[name], place.folder.name
    options = ["--rm", "--name", container, "--publish", f"127.0.0.1:{place.port}:{image.port}"]
    options += [word for key, value in image.env.items() for word in ("--env", f"{key}={value}")]
    return Launch(
        argv=("docker", "run", *options, image.name, *image.command),
        after=("docker", "rm", "--force", "--volumes", container),
        env={"DOCKER_CONFIG": os.environ.get("DOCKER_CONFIG") or str(Path.home() / ".docker")},
        listens=False,  # the engine does
    )


def _way(name: str) -> Way:
    return Way(
        name=f"{name}-container",
        kind="container",
        serves=services_of(name),
        missing=lambda: _missing(name),
        launch=lambda place: _launch(name, place),
        version=lambda: IMAGES[name].name.rpartition(":")[2],
        timeout_s=60.0,
    )


WAYS = {name: _way(name) for name in IMAGES}
