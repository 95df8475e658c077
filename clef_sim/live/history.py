"""The history of a live run: each process writes its own lines, which are merged by time when the run is over."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from clef_runtime.context import SystemClock
from clef_runtime.errors import BadInput
from clef_runtime.model import Completion, Firing, Invocation, Record
from clef_sim.history import Event, EventOutcome, History

SUFFIX = ".jsonl"


class Here:
    """Now and who, for a history: seconds since `zero_s` of the machine's monotonic clock, which all processes share;
    who acts is what its thread says."""

    def __init__(self, zero_s: float, name: str) -> None:
        self._monotonic, self._zero_s = SystemClock().monotonic, zero_s
        self._name, self._local = name, threading.local()

    @property
    def now(self) -> float:
        return self._monotonic() - self._zero_s

    @property
    def who(self) -> str:
        return getattr(self._local, "who", self._name)

    @contextmanager
    def acting(self, who: str) -> Iterator[None]:
        """This thread is `who` inside."""
        before = self.who
        self._local.who = who
        try:
            yield
        finally:
            self._local.who = before


class WrittenHistory(History):
    """A history whose events are lines of a file, each written at once: what a killed process has written, stays."""

    def __init__(self, here: Here, path: Path) -> None:
        super().__init__(here, keep=False)
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._encode = msgspec.json.Encoder(enc_hook=repr).encode

    def note(self, kind: str, name: str, outcome: EventOutcome, data: Record) -> None:
        event = Event(self.where.now, self.where.who, kind, name, outcome, data)
        os.write(self._file, self._encode(event) + b"\n")  # one call: threads do not mix their lines

    def close(self) -> None:
        os.close(self._file)


def merged(folder: Path) -> list[Event]:
    """The events of all processes by time; those of one process at one instant stay in their order.

    Raises:
        BadInput: a line that no process wrote; names file and line.
    """
    found: list[Event] = []
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        found += read_events(path)
    return sorted(found, key=lambda event: event.at)


def read_events(path: Path) -> Iterator[Event]:
    """Raises as `merged`. A last line that was cut off is passed over: its writer was killed."""
    lines = path.read_bytes().split(b"\n")
    for number, line in enumerate(lines, 1):
        if not line:
            continue
        try:
            yield event_from(_decode(line))
        except msgspec.MsgspecError as error:
            if number == len(lines):
                return
            raise BadInput(f"{path}:{number}: not an event of a history: {error}") from error


def write_events(path: Path, events: Iterable[Event]) -> None:
    encode = msgspec.json.Encoder(enc_hook=repr).encode
    path.write_bytes(b"".join(encode(event) + b"\n" for event in events))


_decode = msgspec.json.Decoder(Event).decode


def event_from(event: Event) -> Event:
    """What JSON has made of an event, with the structs and tuples that checkers look for."""
    form = _FORMS.get(event.kind)
    if form is not None:
        form(event.data, event)
    return event


def _convert(field: str, kind: Any) -> Callable[[Record, Event], None]:
    def form(data: Record, _: Event) -> None:
        if data.get(field) is not None:
            data[field] = msgspec.convert(data[field], kind)

    return form


def _appended(data: Record, event: Event) -> None:
    data["record"] = msgspec.convert(data["record"], Completion if event.name == "completion" else Invocation)


def _both(*forms: Callable[[Record, Event], None]) -> Callable[[Record, Event], None]:
    def form(data: Record, event: Event) -> None:
        for each in forms:
            each(data, event)

    return form


_IDS = tuple[str, ...]

_FORMS: dict[str, Callable[[Record, Event], None]] = {
    "appended": _appended,
    "published": _convert("record", Completion),
    "claim": _both(_convert("firing", Firing), _convert("offered", _IDS)),
    "sent": _convert("invocations", tuple[Invocation, ...]),
    "edge": _both(_convert("matched", _IDS), _convert("invocations", _IDS)),
    "acquire": _convert("matched", _IDS),
    "started": _convert("matched", _IDS),
    "loaded": _convert("ids", _IDS),
    "staged": _both(
        _convert("reads", tuple[tuple[str, str, int, float], ...]),
        _convert("writes", tuple[tuple[str, str, bool], ...]),
    ),
}
