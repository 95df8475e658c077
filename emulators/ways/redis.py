"""Redis: its own server, or fakeredis over TCP."""

from __future__ import annotations

import sys

from emulators import installs
from emulators.processes import Launch, Place
from emulators.ways.base import Way, environment, installed_version, modules, program, told_version


def _server(place: Place) -> Launch:
    argv = ("redis-server", "--port", str(place.port), "--bind", "127.0.0.1", "--dir", str(place.folder))
    return Launch(argv=(*argv, "--save", "", "--appendonly", "no"))


REDIS_SERVER = Way(
    name="redis-server",
    kind="program",
    serves=("redis",),
    missing=lambda: modules("redis") or program("redis-server", "apt-get install -y redis-server"),
    launch=_server,
    version=told_version(lambda: ("redis-server", "--version")),
)

_SERVE = (
    "import sys; from fakeredis import TcpFakeServer; TcpFakeServer(('127.0.0.1', int(sys.argv[1]))).serve_forever()"
)


def _fake(place: Place) -> Launch:
    python = installs.python_of("fakeredis") if modules("fakeredis", "lupa") else sys.executable
    return Launch(argv=(python, "-c", _SERVE, str(place.port)), stop_signal=9)  # it has nothing to save


FAKEREDIS = Way(
    name="fakeredis",
    kind="python",
    serves=("redis",),
    missing=lambda: modules("redis") or (modules("fakeredis", "lupa") and environment("fakeredis")),
    launch=_fake,
    python=True,
    version=installed_version("fakeredis", "fakeredis"),
    note="no INFO",
)
