"""How a row is kept, once, for every adapter that stores it as JSON text."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import msgspec

from clef_runtime.errors import BadInput
from clef_runtime.model import Record
from clef_runtime.storage.criteria import KEY

KEY_BYTES = 1024
"""The longest key: DynamoDB's limit for a sort key, kept by every adapter so that all agree."""

_WHOLE = frozenset((str, int, bool, type(None)))

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode


def check_key(key: str) -> None:
    """Raises BadInput unless `key` is text of 1 to `KEY_BYTES` bytes in UTF-8."""
    if not isinstance(key, str) or not key or (len(key) * 4 > KEY_BYTES and len(key.encode()) > KEY_BYTES):
        raise BadInput(f"key(={str(key)[:40]!r}) must be text of 1 to {KEY_BYTES} bytes")


def encode_row(value: Record) -> bytes:
    """The JSON of a row, without its `__key`.

    Raises:
        BadInput: a value that JSON does not have (NaN, infinity, an object of a class, lone surrogates).
    """
    if not isinstance(value, dict):
        raise BadInput(f"value(={str(value)[:40]!r}) must be a record (a dict)")
    if KEY in value:
        value = {field: each for field, each in value.items() if field != KEY}
    try:
        text = _encode(value)
    except (TypeError, ValueError) as error:
        raise BadInput(f"value is not JSON: {error}") from error
    if b"null" in text:
        _refuse_nan(value.values())
    return text


def decode_row(text: bytes | str) -> Record:
    return _decode(text)


def _refuse_nan(values: Iterable[Any]) -> None:
    """The encoder writes NaN and infinity as null: a loss that must not pass unseen."""
    for value in values:
        if type(value) in _WHOLE:
            continue
        if isinstance(value, float):
            if not math.isfinite(value):
                raise BadInput(f"value is not JSON: it holds {value}")
        elif isinstance(value, dict):
            _refuse_nan(value.values())
        elif isinstance(value, list | tuple):
            _refuse_nan(value)
