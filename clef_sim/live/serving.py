"""HTTP to this process: a listening socket that all processes of a function share, a thread for each request."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Any, TypeAlias

import httpx

from clef_sim.live.instance import Crashed, LiveInstance

Answer: TypeAlias = Callable[[httpx.Request], httpx.Response]

BACKLOG = 512


def listening() -> socket.socket:
    """A socket on a free port of loopback."""
    made = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
    made.set_inheritable(True)
    return made


def serve(listener: socket.socket, answer: Answer, instance: LiveInstance) -> None:
    """Takes connections until the process dies, one request each. Whoever gets none of them waits for one."""
    while not instance.dying:
        connection, address = listener.accept()
        threading.Thread(target=_serve, args=(connection, address, answer), name="http", daemon=True).start()


def _serve(connection: socket.socket, address: Any, answer: Answer) -> None:
    with connection:
        try:
            _Request(connection, address, answer)  # type: ignore[arg-type]  # its server is asked for nothing else
        except (OSError, Crashed):
            return  # the client is gone, and what was done stays done; or this process is


class _Request(BaseHTTPRequestHandler):
    server: Any

    def _answer(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        request = httpx.Request(
            self.command,
            f"http://{self.headers.get('host', 'localhost')}{self.path}",
            headers=list(self.headers.items()),
            content=self.rfile.read(length),
        )
        response = self.server(request)
        content = response.content
        self.send_response(response.status_code)
        for name, value in response.headers.multi_items():
            if name not in ("content-length", "transfer-encoding"):
                self.send_header(name, value)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = _answer  # noqa: N815 - the names that it looks for

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing: the history says it."""
