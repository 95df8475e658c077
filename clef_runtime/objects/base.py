"""The port of an object store: whole values under names, in one bucket."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

NAME_BYTES = 1024
"""The longest name, in UTF-8: the limit of S3 and GCS alike."""


class Listed(NamedTuple):
    """An object's name, and when it was written (epoch seconds, by the service's clock)."""

    name: str
    written_s: float


class Objects(Protocol):
    """The objects of a bucket. A read sees every earlier write by anyone. All methods are idempotent.

    All raise `Throttled` and `Refused` (surely not done), `Indeterminate` (may have been done), and `NotFound` by the
    bucket's name where there is no such bucket.
    """

    def create(self, name: str, body: bytes) -> None:
        """Stores an object under a name that nobody else uses, and that is never used again.

        Raises:
            Conflict: another object is there. What an earlier attempt of this call has stored is no conflict.
            TooLarge: over what the service takes in one request.
        """

    def get(self, name: str) -> bytes | None:
        """What is stored, or None."""

    def delete(self, name: str) -> None:
        """Removes the object; nothing happens where there is none."""

    def listed(self, prefix: str) -> Iterator[Listed]:
        """Every object whose name starts with `prefix`, page by page."""
