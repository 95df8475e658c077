"""Runs the races on one way to get services, each guarantee from threads and from processes, at normal and at forced
switching, and sums up what came of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import msgspec

from clef_runtime.context import SystemClock, SystemIds, timestamp
from clef_sim.certify.certificates import Certificate, Figure, Finding, code_digest, version_of
from clef_sim.certify.crew import Crew, Mode, Task, Told
from clef_sim.certify.guarantees import FIGURES_NEEDED, GUARANTEES, OF, rests_on
from clef_sim.certify.judging import judge
from emulators import WAYS, Fleet, start
from emulators.catalogue import ENVIRONMENT

FORCED_S = 1e-5
"""The switch interval that is forced; usual are 5 ms."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How much is raced.

    Args:
        threads: contenders in all; processes: that share them, or 1 that has them all.
        keys: races at most, in one series.
        series_s: seconds after which a series begins no further race; a slow one of Firestore's may take 10 s.
        visibility_s: of the queues; whole seconds.
        quick: forced switching alone, and both kinds of contenders at once.
    """

    threads: int = 16
    processes: int = 4
    keys: int = 200
    series_s: float = 0.7
    visibility_s: float = 2.0
    quick: bool = False


QUICK = Settings(series_s=0.6, visibility_s=1.0, quick=True)


class _Cell(msgspec.Struct, frozen=True):
    mode: Mode
    forced: bool


_FULL = tuple(_Cell(mode, forced) for forced in (False, True) for mode in ("threads", "processes"))
_QUICK = (_Cell("processes", True),)


def series_of(services: Sequence[str], settings: Settings) -> int:
    """How many series are raced."""
    return sum(len(OF[service]) for service in services) * len(_QUICK if settings.quick else _FULL)


def certify(
    way: str,
    services: Sequence[str],
    settings: Settings,
    environ: Mapping[str, str],
    crew: Crew,
    say: Callable[[str], None] = lambda _: None,
) -> list[Certificate]:
    """Starts the services by `way`, races on them, and stops them.

    Args:
        environ: where the way `environment` finds its endpoints.
        crew: of as many seats and processes as the settings say.

    Raises:
        BadInput: the way cannot start here.
        NotStarted: it did not.
        ClefError: a contender's process died.
    """
    cells = _QUICK if settings.quick else _FULL
    with _started(way, services, settings, environ) as fleets:
        series = [(service, guarantee, cell) for service in services for guarantee in OF[service] for cell in cells]
        certificates = []
        for service in services:
            prefix = f"certify-{SystemIds().new()[:8]}"
            figures = []
            for number, (its, guarantee, cell) in enumerate(series):
                if its != service:
                    continue
                say(f"{service} on {way}: {guarantee}")
                reaches = way in WAYS and WAYS[way].python
                fleet = fleets[cell.forced and reaches]
                name = f"{prefix}.{guarantee}-{number}"
                figures.append(_series(crew, fleet, service, guarantee, cell, name, settings, reaches))
            certificates.append(_certificate(service, way, fleets[False][service].endpoint, figures, settings))
        return certificates


@contextmanager
def _started(
    way: str, services: Sequence[str], settings: Settings, environ: Mapping[str, str]
) -> Iterator[dict[bool, Fleet]]:
    """By whether its threads are switched often. A quick run has that one alone, where there is one."""
    reaches = way in WAYS and WAYS[way].python
    fleets: dict[bool, Fleet] = {}
    try:
        if not (settings.quick and reaches):
            fleets[False] = start(services, [way], environ)
        if reaches:
            fleets[True] = start(services, [way], environ, switch_interval_s=FORCED_S)
        yield {False: fleets.get(False) or fleets[True], **fleets}
    finally:
        for fleet in fleets.values():
            fleet.stop()


def _series(
    crew: Crew,
    fleet: Fleet,
    service: str,
    guarantee: str,
    cell: _Cell,
    name: str,
    settings: Settings,
    reaches: bool,
) -> Figure:
    made = GUARANTEES[guarantee]
    task = Task(
        service=service,
        guarantee=guarantee,
        env=fleet[service].env,
        name=name,
        races=settings.keys,
        budget_s=settings.series_s,
        group=_group(made.group, settings),
        switch_interval_s=FORCED_S if cell.forced else 0.0,
        visibility_s=settings.visibility_s,
        stale=not settings.quick and not cell.forced and cell.mode == "threads",
    )
    told = crew.prepare(task)
    if not told.error:
        told = crew.run(task, cell.mode)
    judged = judge(guarantee, Told() if told.error else told, task.visibility_s)  # never half of one
    words = "processes" if cell.mode == "processes" else "threads"
    shape = f"{settings.processes} {words} of {settings.threads // settings.processes}"
    switching = "normal" if not cell.forced else "forced" if reaches else "clients forced"
    return Figure(
        guarantee=guarantee,
        contenders=task.group,
        seats=shape if cell.mode == "processes" else f"{settings.threads} threads",
        switching=switching,
        races=judged.races,
        met=judged.met,
        violations=judged.violations,
        kind=judged.kind,
        example=judged.example,
        no_winner=judged.no_winner,
        operations=judged.operations,
        lost=judged.lost,
        refused=told.refused,
        said=told.error or told.said,
        broken=bool(told.error),
        ops_per_s=round(judged.operations / told.elapsed_s) if told.elapsed_s else 0,
        ms_p50=judged.ms_p50,
        ms_max=judged.ms_max,
        notes=judged.notes,
    )


def _group(wanted: int, settings: Settings) -> int:
    """The divisor of the seats that is nearest to `wanted` from below, or the least above 1."""
    fitting = [size for size in range(2, settings.threads + 1) if settings.threads % size == 0]
    return max((size for size in fitting if size <= wanted), default=fitting[0])


def _certificate(service: str, way: str, endpoint: str, figures: Sequence[Figure], settings: Settings) -> Certificate:
    findings: dict[str, Finding] = {}
    for guarantee in OF[service]:
        found = finding(guarantee, [each for each in figures if each.guarantee == guarantee])
        findings[guarantee] = with_cause(found, [findings[name] for name in rests_on(service, guarantee)])
    return Certificate(
        service=service,
        way=way,
        version=version_of(way),
        endpoint=endpoint if way == ENVIRONMENT else "",
        made=timestamp(SystemClock()),
        code=code_digest(),
        quick=settings.quick,
        findings=tuple(findings.values()),
        figures=tuple(figures),
    )


def finding(guarantee: str, figures: Sequence[Figure]) -> Finding:
    """What all series of one guarantee say together."""
    races, violations = sum(each.races for each in figures), sum(each.violations for each in figures)
    met = sum(each.met for each in figures)
    said = next((each.said for each in figures if each.said), "")
    worst = next((each for each in figures if each.violations), None)
    if worst is not None:
        what = GUARANTEES[guarantee].raced
        return Finding(
            guarantee, "unfit", races, violations, f"{violations} of {races} {what} {worst.kind}", worst.example
        )
    broken = any(each.broken for each in figures)
    if broken or met < FIGURES_NEEDED:
        why = f"{met} of {races} races had contenders that met" + (f"; the service said: {said}" if said else "")
        return Finding(guarantee, "not exercised", races, 0, why, "")
    return Finding(guarantee, "fit", races, 0, "", "")


def with_cause(found: Finding, below: Sequence[Finding]) -> Finding:
    """A port's finding, in the light of what it is made of: nothing stands on what does not hold, and where that
    holds and the port does not, the adapter is to blame."""
    unfit = next((each for each in below if each.verdict == "unfit"), None)
    if unfit is not None:
        why = f"it rests on {GUARANTEES[unfit.guarantee].noun}: {unfit.why}"
        return msgspec.structs.replace(found, verdict="unfit", why="; ".join(filter(None, (found.why, why))))
    if found.verdict == "unfit" and below:
        nouns = " and ".join(GUARANTEES[each.guarantee].noun for each in below)
        return msgspec.structs.replace(
            found, why=f"{found.why}; the service is fit for {nouns}: the adapter is to blame"
        )
    return found
