"""`clef-sim syncs check|compile`: says what is wrong with `.sync` files, writes their exchange form."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from clef_runtime.errors import BadInput, SyncSyntaxError
from clef_runtime.language import check_paths, parse_text, to_exchange, write_artifact
from clef_runtime.language.compiled import CompiledSync
from clef_runtime.language.findings import Finding, finding_of
from clef_runtime.language.load import read_text, sync_files
from clef_sim.commands.output import BAD_INPUT, app_of, say, write_json

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Check and compile .sync files.")

_Paths = Annotated[list[Path], typer.Argument(metavar="PATH..", help=".sync files, or folders of them.")]


@app.command()
def check(
    paths: _Paths,
    app: Annotated[
        str, typer.Option(metavar="MODULE", help="The syncs' app: its concepts and functions are known then.")
    ] = "",
    json: Annotated[str, typer.Option(metavar="FILE", help="Write the findings as JSON; `-` for stdout.")] = "",
) -> None:
    """Say everything that is wrong with .sync files, each with file, line, column and a caret.

    \b
    Examples:
      clef-sim syncs check shop/
      clef-sim syncs check scenarios/apps/orders --app scenarios.apps.orders
    """
    of = app_of(app) if app else None
    findings = check_paths(paths, of.functions if of else (), of.catalogue.actions() if of else None)
    for finding in findings:
        say(_shown(finding))
    if json:
        write_json(json, findings)
    errors = sum(finding.severity == "error" for finding in findings)
    say(f"{errors} errors, {len(findings) - errors} warnings")
    if errors:
        raise typer.Exit(BAD_INPUT)


@app.command("compile")
def compile_(
    paths: _Paths,
    json: Annotated[str, typer.Option(metavar="FILE", help="Where to; stdout unless given.")] = "-",
    artifact: Annotated[
        str,
        typer.Option(
            metavar="FILE", help="Also write the artifact that a cold start loads; none if a file is broken."
        ),
    ] = "",
) -> None:
    """Compile .sync files to the exchange form: one JSON array of all their syncs. Files that are broken are told
    of and left out, and the exit code is 2.

    \b
    Examples:
      clef-sim syncs compile shop/ --json shop.json
      clef-sim syncs compile one.sync two.sync
      clef-sim syncs compile shop/ --json shop.json --artifact shop.artifact
    """
    syncs: list[CompiledSync] = []
    files = broken = 0
    for found in _compiled(paths):
        files += 1
        if isinstance(found, Finding):
            broken += 1
            say(_shown(found))
        else:
            syncs += found
    write_json(json, [to_exchange(sync) for sync in syncs])
    if artifact and not broken:
        write_artifact(syncs, Path(artifact))
    say(f"{files} files, {len(syncs)} syncs" + (f"; {broken} broken" if broken else ""))
    if broken:
        raise typer.Exit(BAD_INPUT)


def _compiled(paths: list[Path]) -> Iterator[list[CompiledSync] | Finding]:
    """Each file's syncs, or what is wrong with the file. Functions are not looked at: apps bring their own."""
    for given in paths:
        try:
            for path in sync_files([given]):
                yield _compile(path)
        except BadInput as error:
            yield Finding(str(given), 1, 1, "error", "path", str(error))


def _compile(path: Path) -> list[CompiledSync] | Finding:
    try:
        return parse_text(read_text(path), str(path))
    except SyncSyntaxError as error:
        return finding_of(error)
    except BadInput as error:
        return Finding(str(path), 1, 1, "error", "path", str(error))


def _shown(finding: Finding) -> str:
    """The finding, and below it its line with a caret under the column."""
    if not finding.text:
        return str(finding)
    # A tab counts as one column, so one space stands for it here.
    return f"{finding}\n  {finding.text.expandtabs(1)}\n  {' ' * (finding.column - 1)}^"
