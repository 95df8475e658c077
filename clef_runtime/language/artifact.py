"""The artifact: compiled syncs in one JSON file, which a cold start loads without parsing anything.

It holds the structs of `compiled.py` as they are, so it is read by the version that wrote it; the exchange
form is for others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

import msgspec

from clef_runtime.errors import BadInput
from clef_runtime.language.compiled import CompiledSync

FORMAT = 1
"""Counts up with every change of the compiled structs that an older reader would misread."""


class Artifact(msgspec.Struct, frozen=True):
    """`hash` is that of the syncs' JSON: equal syncs, equal hash."""

    format: int
    hash: str
    syncs: tuple[CompiledSync, ...]


class _Wrapped(msgspec.Struct):
    format: int
    hash: str
    syncs: msgspec.Raw


_decode_syncs = msgspec.json.Decoder(tuple[CompiledSync, ...]).decode
_decode_wrapped = msgspec.json.Decoder(_Wrapped).decode


def artifact_of(syncs: Iterable[CompiledSync]) -> Artifact:
    listed = tuple(syncs)
    return Artifact(FORMAT, _hash(msgspec.json.encode(listed)), listed)


def write_artifact(syncs: Iterable[CompiledSync], path: Path) -> Artifact:
    """Writes the artifact of `syncs`, in their order. Equal syncs give equal bytes.

    Raises:
        BadInput: the file cannot be written. Definite.
    """
    artifact = artifact_of(syncs)
    try:
        Path(path).write_bytes(msgspec.json.encode(artifact))
    except OSError as error:
        raise BadInput(
            f"artifact path(={str(path)!r}) cannot be written: {error.strerror or error}; name a file in an"
            " existing, writable folder"
        ) from error
    return artifact


def read_artifact(source: Path | str | bytes) -> Artifact:
    """Reads an artifact from a file, or from the bytes of one.

    Raises:
        BadInput: no such file, not an artifact, of another format version, or changed since it was written.
            Definite.
    """
    name = "artifact" if isinstance(source, bytes) else f"artifact {str(source)!r}"
    again = "compile the syncs again"
    if isinstance(source, bytes):
        raw = source
    else:
        try:
            raw = Path(source).read_bytes()
        except OSError as error:
            raise BadInput(f"{name} cannot be read: {error.strerror or error}; {again}") from error
    try:
        wrapped = _decode_wrapped(raw)
        if wrapped.format != FORMAT:
            raise BadInput(f"{name}: format(={wrapped.format}) must be {FORMAT}; {again} with this version")
        if wrapped.hash != _hash(bytes(wrapped.syncs)):
            raise BadInput(f"{name}: its hash does not fit its syncs, so it was changed or cut off; {again}")
        return Artifact(wrapped.format, wrapped.hash, _decode_syncs(wrapped.syncs))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadInput(f"{name} is not an artifact of compiled syncs: {error}; {again}") from error


def _hash(raw: bytes) -> str:
    return hashlib.blake2b(raw, digest_size=16).hexdigest()
