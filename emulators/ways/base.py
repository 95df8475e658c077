"""What a way is."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Literal, TypeAlias

import msgspec

from emulators import installs
from emulators.processes import Launch, Place

Kind: TypeAlias = Literal["program", "python", "container"]


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """One way to get services, all of `serves` from one process.

    `missing` says what is not here, empty where it can start; `get` is the one command that gets it. `empty`, given
    the address, takes the place of emptying each service by its own calls. `url`: of the service at a place, where
    it is not the service's usual one. `note`: what not to use it for.
    """

    name: str
    kind: Kind
    serves: tuple[str, ...]
    missing: Callable[[], str]
    get: str
    launch: Callable[[Place], Launch]
    empty: Callable[[str], None] | None = None
    url: Callable[[Place], str] | None = None
    timeout_s: float = 20.0
    note: str = ""


def lacks_modules(*names: str) -> str:
    """Which of these do not import here, in words; empty: none."""
    lacking = [name for name in names if importlib.util.find_spec(name) is None]
    return f"the Python package {' and '.join(lacking)} is not installed" if lacking else ""


def not_made(name: str) -> str:
    """For `missing`: the environment `name` is not there."""
    return "" if installs.made(name) else f"no environment {installs.folder(name)}"


def get_command(name: str) -> str:
    return f"clef-sim emulators get {name}"
