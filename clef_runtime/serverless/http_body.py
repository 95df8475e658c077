"""Bodies and headers of HTTP, the same on every platform.

Of a header that stands several times, HTTP's own rules hold: values are joined by a comma (cookies by a semicolon).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from clef_runtime.errors import BadInput, TooLarge
from clef_runtime.web import HttpResponse

DEPTH_MAX = 100
"""How deep a body may be nested: comparing values recurses, and nobody nests so deep but to break it."""

_JSON = "application/json"
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def joined(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Headers by their names in lower case."""
    found: dict[str, str] = {}
    for name, value in headers:
        lower = name.lower()
        separator = "; " if lower == "cookie" else ", "
        found[lower] = f"{found[lower]}{separator}{value}" if lower in found else str(value)
    return found


def decode_body(raw: bytes, bytes_max: int) -> Any:
    """The value of a JSON body; None where it is empty.

    Raises:
        BadInput: not JSON, or nested more than `DEPTH_MAX` deep.
        TooLarge: more than `bytes_max`.
    """
    if not raw:
        return None
    if len(raw) > bytes_max:
        raise TooLarge(f"body of {len(raw)} bytes must be <= {bytes_max}")
    try:
        body = _decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadInput(f"body is not JSON: {error}") from error
    if raw.count(b"[") + raw.count(b"{") > DEPTH_MAX and _is_deeper(body, DEPTH_MAX):
        raise BadInput(f"body is nested more than {DEPTH_MAX} deep")
    return body


def _is_deeper(value: Any, most: int) -> bool:
    """Whether lists and records stand more than `most` deep in one another; level by level, without recursion."""
    level = [value]
    for _ in range(most):
        level = [
            inner
            for each in level
            if isinstance(each, dict | list)
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
        if not level:
            return False
    return any(isinstance(each, dict | list) for each in level)


def encode_answer(response: HttpResponse, bytes_max: int) -> tuple[str, dict[str, str]]:
    """The body and the headers, with lower-case names. Text under a content type of its own goes as it is;
    everything else as JSON.

    Raises:
        TooLarge: the body has more than `bytes_max`; a gateway would answer 502 without a word.
    """
    headers = {name.lower(): value for name, value in response.headers.items()}
    if isinstance(response.body, str) and headers.get("content-type", _JSON) != _JSON:
        body = response.body
    else:
        body = "" if response.body is None else _encode(response.body).decode()
        if body:
            headers["content-type"] = _JSON
    size = len(body.encode())
    if size > bytes_max:
        raise TooLarge(f"the answer's body of {size} bytes must be <= {bytes_max}")
    return body, headers
