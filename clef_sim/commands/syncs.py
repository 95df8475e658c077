"""`clef-sim syncs check|compile`: reads `.sync` files, says what is wrong with them, writes the exchange form."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from clef_runtime.language.exchange import to_exchange
from clef_sim.commands.output import BAD_INPUT, say, write_json
from clef_sim.commands.sync_files import Reading, read_files

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Check and compile .sync files.")

_Paths = Annotated[list[Path], typer.Argument(metavar="PATH..", help=".sync files, or folders of them.")]


@app.command()
def check(paths: _Paths) -> None:
    """Say everything that is wrong with .sync files, each with file, line, column and a caret.

    \b
    Examples:
      clef-sim syncs check shop/
      clef-sim syncs check one.sync two.sync
    """
    _end(_reported(paths))


@app.command("compile")
def compile_(
    paths: _Paths,
    json: Annotated[str, typer.Option(metavar="FILE", help="Write there; `-`, the default, is stdout.")] = "-",
) -> None:
    """Compile .sync files to the exchange form, one JSON array of all syncs. Files that are broken are told of
    and left out; the exit code is then 2.

    \b
    Examples:
      clef-sim syncs compile shop/ --json shop.json
      clef-sim syncs compile one.sync two.sync
    """
    reading = _reported(paths)
    write_json(json, [to_exchange(sync) for sync in reading.syncs])
    _end(reading)


def _reported(paths: list[Path]) -> Reading:
    reading = read_files(paths)
    for words in reading.errors + reading.warnings:
        say(words)
    return reading


def _end(reading: Reading) -> None:
    broken = f"; {len(reading.broken)} broken" if reading.broken else ""
    say(f"{reading.files} files, {len(reading.syncs)} syncs{broken}")
    if reading.errors:
        raise typer.Exit(BAD_INPUT)
