"""Where commands write: text and tables to the terminal, JSON to a file, words about errors to stderr."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import msgspec
import typer

from clef_runtime.app import App, load_app
from clef_runtime.errors import BadInput

OK, NOT_AS_EXPECTED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
"""Exit codes that all commands share."""


def say(text: str) -> None:
    """A line about what goes on, to stderr, so that stdout holds results alone."""
    typer.echo(text, err=True)


def write_json(target: str, value: Any) -> None:
    """Writes `value` to the file `target`, or to stdout where it is `-`.

    Raises:
        BadInput: the file cannot be written.
    """
    text = msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n"
    if target == "-":
        typer.echo(text, nl=False)
        return
    try:
        Path(target).write_text(text, "utf-8")
    except OSError as error:
        raise BadInput(f"json(={target!r}) cannot be written: {error.strerror or error}") from error


def app_of(module: str) -> App:
    """The app of a module, looked for where the command is run, too.

    Raises:
        BadInput: it does not import or has no `app`.
    """
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    return load_app(module)
