"""What the models of object stores share: objects by bucket and name, in the order of their names' bytes."""

from __future__ import annotations

from bisect import bisect_left, insort

import msgspec

NAME_BYTES = 1024
"""The longest name of an object, in UTF-8."""


class Object(msgspec.Struct, frozen=True):
    """`written_s`: epoch seconds."""

    body: bytes
    content_type: str
    written_s: float


class Bucket:
    """The objects of one bucket."""

    def __init__(self) -> None:
        self._objects: dict[str, Object] = {}
        self._names: list[bytes] = []

    def get(self, name: str) -> Object | None:
        return self._objects.get(name)

    def put(self, name: str, made: Object) -> None:
        if name not in self._objects:
            insort(self._names, name.encode())
        self._objects[name] = made

    def delete(self, name: str) -> bool:
        """False where there is none."""
        if self._objects.pop(name, None) is None:
            return False
        del self._names[bisect_left(self._names, name.encode())]
        return True

    def names(self, prefix: str, start: str, most: int) -> list[str]:
        """At most so many names that begin with `prefix`, from `start` on (that name included)."""
        begin, wanted = prefix.encode(), max(prefix.encode(), start.encode())
        first = bisect_left(self._names, wanted)
        found: list[str] = []
        for name in self._names[first:]:
            if len(found) == most or not name.startswith(begin):
                break
            found.append(name.decode())
        return found
