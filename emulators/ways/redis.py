"""Redis: its own server, or fakeredis over TCP."""

from __future__ import annotations

import shutil
import sys

from emulators import installs
from emulators.processes import Launch, Place
from emulators.ways.base import Way, get_command, lacks_modules, not_made


def _server(place: Place) -> Launch:
    argv = ("redis-server", "--port", str(place.port), "--bind", "127.0.0.1", "--dir", str(place.folder))
    return Launch(argv=(*argv, "--save", "", "--appendonly", "no"))


REDIS_SERVER = Way(
    name="redis-server",
    kind="program",
    serves=("redis",),
    missing=lambda: lacks_modules("redis") or ("" if shutil.which("redis-server") else "redis-server is not on PATH"),
    get="apt-get install -y redis-server",
    launch=_server,
)

_SERVE = (
    "import sys; from fakeredis import TcpFakeServer; TcpFakeServer(('127.0.0.1', int(sys.argv[1]))).serve_forever()"
)


def _fake(place: Place) -> Launch:
    python = sys.executable if not lacks_modules("fakeredis") else installs.python_of("fakeredis")
    return Launch(argv=(python, "-c", _SERVE, str(place.port)), stop_signal=9)  # it has nothing to save


FAKEREDIS = Way(
    name="fakeredis",
    kind="python",
    serves=("redis",),
    missing=lambda: lacks_modules("redis") or (lacks_modules("fakeredis") and not_made("fakeredis")),
    get=get_command("fakeredis"),
    launch=_fake,
    note="no INFO",
)
