"""Option A's engine as an ASGI application, and a server of it: `python -m clef_runtime.serverless.engine_server`.

It reads the environment as `entry` says, and `CLEF_HOST` (127.0.0.1 unless set) and `CLEF_PORT` (8080).
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from clef_runtime.engine.persistent import PersistentEngine
from clef_runtime.errors import BadInput, ClefError
from clef_runtime.serverless.engine_service import EngineService
from clef_runtime.serverless.service import error_response
from clef_runtime.web import HttpRequest, HttpResponse

_log = logging.getLogger(__name__)

RETRY_S = 5.0
"""How often what has failed is tried again."""

EXPIRE_S = 3600.0
"""How often records that have had their time are removed, where no service does so by itself."""


def application(
    engine: PersistentEngine,
    *,
    retry_s: float = RETRY_S,
    expire: Callable[[], object] | None = None,
    expire_s: float = EXPIRE_S,
) -> Starlette:
    """The engine over HTTP; replays the durable log before it takes a request, and calls `expire` now and then."""
    service = EngineService(engine)

    async def handle(request: Request) -> Response:
        answer = await run_in_threadpool(_answer, service, request.method, request.url.path, await request.body())
        return Response(msgspec.json.encode(answer.body), answer.status, dict(answer.headers), "application/json")

    @asynccontextmanager
    async def lifespan(_: Starlette) -> Any:
        await run_in_threadpool(engine.replay)
        loops = [_repeat(engine.retry_queued, retry_s)]
        if expire is not None:
            loops.append(_repeat(expire, expire_s))
        yield
        for stop in loops:
            stop.set()

    return Starlette(
        routes=[Route("/{path:path}", handle, methods=["GET", "POST"])],
        lifespan=lifespan,
    )


def _answer(service: EngineService, method: str, path: str, body: bytes) -> HttpResponse:
    try:
        return service.handle(HttpRequest(method, path, body=_decoded(body)))
    except ClefError as error:
        return error_response(error)
    except Exception as error:  # a bug: the caller gets its words, the log the traceback
        _log.exception("request failed")
        return error_response(error)


def _decoded(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body) if body else None
    except msgspec.DecodeError as error:
        raise BadInput(f"body is not JSON: {error}") from error


def _repeat(action: Callable[[], object], every_s: float) -> threading.Event:
    """Calls `action` in a thread of its own until the event is set; a failure waits for the next turn."""
    stop = threading.Event()

    def loop() -> None:
        while not stop.wait(every_s):
            try:
                action()
            except ClefError as error:
                _log.warning("tried again in %g s: %s", every_s, error)

    threading.Thread(target=loop, name="clef-engine-repeat", daemon=True).start()
    return stop


def main() -> None:
    """Serves the engine that the environment describes."""
    import uvicorn

    from clef_runtime.serverless.entry import wired

    _, wiring = wired(os.environ)
    port = os.environ.get("CLEF_PORT", "8080")
    if not port.isdecimal():
        raise SystemExit(f"CLEF_PORT(={port!r}) must be a port number")
    made = application(wiring.engine(), expire=wiring.delete_expired)
    uvicorn.run(made, host=os.environ.get("CLEF_HOST", "127.0.0.1"), port=int(port))


if __name__ == "__main__":
    main()
