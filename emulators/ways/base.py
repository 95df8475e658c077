"""What a way is."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable
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

    `missing`: why it cannot start here, None where it can. `empty`, given the address, takes the place of emptying
    each service by its own calls. `url`: of the service at a place, where it is not the service's usual one.
    `note`: what not to use it for.
    """

    name: str
    kind: Kind
    serves: tuple[str, ...]
    missing: Callable[[], Missing | None]
    launch: Callable[[Place], Launch]
    empty: Callable[[str], None] | None = None
    url: Callable[[Place], str] | None = None
    timeout_s: float = 20.0
    note: str = ""


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
