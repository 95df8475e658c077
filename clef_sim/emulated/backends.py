"""Which real services answer the SDK calls of a run: started for many runs, carried to each."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TypeAlias

import msgspec

from clef_runtime.deploy.manifest import Manifest
from clef_runtime.errors import BadInput, ClefError
from clef_sim.prepared import Prepared
from clef_sim.scenario import StaleRead
from emulators import SERVICES, start
from emulators.catalogue import choose
from emulators.provisioned import needed


class Backend(msgspec.Struct, frozen=True):
    """A service that runs. `way`: how it was got (`moto`, `environment`); `env`: the variables that lead to it."""

    service: str
    way: str
    url: str
    env: dict[str, str]

    def __str__(self) -> str:
        return f"{self.service} ({self.way}) at {self.url}"


Backends: TypeAlias = dict[str, Backend]
"""By service, as `emulators` names them."""


MODEL_STREAMS = ("dynamodb.lag",)
"""Streams that only the model draws from: no emulator's replicas lag. All other decisions of a seed are the same in
both worlds, where no model throttles and no read is eventual."""

EMULATED = ("dynamodb", "sqs", "firestore", "pubsub", "s3", "gcs")
"""Services that the emulated world has. A run that needs another one is left out, never mixed with a model."""


class BackendFailed(ClefError):
    """A real service is to blame: it stopped answering, lost what it was given, or refused what it must take. The run
    cannot be judged; nothing is known of the call that was under way."""

    definite = False

    def __init__(self, backend: Backend, words: str) -> None:
        self.backend = backend
        super().__init__(f"{backend} {words}")


def services_of(manifests: Iterable[Manifest]) -> list[str]:
    """What the manifests need, each once.

    Raises:
        BadInput: one needs a service for which there is no emulator.
    """
    return list(dict.fromkeys(service for manifest in manifests for service in needed(manifest)))


def ways_of(prepared: Iterable[Prepared], ways: Sequence[str]) -> dict[str, str]:
    """By which way each service that the runs need would be got.

    Raises:
        BadInput: as `emulators.catalogue.choose`.
    """
    return choose(services_of(each.manifest for each in prepared), ways, os.environ)


@contextmanager
def backends_for(manifests: Iterable[Manifest], ways: Sequence[str] = ()) -> Iterator[Backends]:
    """Starts what the manifests need, and stops it at the end, on an error and on Ctrl-C. An endpoint that the
    environment names is used and left running; what a run's manifest names is deleted there and made anew.

    Args:
        ways: as `clef-sim emulators up --way` takes them; what they do not serve comes by the first way that is here.

    Raises:
        BadInput: an unknown way, or one that cannot start here; no way at all.
        NotStarted: a service did not start, or does not answer.
    """
    fleet = start(services_of(manifests), ways)
    try:
        yield {
            service: Backend(service, member.way, url, SERVICES[service].env(url))
            for member in fleet.members
            for service, url in member.urls.items()
        }
    finally:
        fleet.stop()


def backend_of(backends: Backends | None, service: str, manifest: Manifest) -> Backend | None:
    """What answers for `service`; None in the model world, and where the manifest has no use for it.

    Raises:
        BadInput: the manifest needs it, and it is not among them.
    """
    if backends is None or service not in needed(manifest):
        return None
    if service not in backends:
        raise BadInput(f"{manifest.file} needs {service}; the backends given are {', '.join(backends) or 'none'}")
    return backends[service]


def why_not(prepared: Prepared, ways: Mapping[str, str]) -> str:
    """Why a run has no place in a world of real services, in words; empty where it has one.

    Args:
        ways: how each service is got, as `ways_of` says.
    """
    for fault in prepared.scenario.faults:
        if isinstance(fault, StaleRead):
            return "stale_read needs the model: no emulator's reads are ever stale"
    try:
        services = needed(prepared.manifest)
    except BadInput as error:
        return str(error)
    if prepared.manifest.transport.fifo and ways.get("sqs") == "moto" and "sqs" in services:
        return "moto's FIFO queues bring a batch back in parts and forget deduplication ids; use another way for sqs"
    return ""


def not_emulated(manifest: Manifest) -> str:
    """As `why_not`: the services that a run needs and virtual time has no real one of."""
    lacking = [service for service in needed(manifest) if service not in EMULATED]
    return f"it needs {', '.join(lacking)}; emulated are {', '.join(EMULATED)}" if lacking else ""
