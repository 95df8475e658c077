"""The command line: assembles the commands, and turns what went wrong into words and an exit code.

Exit codes: 0 as expected, 1 not as expected, 2 the input is wrong and nothing ran, 3 undecided or not
exercised, 130 stopped from the keyboard.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from clef_runtime.errors import ClefError
from clef_sim.commands import certify, doctor, emulators, explain, plan, run, syncs
from clef_sim.commands.output import BAD_INPUT, INTERRUPTED, say


class Commands(TyperGroup):
    """The one place where a failed command becomes an exit code. A bug stays a traceback."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except ClefError as error:
            say(str(error))
            raise typer.Exit(BAD_INPUT) from None
        except KeyboardInterrupt:
            say("stopped")
            raise typer.Exit(INTERRUPTED) from None


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Run a Clef app's real runtime on simulated AWS and GCP serverless.",
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"clef-sim {version('clef-sim')}")
        raise typer.Exit


@app.callback()
def _options(
    _: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Options that stand before the command."""


app.command("run")(run.run)
app.command("replay")(run.replay)
app.command("plan")(plan.plan)
app.command("explain")(explain.explain)
app.add_typer(syncs.app, name="syncs")
app.add_typer(emulators.app, name="emulators")
app.command("doctor")(doctor.doctor)
app.command("certify")(certify.command)


def main() -> None:
    """The entry point of `clef-sim`."""
    app(prog_name="clef-sim")
