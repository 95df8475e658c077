"""`clef-sim certify`: what may be relied on of the services that can be had here."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from clef_runtime.errors import BadInput
from clef_sim.certify.certificates import Certificate, Finding, keep
from clef_sim.certify.crew import Crew
from clef_sim.certify.guarantees import GUARANTEES, OF
from clef_sim.certify.races import QUICK, Settings, certify, series_of
from clef_sim.commands.output import NOT_AS_EXPECTED, say, write_json
from clef_sim.commands.verdicts import PLAIN_WIDTH
from emulators.catalogue import ENVIRONMENT, SERVICES, choose, service_of

_NOT_EXERCISED = 3
_STYLES = {"fit": "green", "unfit": "bold red", "not exercised": "yellow"}
_MOST = 64
"""Contenders: as many as a small server still takes connections from."""


def command(
    services: Annotated[
        list[str] | None, typer.Argument(metavar="[SERVICE]..", help=f"{', '.join(OF)}. [default: all]")
    ] = None,
    way: Annotated[
        list[str] | None,
        typer.Option(
            metavar="WAY",
            help="Only this way to get them; may be given again; `environment`: what it names. [default: every way "
            "that is here and is no container]",
        ),
    ] = None,
    json: Annotated[str, typer.Option(metavar="FILE", help="Write certificates as JSON; `-` for stdout.")] = "",
    threads: Annotated[int, typer.Option(min=2, max=_MOST, help="Contenders in all.")] = 16,
    processes: Annotated[int, typer.Option(min=1, max=_MOST, help="Processes that share them.")] = 4,
    keys: Annotated[int, typer.Option(min=1, help="Races at most in one series.")] = 200,
    quick: Annotated[bool, typer.Option("--quick", help="Forced switching alone, up to 10 s a way.")] = False,
) -> None:
    """Race conditional writes, transactions, visibility time-outs and the runtime's own protocols on each service,
    from threads and from processes, at normal and at forced switching, and say what may be relied on.

    What was found is kept for each way and its version: a live run refuses a way that is unfit for what it needs.

    \b
    Exit codes: 0 all fit, 1 some unfit, 2 the input is wrong or a service did not start, 3 some not exercised.

    \b
    Examples:
      clef-sim certify dynamodb --quick
      clef-sim certify dynamodb sqs --way moto --json -
    """
    if threads % processes:
        raise BadInput(f"processes(={processes}) must divide threads(={threads})")
    plan = _plan(services or list(OF), way or [])
    base = QUICK if quick else Settings()
    settings = Settings(
        threads=threads,
        processes=processes,
        keys=keys,
        series_s=base.series_s,
        visibility_s=base.visibility_s,
        quick=quick,
    )
    certificates = _race(plan, settings)
    for certificate in certificates:
        keep(certificate)
    if json:
        write_json(json, certificates)
    if json != "-":
        _print(certificates)
    raise typer.Exit(_exit_code(certificates))


def _plan(services: Sequence[str], ways: Sequence[str]) -> dict[str, list[str]]:
    """The services to race on, by way."""
    plan: dict[str, list[str]] = {}
    chosen = [service_of(name).name for name in dict.fromkeys(services)]
    if ways:
        for way in dict.fromkeys(ways):
            if way == ENVIRONMENT:
                served = chosen
            else:
                served = [name for name in chosen if any(each.name == way for each in SERVICES[name].ways)]
            choose(served or chosen, [way], os.environ)  # says what is wrong, before anything is started
            plan[way] = served
        return plan
    for name in chosen:
        for each in SERVICES[name].ways:
            if each.kind != "container" and not each.by_name and not each.missing():
                plan.setdefault(each.name, []).append(name)
    lacking = [name for name in chosen if not any(name in served for served in plan.values())]
    if lacking:
        raise BadInput(f"no way to get {', '.join(lacking)} is here; `clef-sim doctor` says what gets one")
    return plan


def _race(plan: dict[str, list[str]], settings: Settings) -> list[Certificate]:
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    certificates: list[Certificate] = []
    with (
        Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress,
        Crew(settings.threads, settings.processes) as crew,
    ):
        bar = progress.add_task("starting", total=sum(series_of(each, settings) for each in plan.values()))

        def tell(words: str) -> None:
            progress.update(bar, description=words, advance=1)

        for way, services in plan.items():
            if not console.is_terminal:
                say(f"{', '.join(services)} on {way}")
            certificates += certify(way, services, settings, os.environ, crew, tell)
    return certificates


def _exit_code(certificates: Sequence[Certificate]) -> int:
    verdicts = {each.verdict for each in certificates}
    if "unfit" in verdicts:
        return NOT_AS_EXPECTED
    return _NOT_EXERCISED if "not exercised" in verdicts else 0


# ---- printed


def _print(certificates: Sequence[Certificate]) -> None:
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=PLAIN_WIDTH, color_system=None)
    table = Table(box=None, pad_edge=False, header_style="bold")
    numbers = ("races", "at once", "bad", "no winner", "p50/max ms", "ops/s")
    for head in ("service", "way", "guarantee", "at", *numbers, "switching", "verdict"):
        table.add_column(head, justify="right" if head in numbers else "left")
    for certificate in certificates:
        for finding in certificate.findings:
            table.add_row(*_cells(certificate, finding))
    console.print(table)
    for certificate in certificates:
        _print_words(console, certificate)


def _cells(certificate: Certificate, finding: Finding) -> list[str | Text]:
    figures = [each for each in certificate.figures if each.guarantee == finding.guarantee]
    slowest = max(figures, key=lambda each: each.ms_max)
    made = GUARANTEES[finding.guarantee]
    return [
        certificate.service,
        f"{certificate.way} {certificate.version}".strip(),
        made.noun,
        made.level,
        str(finding.races),
        str(figures[0].contenders),
        Text(str(finding.violations), "bold red" if finding.violations else ""),
        str(sum(each.no_winner for each in figures) or ""),
        f"{slowest.ms_p50:g}/{slowest.ms_max:.0f}",
        str(max(each.ops_per_s for each in figures)),
        ", ".join(dict.fromkeys(each.switching for each in figures)),
        Text(finding.verdict, _STYLES[finding.verdict]),
    ]


def _print_words(console: Console, certificate: Certificate) -> None:
    console.print()
    title = f"{certificate.service} on {certificate.way}: {certificate.verdict}"
    console.print(Text(title, _STYLES[certificate.verdict]), soft_wrap=True)
    for finding in certificate.findings:
        made = GUARANTEES[finding.guarantee]
        if finding.verdict == "fit":
            console.print(Text(f"  {made.noun} ({made.level}): {made.promise}"), soft_wrap=True)
            continue
        words = f"unfit for {made.noun}" if finding.verdict == "unfit" else f"{made.noun}: not exercised"
        console.print(Text(f"  {words}: {finding.why}", _STYLES[finding.verdict]), soft_wrap=True)
        for line in finding.example.splitlines():
            console.print(Text(f"    {line}"), soft_wrap=True)
    for note in dict.fromkeys(note for each in certificate.figures for note in each.notes):
        console.print(Text(f"  {note}"), soft_wrap=True)
