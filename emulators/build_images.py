"""Builds stand-ins for the images of `docker-compose.yml`, under their names, for machines that reach no registry of
images: Debian's packages by debootstrap, and what `installs` and the Google Cloud SDK have on this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from clef_runtime.errors import BadInput
from emulators import installs
from emulators.processes import NotStarted
from emulators.ways.base import Missing, program
from emulators.ways.containers import IMAGES, engine
from emulators.ways.google import gcs_program, jars

_CONTEXT = Path(__file__).with_name("images")

_BASES = {
    "redis": ("bookworm", "redis-server"),
    "postgres": ("bookworm", "postgresql"),
    "java": ("bookworm", "openjdk-17-jre-headless"),
    "python": ("trixie", "python3", "ca-certificates"),  # its Python is 3.13, LocalStack's
}
"""Debian's release and packages of the images that others are built on."""

_BASE_OF = {
    "redis": "redis",
    "postgres": "postgres",
    "dynamodb-local": "java",
    "firestore": "java",
    "localstack": "python",
}


def build(names: Sequence[str], say: Callable[[str], None]) -> list[str]:
    """Builds the images of these services of `docker-compose.yml`, or of all; returns their names. Takes minutes.

    Raises:
        BadInput: not as root, no such image, or something that it is built from is not here; names what gets it.
        NotStarted: a command failed; has its last words.
    """
    wanted = list(names or IMAGES)
    _check(wanted)
    targets = {"firestore" if name == "pubsub" else name for name in wanted}  # one image
    with tempfile.TemporaryDirectory(prefix="clef-images-") as folder:
        for base in sorted({_BASE_OF[target] for target in targets if target in _BASE_OF}):
            if not engine(("image", "inspect", f"clef-local/{base}")):
                say(f"debootstrap {' '.join(_BASES[base])}")
                _base(base, Path(folder) / base)
        for target in sorted(targets):
            say(f"{IMAGES[target].name}: docker build")
            context = Path(folder) / target
            shutil.copytree(_CONTEXT, context)
            _gather(target, context)
            file = context / f"{target}.Dockerfile"
            _run(["docker", "build", "--quiet", "--file", str(file), "--tag", IMAGES[target].name, str(context)])
    return sorted({IMAGES[target].name for target in targets})


def _check(names: Sequence[str]) -> None:
    for name in names:
        if name not in IMAGES:
            raise BadInput(f"image(={name!r}) must be one of {', '.join(IMAGES)}")
    if os.geteuid() != 0:
        raise BadInput("images are built from Debian by debootstrap, which needs root; run it by sudo")
    if not engine(("version",)):
        raise BadInput(str(Missing("no Docker engine answers", "apt-get install -y docker.io")))
    lacking = [program("debootstrap", "apt-get install -y debootstrap")]
    lacking += [
        None if installs.made(own) else Missing(f"no {installs.folder(own)}", f"clef-sim emulators get {own}")
        for name, own in (
            ("gcs", "fake-gcs-server"),
            ("dynamodb-local", "dynamodb-local"),
            ("localstack", "localstack"),
        )
        if name in names
    ]
    if {"firestore", "pubsub"} & set(names) and not all(jars()):
        lacking.append(
            Missing("no Google Cloud SDK with its emulators", "apt-get install -y google-cloud-cli-emulators")
        )
    for each in lacking:
        if each:
            raise BadInput(str(each))
    if "localstack" in names and installs.site_of("localstack").parent.name != "python3.13":
        raise BadInput(
            f"{installs.folder('localstack')} is not of Python 3.13, as Debian's is; put python3.13 on PATH"
        )


def _base(name: str, folder: Path) -> None:
    suite, *packages = _BASES[name]
    _run(["debootstrap", "--variant=minbase", f"--include={','.join(packages)}", suite, str(folder)])
    shutil.rmtree(folder / "var/cache/apt/archives", ignore_errors=True)
    archive = folder.with_suffix(".tar")
    _run(["tar", "-C", str(folder), "-cf", str(archive), "."])
    shutil.rmtree(folder)
    _run(["docker", "import", str(archive), f"clef-local/{name}"])
    archive.unlink()


def _gather(target: str, context: Path) -> None:
    """Puts beside the Dockerfile what the target copies."""
    if target == "gcs":
        found = gcs_program()
        assert found  # the environment is made
        shutil.copy(found, context / "fake-gcs-server")
    elif target == "dynamodb-local":
        shutil.copytree(installs.folder("dynamodb-local") / "package" / "emulator", context / "dynamodb-local")
    elif target == "firestore":
        (context / "google").mkdir()
        for jar in jars():
            if jar:
                shutil.copy(jar, context / "google")
    elif target == "localstack":
        shutil.copytree(installs.site_of("localstack"), context / "localstack")


def _run(command: list[str]) -> None:
    env = {**os.environ, "DOCKER_BUILDKIT": "0"}  # the other builder asks a registry first
    done = subprocess.run(command, capture_output=True, text=True, env=env)  # noqa: S603 - of this file
    if done.returncode:
        lines = "\n".join((done.stderr or done.stdout).strip().splitlines()[-8:])
        raise NotStarted(f"{' '.join(command[:4])} .. failed with {done.returncode}:\n{lines}")
