"""The services, and the ways to get each in the order in which they are tried.

Before all of them comes an endpoint that the environment names already: `named`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec

from clef_runtime.errors import BadInput
from clef_runtime.language.findings import did_you_mean
from emulators import questions
from emulators.processes import Place
from emulators.ways import aws, containers, google, redis, sql
from emulators.ways.base import Way

ENVIRONMENT = "environment"
"""The way of an endpoint that is there already: neither started nor stopped nor emptied."""


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """`variables` hold the URL, made from `{address}`; `named_by` are looked at for one, in order. `also`: what else
    a client needs."""

    name: str
    url: str
    variables: tuple[str, ...]
    named_by: tuple[str, ...]
    answers: Callable[[str], bool]
    empty: Callable[[str], None]
    ways: tuple[Way, ...]
    also: dict[str, str] = {}

    def answers_by(self, way: Way | None, url: str) -> bool:
        """Whether it answers, asked as the way has it."""
        return way.answers(url) if way and way.answers else self.answers(url)

    def url_at(self, way: Way, place: Place) -> str:
        return way.url(place) if way.url else self.url.format(address=f"127.0.0.1:{place.port}")

    def env(self, url: str) -> dict[str, str]:
        """The variables that lead clients to `url`."""
        # SQLite serves the same adapters, but whoever asks for PostgreSQL does not mean it.
        variables = [name for name in self.variables if name != "POSTGRES_URL" or url.startswith("postgres")]
        return {**dict.fromkeys(variables, url), **self.also}


_AWS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": questions.REGION,
}
_GOOGLE = {"CLEF_PROJECT": questions.PROJECT, "GOOGLE_CLOUD_PROJECT": questions.PROJECT}


def _aws(name: str, answers: Callable[[str], bool], empty: Callable[[str], None], ways: tuple[Way, ...]) -> Service:
    variable = f"AWS_ENDPOINT_URL_{name.upper()}"
    return Service(
        name=name,
        url="http://{address}",
        variables=(variable,),
        named_by=(variable, "AWS_ENDPOINT_URL"),
        answers=answers,
        empty=empty,
        ways=ways,
        also=_AWS,
    )


_LIST = (
    _aws(
        "dynamodb",
        questions.dynamodb,
        questions.empty_dynamodb,
        (aws.DYNAMODB_LOCAL, aws.MINISTACK, aws.MOTO, containers.WAYS["dynamodb-local"]),
    ),
    _aws(
        "sqs",
        questions.sqs,
        questions.empty_sqs,
        (aws.MINISTACK, aws.LOCALSTACK, aws.MOTO, containers.WAYS["localstack"]),
    ),
    _aws(
        "s3",
        questions.s3,
        questions.empty_s3,
        (aws.MINISTACK, aws.LOCALSTACK, aws.MOTO, containers.WAYS["localstack"]),
    ),
    Service(
        name="firestore",
        url="{address}",
        variables=("FIRESTORE_EMULATOR_HOST",),
        named_by=("FIRESTORE_EMULATOR_HOST",),
        answers=questions.firestore,
        empty=questions.empty_firestore,
        ways=(google.FIRESTORE, google.FIRESTORE_NPM, containers.WAYS["firestore"]),
        also=_GOOGLE,
    ),
    Service(
        name="pubsub",
        url="{address}",
        variables=("PUBSUB_EMULATOR_HOST",),
        named_by=("PUBSUB_EMULATOR_HOST",),
        answers=questions.pubsub,
        empty=questions.empty_pubsub,
        ways=(google.PUBSUB, containers.WAYS["pubsub"]),
        also=_GOOGLE,
    ),
    Service(
        name="redis",
        url="redis://{address}/0",
        variables=("REDIS_URL",),
        named_by=("REDIS_URL",),
        answers=questions.redis,
        empty=questions.empty_redis,
        ways=(redis.REDIS_SERVER, redis.FAKEREDIS, containers.WAYS["redis"]),
    ),
    Service(
        name="postgres",
        url="postgresql://postgres@{address}/postgres",
        variables=("DATABASE_URL", "POSTGRES_URL"),
        named_by=("DATABASE_URL", "POSTGRES_URL"),
        answers=questions.sql,
        empty=questions.empty_postgres,
        ways=(sql.POSTGRESQL, sql.EMBEDDED_POSTGRES, sql.SQLITE, containers.WAYS["postgres"]),
    ),
    Service(
        name="gcs",
        url="http://{address}",
        variables=("STORAGE_EMULATOR_HOST",),
        named_by=("STORAGE_EMULATOR_HOST",),
        answers=questions.gcs,
        empty=questions.empty_gcs,
        ways=(google.FAKE_GCS_SERVER, containers.WAYS["gcs"]),
        also=_GOOGLE,
    ),
)

SERVICES: dict[str, Service] = {service.name: service for service in _LIST}
WAYS: dict[str, Way] = {way.name: way for service in _LIST for way in service.ways}


def service_of(name: str) -> Service:
    """Raises BadInput where there is none of this name."""
    if name not in SERVICES:
        raise BadInput(f"service(={name!r}) must be one of {', '.join(SERVICES)}{did_you_mean(name, SERVICES)}")
    return SERVICES[name]


def named(service: Service, environ: Mapping[str, str]) -> tuple[str, str]:
    """The variable and the URL by which the environment names this service already; empty where it does not."""
    return next(((name, environ[name]) for name in service.named_by if environ.get(name)), ("", ""))


def choose(services: Sequence[str], ways: Sequence[str], environ: Mapping[str, str]) -> dict[str, str]:
    """By which way to get each service: the first given one that serves it, else what the environment names, else the
    first that can start here.

    Raises:
        BadInput: an unknown service or way, a way that serves none of them or cannot start here, or no way at all;
            names the one command that gets it.
    """
    wanted = [service_of(name) for name in dict.fromkeys(services)]
    for name in ways:
        if name not in (*WAYS, ENVIRONMENT):
            raise BadInput(f"way(={name!r}) must be one of {', '.join(WAYS)}{did_you_mean(name, WAYS)}")
        if name != ENVIRONMENT and not any(WAYS[name] in service.ways for service in wanted):
            raise BadInput(
                f"way {name!r} serves {', '.join(WAYS[name].serves)}, and none of {', '.join(services) or 'nothing'}"
            )
    return {service.name: _choose(service, ways, environ) for service in wanted}


def _choose(service: Service, ways: Sequence[str], environ: Mapping[str, str]) -> str:
    given = [name for name in ways if name == ENVIRONMENT or WAYS[name] in service.ways]
    if given:
        _must_be_here(service, given[0], environ)
        return given[0]
    if named(service, environ)[0]:
        return ENVIRONMENT
    lacking = []
    for way in service.ways:
        if way.by_name:
            continue
        missing = way.missing()
        if not missing:
            return way.name
        lacking.append(f"\n  {way.name}: {missing}")
    raise BadInput(f"nothing here serves {service.name}:" + "".join(lacking))


def _must_be_here(service: Service, name: str, environ: Mapping[str, str]) -> None:
    if name == ENVIRONMENT:
        if not named(service, environ)[0]:
            raise BadInput(f"{service.name}: none of {', '.join(service.named_by)} is set in the environment")
        return
    missing = WAYS[name].missing()
    if missing:
        raise BadInput(f"{name} cannot start here: {missing}")
