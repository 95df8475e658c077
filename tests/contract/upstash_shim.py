"""Upstash's REST protocol over a Redis client: what `upstash-redis` posts, answered as Upstash does.

One command is posted to `/`, lists of commands to `/pipeline` and `/multi-exec`; the answers are `{"result": ..}` or
`{"error": ..}`, text in base64 where that is asked for.
"""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from redis.exceptions import ResponseError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

TOKEN = "token"


class Shim:
    """The ASGI app. `lose_answers`: so many next answers are lost on the way; `refuse`: the next commands' errors."""

    def __init__(self, client: Any) -> None:
        self.client, self.lose_answers, self.refuse = client, 0, list[str]()
        paths = ("/", "/pipeline", "/multi-exec")
        self.app = Starlette(routes=[Route(path, self.answer, methods=["POST"]) for path in paths])

    async def answer(self, request: Request) -> Response:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return JSONResponse({"error": "WRONGPASS invalid or missing auth token"}, 401)
        encoded = request.headers.get("Upstash-Encoding") == "base64"
        posted = await request.json()
        several = request.url.path != "/"
        answers = [self._run(command, encoded) for command in (posted if several else [posted])]
        if self.lose_answers:
            self.lose_answers -= 1
            return PlainTextResponse("bad gateway", 502)
        return JSONResponse(answers if several else answers[0], 400 if "error" in answers[0] else 200)

    def _run(self, command: list[str], encoded: bool) -> dict[str, Any]:
        if self.refuse:
            return {"error": self.refuse.pop(0)}
        connection = self.client.connection_pool.get_connection()
        try:
            # Below the client's own commands, which would turn answers into Python's types.
            connection.send_command(*command)
            answer = connection.read_response()
        except ResponseError as error:
            return {"error": f"{error.status_code} {error}" if error.status_code else str(error)}
        finally:
            self.client.connection_pool.release(connection)
        return {"result": _encode(answer) if encoded else answer}


def _encode(answer: Any) -> Any:
    if isinstance(answer, list):
        return [_encode(each) for each in answer]
    return base64.b64encode(answer.encode()).decode() if isinstance(answer, str) and answer != "OK" else answer


@contextmanager
def serving(shim: Shim) -> Iterator[str]:
    """The shim's URL, on a free port of this machine, while inside."""
    server = uvicorn.Server(uvicorn.Config(shim.app, host="127.0.0.1", port=0, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.005)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
