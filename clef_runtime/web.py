"""The concept through which the outside comes in and is answered: `Web/request` and `Web/respond`.

A sync reads `Web/request: [ route: "login"; body: ?body; request: ?request ] => []`, and another
answers with `Web/respond: [ request: ?request; status: 200; body: [ user: ?user ] ]`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote

import msgspec

from clef_runtime.concept import Concept, Tools
from clef_runtime.errors import BadInput
from clef_runtime.model import Completion, Invocation, Outcome, Record, concept_urn, derive_id, ok

WEB = concept_urn("Web")


class HttpRequest(msgspec.Struct, frozen=True):
    """A request from outside. Header names are in lower case; `body` is decoded JSON or None."""

    method: str
    path: str
    query: Mapping[str, str] = {}
    headers: Mapping[str, str] = {}
    body: Any = None


class HttpResponse(msgspec.Struct, frozen=True):
    status: int
    body: Any = None
    headers: Mapping[str, str] = {}


class Route(msgspec.Struct, frozen=True):
    """`Route("GET", "/articles/{slug}", "get_article")`: what a sync sees as `route` and `params`."""

    method: str
    template: str
    name: str

    def match(self, method: str, path: str) -> dict[str, str] | None:
        if method != self.method:
            return None
        pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(self.template))
        found = re.fullmatch(pattern, path.rstrip("/") or "/")
        return {name: unquote(value) for name, value in found.groupdict().items()} if found else None


def web_concept() -> Concept:
    """A fresh `Web` concept; every app has one."""
    web = Concept("Web")

    @web.action
    def request(_: Record, __: Tools) -> Outcome:
        return ok()

    @web.action
    def respond(_: Record, __: Tools) -> Outcome:
        return ok()

    return web


def open_flow(request: HttpRequest, routes: Iterable[Route], *, request_id: str, timestamp: str) -> Invocation:
    """The invocation that opens a flow. The same `request_id` opens the same flow, so a client's retry is
    recognised. The input holds `request` (the flow), `method`, `path`, `route`, `params`, `query`, `token`
    (of the Authorization header, without its scheme) and `body`. Token and body are null where there is
    none: a pattern binds only fields that are present, and a sync must be able to refuse such a request.

    Raises:
        BadInput: no route fits.
    """
    for route in routes:
        params = route.match(request.method, request.path)
        if params is not None:
            break
    else:
        raise BadInput(f"no route for {request.method} {request.path}")
    flow = derive_id("flow", request_id)
    token = request.headers.get("authorization", "").rpartition(" ")[2]
    fields: Record = {
        "request": flow,
        "method": request.method,
        "path": request.path,
        "route": route.name,
        "params": params,
        "query": dict(request.query),
        "token": token or None,
        "body": request.body,
    }
    return Invocation(
        id=derive_id("request", request_id),
        concept=WEB,
        action="request",
        input=fields,
        flow=flow,
        timestamp=timestamp,
    )


def answer_of(completions: Iterable[Completion]) -> HttpResponse | None:
    """The answer that a flow's completions hold, or None where it has not been given (yet)."""
    for completion in completions:
        if completion.concept == WEB and completion.action == "respond":
            status = completion.input.get("status", 200)
            return HttpResponse(status if isinstance(status, int) else 500, completion.input.get("body"))
    return None
