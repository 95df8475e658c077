"""What a way is."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from importlib import metadata
from typing import Literal, TypeAlias

import msgspec

from emulators import installs
from emulators.processes import Launch, Place

Kind: TypeAlias = Literal["program", "python", "container"]


class Missing(msgspec.Struct, frozen=True):
    """`what` is not here, and the one command that gets it."""

    what: str
    get: str

    def __str__(self) -> str:
        return f"{self.what}; get it by: {self.get}"


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """One way to get services, all of `serves` from one process.

    `missing`: why it cannot start here, None where it can. `empty` and `answers`, given the address, take the place
    of emptying and asking each service by its own calls. `url`: of the service at a place, where it is not the
    service's usual one. `note`: what not to use it for. `by_name`: taken only where it is named. `python`: it serves
    from threads of Python, which a switch interval reaches. `version` of what would start; empty: not known.
    """

    name: str
    kind: Kind
    serves: tuple[str, ...]
    missing: Callable[[], Missing | None]
    launch: Callable[[Place], Launch]
    empty: Callable[[str], None] | None = None
    answers: Callable[[str], bool] | None = None
    url: Callable[[Place], str] | None = None
    timeout_s: float = 20.0
    note: str = ""
    by_name: bool = False
    python: bool = False
    version: Callable[[], str] = lambda: ""


def installed_version(recipe: str, package: str) -> Callable[[], str]:
    """Of what is installed beside this program, else of the environment `recipe`."""

    def version() -> str:
        try:
            return metadata.version(package)
        except metadata.PackageNotFoundError:
            return installs.RECIPES[recipe].version

    return version


def recipe_version(recipe: str) -> Callable[[], str]:
    return lambda: installs.RECIPES[recipe].version


def told_version(command: Callable[[], Sequence[str]]) -> Callable[[], str]:
    """What a program says of itself, its first number with a dot."""

    def version() -> str:
        told = subprocess.run(list(command()), capture_output=True, text=True, check=False)  # noqa: S603 - of the ways
        found = re.search(r"\d+(?:\.\d+)+", told.stdout)
        return found.group() if found else ""

    return version


def modules(*names: str) -> Missing | None:
    """What of these does not import here."""
    lacking = [name for name in names if importlib.util.find_spec(name) is None]
    return Missing(f"no Python package {', '.join(lacking)}", f"pip install {' '.join(lacking)}") if lacking else None


def environment(name: str) -> Missing | None:
    """Where the environment `name` is not made."""
    if installs.made(name):
        return None
    return Missing(f"no {installs.folder(name)}", f"clef-sim emulators get {name}")


def program(name: str, get: str) -> Missing | None:
    """Where no program of this name is on PATH."""
    return None if shutil.which(name) else Missing(f"no {name} on PATH", get)


def java() -> Missing | None:
    return program("java", "apt-get install -y default-jre-headless")
