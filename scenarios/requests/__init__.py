"""What clients send to the apps: templates of requests, numbered, and the requests that prepare an app.

A set of an app is the module of its name here, with `REQUESTS`.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from clef_runtime.errors import BadInput
from clef_runtime.web import HttpRequest

_NUMBER = re.compile(r"\{n(?:([%/])(\d+))?\}")


class Template(msgspec.Struct, frozen=True):
    """A kind of request; `at(n)` is the n-th one.

    In `path` and in every string of `body`, `{n}` stands for n, `{n%20}` for the rest of n by 20 and
    `{n/20}` for the whole quotient.

    Args:
        name: unlike every other one of its set.
        path: may end in a query: `/articles?limit=5`.
        tokens: the n-th request carries the token at n modulo their number; none where there are none.
        weight: how often it is sent, relative to the others, >= 0. A weight of 0 leaves it to those who
            ask for it by name.
    """

    name: str
    method: str
    path: str
    body: Any = None
    tokens: tuple[str, ...] = ()
    weight: float = 1.0

    def at(self, n: int) -> HttpRequest:
        path, _, query = _numbered(self.path, n).partition("?")
        token = self.tokens[n % len(self.tokens)] if self.tokens else None
        return HttpRequest(
            self.method,
            path,
            query=dict(parse_qsl(query)),
            headers={"authorization": f"Token {token}"} if token else {},
            body=_numbered(self.body, n),
        )


class Setup(msgspec.Struct, frozen=True):
    """Requests that prepare an app: the template's requests 0 to `count` - 1, in their order.

    Several setups run one after the other; within one, the order matters only to the ids drawn.
    """

    template: Template
    count: int = 1

    def requests(self) -> list[HttpRequest]:
        return [self.template.at(n) for n in range(self.count)]


class RequestSet(msgspec.Struct, frozen=True):
    """What an app's clients send. All requests of all `setup` are answered before the first template's."""

    setup: tuple[Setup, ...]
    templates: tuple[Template, ...]

    def template(self, name: str) -> Template:
        """Raises BadInput, naming the templates there are."""
        for template in self.templates:
            if template.name == name:
                return template
        raise BadInput(f"no request {name!r}; there are {[template.name for template in self.templates]}")


def load_requests(name: str) -> RequestSet:
    """The request set of the app of that name.

    Raises:
        BadInput: there is none; names those there are.
    """
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    if name not in names:
        raise BadInput(f"no request set {name!r}; there are {names}")
    found: RequestSet = importlib.import_module(f"{__name__}.{name}").REQUESTS
    return found


def _numbered(value: Any, n: int) -> Any:
    if isinstance(value, str):
        return _NUMBER.sub(lambda found: str(_computed(n, found[1], found[2])), value)
    if isinstance(value, dict):
        return {name: _numbered(item, n) for name, item in value.items()}
    return [_numbered(item, n) for item in value] if isinstance(value, list | tuple) else value


def _computed(n: int, sign: str | None, by: str | None) -> int:
    if sign is None:
        return n
    return n % int(by or 1) if sign == "%" else n // int(by or 1)
