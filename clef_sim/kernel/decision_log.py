"""The decision log of a run: every draw, in order, as (stream, number). It is all that a replay needs."""

from __future__ import annotations

import sys
import zlib
from array import array
from pathlib import Path
from typing import Any

import msgspec

from clef_runtime.errors import BadInput

_MAGIC = b"clef-decisions\n"


class _Header(msgspec.Struct):
    version: int
    seed: int
    names: list[str]
    count: int
    about: dict[str, Any]


class DecisionLog:
    """Draws in their order.

    Attributes:
        seed: what the run was started with.
        names: of the streams, by number.
        streams, values: one entry a draw.
        about: whatever else a replay needs (scenario, options); plain JSON data.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.names: list[str] = []
        self.streams: array[int] = array("I")
        self.values: array[float] = array("d")
        self.about: dict[str, Any] = {}

    def __len__(self) -> int:
        return len(self.values)

    def number_of(self, name: str) -> int:
        """The number of a new stream."""
        self.names.append(name)
        return len(self.names) - 1

    def name_at(self, position: int) -> str:
        """The stream of the draw at `position`."""
        return self.names[self.streams[position]]

    def save(self, path: Path) -> None:
        """Writes the log: a line of magic, a line of JSON, the draws compressed.

        Raises:
            OSError: the file cannot be written.
        """
        header = _Header(1, self.seed, self.names, len(self), self.about)
        body = zlib.compress(_little_endian(self.streams) + _little_endian(self.values), 6)
        path.write_bytes(_MAGIC + msgspec.json.encode(header) + b"\n" + body)

    @classmethod
    def load(cls, path: Path) -> DecisionLog:
        """Reads what `save` wrote.

        Raises:
            BadInput: the file is missing, is not a decision log, or is damaged.
        """
        try:
            content = path.read_bytes()
        except OSError as error:
            raise BadInput(f"decision log {path}: cannot be read: {error.strerror}") from error
        if not content.startswith(_MAGIC):
            raise BadInput(f"decision log {path}: is not a decision log; give a file that a run has written")
        head, _, body = content[len(_MAGIC) :].partition(b"\n")
        try:
            header = msgspec.json.decode(head, type=_Header)
            draws = zlib.decompress(body)
        except (msgspec.MsgspecError, zlib.error) as error:
            raise BadInput(f"decision log {path}: is damaged ({error}); record the run again") from error
        if header.version != 1:
            raise BadInput(f"decision log {path}: version(={header.version}) must be 1; record the run again")
        return cls._from(header, draws, path)

    @classmethod
    def _from(cls, header: _Header, draws: bytes, path: Path) -> DecisionLog:
        log = cls(header.seed)
        log.names, log.about = header.names, header.about
        split = header.count * log.streams.itemsize
        if header.count < 0 or len(draws) != split + header.count * log.values.itemsize:
            raise BadInput(f"decision log {path}: is damaged ({header.count} draws announced); record it again")
        log.streams.frombytes(draws[:split])
        log.values.frombytes(draws[split:])
        if sys.byteorder == "big":
            log.streams.byteswap()
            log.values.byteswap()
        if log.streams and max(log.streams) >= len(log.names):
            raise BadInput(f"decision log {path}: is damaged (a stream without a name); record the run again")
        return log


def _little_endian(draws: array[Any]) -> bytes:
    if sys.byteorder == "big":
        draws = draws[:]
        draws.byteswap()
    return draws.tobytes()
