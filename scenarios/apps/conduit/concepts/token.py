"""Token: signed claims of who asks, in the form of a JWT (HS256). It keeps no state.

Left out: revocation, key rotation, other algorithms.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any

import msgspec

from clef_runtime.concept import Concept, Tools
from clef_runtime.model import Outcome, Record, ok
from scenarios.apps.conduit.config import TOKEN_LIFETIME_S, TOKEN_SECRET

NOBODY = ""

token = Concept("Token")


class Claims(msgspec.Struct):
    """`sub`: the user's id. `exp`: epoch seconds from which the token is refused."""

    sub: str
    exp: int


@token.action
def issue(input: Record, tools: Tools) -> Outcome:
    return ok(user=input["user"], token=sign(input["user"], int(tools.clock.now()) + TOKEN_LIFETIME_S))


@token.action
def require(input: Record, tools: Tools) -> Outcome:
    """`ok` with the token's user; `invalid` without one."""
    if input.get("token") is None:
        return Outcome("invalid", {"errors": ["token is missing"]})
    return _verified(input["token"], tools)


@token.action
def recognise(input: Record, tools: Tools) -> Outcome:
    """As `require`, but who brings no token is let in as nobody (the empty id)."""
    if input.get("token") is None:
        return ok(user=NOBODY)
    return _verified(input["token"], tools)


def sign(user: str, expires_s: int) -> str:
    """A token for the user of that id, good until `expires_s` (epoch seconds)."""
    payload = _base64(msgspec.json.encode(Claims(sub=user, exp=expires_s)))
    return f"{_HEADER}.{payload}.{_signature(payload)}"


def _verified(value: Any, tools: Tools) -> Outcome:
    invalid = Outcome("invalid", {"errors": ["token is invalid"]})
    parts = value.split(".") if isinstance(value, str) and value.isascii() else []
    if len(parts) != 3 or parts[0] != _HEADER or not hmac.compare_digest(_signature(parts[1]), parts[2]):
        return invalid
    claims = msgspec.json.decode(base64.urlsafe_b64decode(parts[1] + "=="), type=Claims)
    return ok(user=claims.sub) if tools.clock.now() < claims.exp else invalid


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _signature(payload: str) -> str:
    return _base64(hmac.digest(TOKEN_SECRET, f"{_HEADER}.{payload}".encode(), hashlib.sha256))


_HEADER = _base64(b'{"alg":"HS256","typ":"JWT"}')
