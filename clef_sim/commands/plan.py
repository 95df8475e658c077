"""`clef-sim plan`: what a deploy manifest comes to."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from clef_runtime.deploy.manifest import load_manifest
from clef_runtime.deploy.plan import Plan
from clef_runtime.deploy.plan import plan as plan_of
from clef_runtime.deploy.plan_text import headline, promises, sections, text
from clef_sim.commands.output import app_of, write_json


def plan(
    template: Annotated[str, typer.Argument(help="A *.deploy.yaml file, or the name of a template.")],
    app: Annotated[str, typer.Option(metavar="MODULE", help="Module that defines `app`; else the manifest's.")] = "",
    json: Annotated[str, typer.Option(metavar="FILE", help="Write the plan as JSON; `-` for stdout.")] = "",
) -> None:
    """Show what a manifest deploys: functions, services, tables, queues, topics, what runs where, and what is
    guaranteed at which cost.

    \b
    Examples:
      clef-sim plan aws-event-driven
      clef-sim plan aws-event-driven --app scenarios.apps.orders
      clef-sim plan my/shop.deploy.yaml --json plan.json
    """
    manifest = load_manifest(template)
    module = app or manifest.app
    found = plan_of(manifest, app_of(module) if module else None)
    if json:
        write_json(json, found)
    if json != "-":
        _show(found)


def _show(plan: Plan) -> None:
    console = Console()
    if not console.is_terminal:
        typer.echo(text(plan))
        return
    console.print(headline(plan), markup=False, highlight=False)
    for section in sections(plan):
        table = Table(title=section.title, title_justify="left", title_style="bold")
        for column in section.columns:
            table.add_column(column, overflow="fold")  # a name cut short is no name
        for row in section.rows:
            table.add_row(*map(Text, row))
        console.print(table)
    console.print("Guarantees", style="bold")
    console.print(promises(plan), markup=False, highlight=False)
    for warning in plan.warnings:
        console.print(f"warning: {warning}", style="yellow", markup=False, highlight=False)
