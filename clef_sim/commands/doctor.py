"""`clef-sim doctor`: which services can be had on this machine, and what gets the others."""

from __future__ import annotations

import os
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from clef_sim.commands.output import NOT_AS_EXPECTED, write_json
from clef_sim.commands.verdicts import PLAIN_WIDTH
from emulators.catalogue import ENVIRONMENT, SERVICES, Service, named


class Found(msgspec.Struct):
    """A way to get a service. `missing`: what is not here, empty where it can start; `get`: what gets it. `first`:
    it is the one that `up` takes."""

    service: str
    way: str
    kind: str
    missing: str
    get: str
    first: bool
    note: str


def doctor(
    json: Annotated[bool, typer.Option("--json", help="JSON instead of a table.")] = False,
) -> None:
    """Say for each service by which ways it can be had here, which one `up` takes, and for the others what is missing
    and the one command that gets it. Exit code 1: a service cannot be had at all.

    \b
    Example:
      clef-sim doctor
    """
    found = [row for service in SERVICES.values() for row in _ways(service)]
    if json:
        write_json("-", found)
    else:
        _print(found)
    if {row.service for row in found if row.first} != set(SERVICES):
        raise typer.Exit(NOT_AS_EXPECTED)


def _ways(service: Service) -> list[Found]:
    rows = []
    variable, url = named(service, os.environ)
    if variable:
        silent = "" if service.answers(url) else f"nothing answers at {url}"
        rows.append(Found(service.name, ENVIRONMENT, variable, silent, f"unset {variable}", True, url))
    for way in service.ways:
        missing = way.missing()
        first = not missing and not way.by_name and not any(row.first for row in rows)
        what, get = (missing.what, missing.get) if missing else ("", "")
        rows.append(Found(service.name, way.name, way.kind, what, get, first, way.note))
    return rows


def _print(found: list[Found]) -> None:
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=PLAIN_WIDTH, color_system=None)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in ("service", "way", "kind", "here", "note"):
        table.add_column(head, overflow="fold")
    last = ""
    for row in found:
        here = Text("missing", "red") if row.missing else Text("taken" if row.first else "yes", "green")
        table.add_row(row.service if row.service != last else "", row.way, row.kind, here, Text(row.note))
        last = row.service
    console.print(table)
    lacking: dict[tuple[str, str], dict[str, None]] = {}
    for row in found:
        if row.missing:
            lacking.setdefault((row.missing, row.get), {})[row.way] = None
    if lacking:
        console.print("\nwhat is missing, and the command that gets it", style="bold")
    for (missing, get), ways in lacking.items():
        # As one line each, however long, so that the command can be copied.
        console.print(Text(f"  {missing} ({', '.join(ways)})\n    {get}"), soft_wrap=True)
