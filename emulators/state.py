"""What `up` started in a folder, so that `down`, `status`, `env` and `reset` find it: `.clef/emulators.json`.

One command at a time: each holds a lock on the folder.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from clef_runtime.errors import BadInput
from emulators.catalogue import WAYS
from emulators.fleet import Fleet, Running
from emulators.processes import Place, stop_watcher

FOLDER = ".clef"
_FILE = "emulators.json"


class State(msgspec.Struct, kw_only=True):
    """`created`: the manifests whose tables and the like were created, with the app of each."""

    members: list[Running] = []
    created: dict[str, str] = {}


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """No other command of this folder runs meanwhile.

    Raises:
        BadInput: one does.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise BadInput(f"another `emulators` command runs in {folder}; wait for it") from error
        yield
    finally:
        os.close(handle)


def load(folder: Path) -> State:
    """What `up` left here; nothing where it did not run.

    Raises:
        BadInput: the file cannot be read.
    """
    file = folder / FOLDER / _FILE
    try:
        return msgspec.json.decode(file.read_bytes(), type=State)
    except FileNotFoundError:
        return State()
    except (OSError, msgspec.MsgspecError) as error:
        raise BadInput(f"{file} cannot be read: {error}; remove it, and what it started by hand") from error


def save(folder: Path, state: State) -> None:
    """Writes it, whole or not at all; without members, removes it."""
    place = folder / FOLDER
    if not state.members:
        (place / _FILE).unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # others keep files in it
            place.rmdir()
        return
    try:
        place.mkdir(exist_ok=True)
        part = place / (_FILE + ".part")
        part.write_bytes(msgspec.json.format(msgspec.json.encode(state)))
        part.replace(place / _FILE)
    except OSError as error:
        raise BadInput(f"{place} cannot be written: {error.strerror or error}") from error


def keep(folder: Path, state: State, fleet: Fleet) -> None:
    """Writes down what was started, then lets it run on: should this be cut off between, it ends by itself."""
    try:
        state.members += fleet.members
        save(folder, state)
    except BaseException:
        fleet.stop()
        raise
    fleet.detach()


def stop(folder: Path, state: State, members: Sequence[Running] | None = None) -> list[tuple[Running, bool]]:
    """Stops `members`, or all, and forgets them; says of each whether it still ran.

    Raises:
        NotStarted: one does not end; it and those after it are still written down.
    """
    stopped: list[tuple[Running, bool]] = []
    try:
        for each in list(state.members if members is None else members):
            stopped.append((each, bool(each.pid) and stop_watcher(each.pid, each.started)))
            _clear(each)
            state.members.remove(each)
    finally:
        save(folder, state)
    return stopped


def _clear(each: Running) -> None:
    """Removes what is there still where its watcher was killed: its folder, its container."""
    folder = Path(each.folder)
    if not each.pid or not folder.name.startswith(f"clef-{each.way}-"):
        return
    if folder.exists():
        after = WAYS[each.way].launch(Place(folder, each.port)).after
        if after:
            subprocess.run(after, capture_output=True)  # noqa: S603 - the catalogue's own command
        shutil.rmtree(folder, ignore_errors=True)
