"""What an instance does once and then keeps: its module's initialisation, compiled syncs, the index of them.

Nothing here locks. Where first calls race, each may do the work; the first result is kept and all get it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from clef_runtime.engine.index import SyncIndex
from clef_runtime.errors import BadInput
from clef_runtime.language.artifact import read_artifact
from clef_runtime.language.compiled import CompiledSync
from clef_runtime.serverless.connection_pool import DEFAULT, Pool

T = TypeVar("T")


def create_module_initializer(build: Callable[[], T]) -> Callable[[], T]:
    """A function that returns what `build` returned, built at its first call. Where `build` raises, nothing is
    kept and the next call builds again."""
    pool = Pool()
    return lambda: pool.get("module", build)


def load_compiled_syncs(artifact: bytes | Path, *, pool: Pool | None = None) -> tuple[CompiledSync, ...]:
    """The syncs of an artifact, decoded once for each content.

    Raises:
        BadInput: no such file, or not an artifact of this version.
    """
    content = _content(artifact)
    return _pool(pool).get(("syncs", _hash(content)), lambda: read_artifact(content).syncs)


def get_sync_index(
    artifact: bytes | Path,
    functions: Mapping[str, Callable[..., Any]] | None = None,
    *,
    pool: Pool | None = None,
) -> SyncIndex:
    """The index of an artifact's syncs, built once for each content and functions.

    Raises:
        BadInput: as `load_compiled_syncs`; an expression that calls an unknown function.
    """
    content = _content(artifact)
    named = tuple(sorted((functions or {}).items(), key=lambda item: item[0]))
    return _pool(pool).get(
        ("index", _hash(content), named), lambda: SyncIndex(load_compiled_syncs(content, pool=pool), dict(named))
    )


def _hash(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def _pool(pool: Pool | None) -> Pool:
    return DEFAULT if pool is None else pool


def _content(artifact: bytes | Path) -> bytes:
    if isinstance(artifact, bytes):
        return artifact
    try:
        return artifact.read_bytes()
    except OSError as error:
        raise BadInput(f"artifact(={str(artifact)!r}) cannot be read: {error}") from error
