"""Certificates: what was found of a service on one way, kept by the way's version, and asked before a live run."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec

import clef_runtime
import clef_sim.certify
from clef_runtime.deploy.manifest import Manifest
from clef_runtime.errors import BadInput
from clef_sim.certify.guarantees import GUARANTEES, OF, needs_of
from emulators import SERVICES, WAYS, installs
from emulators.catalogue import ENVIRONMENT, named

Fitness: TypeAlias = Literal["fit", "unfit", "not exercised"]


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One series of races.

    `contenders` of one race, `seats` in all. `switching`: `clients forced` where the server's threads are not
    Python's. `met`, `violations`, `no_winner`: races. `lost`: operations without an answer; `refused`: calls that
    were surely not done; `said`: the first words of one. `broken`: the series could not be run to its end.
    `ms_p50`, `ms_max`: of one operation.
    """

    guarantee: str
    contenders: int
    seats: str
    switching: str
    races: int
    met: int
    violations: int
    kind: str
    example: str
    no_winner: int
    operations: int
    lost: int
    refused: int
    said: str
    broken: bool
    ops_per_s: int
    ms_p50: float
    ms_max: float
    notes: tuple[str, ...] = ()


class Finding(msgspec.Struct, frozen=True):
    """One guarantee: `why` it is not fit, in words, and the first violation."""

    guarantee: str
    verdict: Fitness
    races: int
    violations: int
    why: str
    example: str


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    """What was found. `endpoint`: of one that was there already; `made`: ISO 8601, UTC; `code`: as `code_digest`."""

    service: str
    way: str
    version: str
    endpoint: str
    made: str
    code: str
    quick: bool
    findings: tuple[Finding, ...]
    figures: tuple[Figure, ...]

    @property
    def verdict(self) -> Fitness:
        """The worst of its findings."""
        found = {each.verdict for each in self.findings}
        return "unfit" if "unfit" in found else "not exercised" if "not exercised" in found else "fit"

    def of(self, guarantee: str) -> Finding | None:
        return next((each for each in self.findings if each.guarantee == guarantee), None)


# ---- kept


def version_of(way: str) -> str:
    return "" if way == ENVIRONMENT else WAYS[way].version()


@cache
def code_digest() -> str:
    """Of the code that was judged beside the service, and that judged: the runtime's guards and logs, the races."""
    roots = (Path(clef_runtime.__path__[0]), Path(clef_sim.certify.__path__[0]))
    files = [file for root in roots for file in root.glob("*.py")]
    files += [file for name in ("guard", "action_log") for file in (roots[0] / name).glob("*.py")]
    files += (roots[1] / "probes").glob("*.py")
    texts = [file.read_bytes() for file in sorted(files)]
    return hashlib.sha256(b"\0".join(texts)).hexdigest()[:16]


def file_of(service: str, way: str) -> Path | None:
    """Where the certificate is kept; None where nobody knows which version would start."""
    version = version_of(way)
    if not version:
        return None
    name = re.sub(r"[^\w.-]+", "-", f"{service}-{way}-{version}")
    return installs.cache() / "certificates" / f"{name}.json"


def keep(certificate: Certificate) -> Path | None:
    """Keeps it; a quick one takes no full one's place, unless it found more wrong. Returns where it is.

    Raises:
        BadInput: the folder cannot be written.
    """
    file = file_of(certificate.service, certificate.way)
    if file is None:
        return None
    there = kept(certificate.service, certificate.way)
    if there and certificate.quick and not there.quick and certificate.verdict != "unfit":
        return file
    text = msgspec.json.format(msgspec.json.encode(certificate), indent=2)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        written = file.with_suffix(f".{os.getpid()}")
        written.write_bytes(text)
        written.replace(file)
    except OSError as error:
        raise BadInput(f"{file}: cannot be written: {error.strerror or error}; set CLEF_CACHE") from error
    return file


def kept(service: str, way: str) -> Certificate | None:
    """The one that is kept for the version that would start; None: none, or one that was made by other code."""
    file = file_of(service, way)
    if file is None or not file.is_file():
        return None
    try:
        found = msgspec.json.decode(file.read_bytes(), type=Certificate)
    except msgspec.MsgspecError:
        return None
    return found if found.code == code_digest() else None


_raced: dict[tuple[str, str, str], Certificate] = {}
"""What this process has found, by service, way and address: of an endpoint of the environment nothing is kept."""


def certificate_for(service: str, way: str, environ: Mapping[str, str] | None = None) -> Certificate:
    """The kept one; where none is kept, races in the quick form (up to 10 s) and keeps what comes of it.

    Raises:
        BadInput: no such service or way, or it cannot start here.
        NotStarted: it does not start.
    """
    if service not in OF:
        raise BadInput(f"service(={service!r}) must be one of {', '.join(OF)}")
    if way != ENVIRONMENT and (way not in WAYS or service not in WAYS[way].serves):
        raise BadInput(
            f"way(={way!r}) does not serve {service}; {', '.join(w.name for w in SERVICES[service].ways)} do"
        )
    given = os.environ if environ is None else environ
    address = named(SERVICES[service], given)[1] if way == ENVIRONMENT else ""
    found = kept(service, way) or _raced.get((service, way, address))
    if found is None:
        from clef_sim.certify.crew import Crew
        from clef_sim.certify.races import QUICK, certify

        with Crew(QUICK.threads, QUICK.processes) as crew:
            (found,) = certify(way, [service], QUICK, given, crew)
        keep(found)
        _raced[service, way, address] = found
    return found


def refuse_unfit(
    manifest: Manifest, backends: Mapping[str, str], environ: Mapping[str, str] | None = None
) -> list[Certificate]:
    """Holds the certificates of a run's backends against what the manifest needs; returns them.

    Args:
        backends: by service, the way (`moto`) that it is got by.

    Raises:
        BadInput: one is unfit for what is needed, or was not exercised in it; says why, and what to use.
    """
    needed: dict[str, list[str]] = {}
    for need in sorted(needs_of(manifest)):
        needed.setdefault(need.service, []).append(need.guarantee)
    certificates = []
    for service, guarantees in needed.items():
        if service not in backends:
            continue
        certificate = certificate_for(service, backends[service], environ)
        certificates.append(certificate)
        refuse(certificate, guarantees)
    return certificates


def refuse(certificate: Certificate, guarantees: Sequence[str]) -> None:
    """Raises BadInput where it is not fit for one of them."""
    for guarantee in sorted(guarantees, key=list(GUARANTEES).index):
        found = certificate.of(guarantee)
        if found is None or found.verdict == "fit":
            continue
        noun = GUARANTEES[guarantee].noun
        what = f"is unfit for {noun}" if found.verdict == "unfit" else f"was not exercised in {noun}"
        raise BadInput(f"{certificate.service} on {certificate.way} {what}: {found.why}; {_instead(certificate)}")


def _instead(certificate: Certificate) -> str:
    """The first other way here that no certificate says worse of."""
    for way in SERVICES[certificate.service].ways:
        if way.name == certificate.way or way.by_name or way.missing():
            continue
        other = kept(certificate.service, way.name)
        if other is None or other.verdict == "fit":
            return f"use {way.name}"
    return f"`clef-sim doctor` lists other ways to get {certificate.service}"
