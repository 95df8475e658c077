"""Histories of live runs: written by many processes, read as checkers need them."""

from __future__ import annotations

from pathlib import Path

import pytest

from clef_runtime.errors import BadInput
from clef_runtime.model import Completion, Firing, Invocation
from clef_sim.history import Event
from clef_sim.live.history import Here, WrittenHistory, merged, read_events, write_events

INVOCATION = Invocation(id="i1", concept="urn:clef/A", action="go", input={}, flow="f", timestamp="t", extra={"x": 1})
COMPLETION = Completion(
    id="c1", concept="urn:clef/A", action="go", input={}, variant="ok", output={"n": 1.0}, flow="f", timestamp="t"
)
FIRING = Firing(id="g", sync="S", flow="f", matched_ids=("c1",), invocations=(INVOCATION,))

EVENTS = [
    Event(1.0, "a:1", "appended", "completion", "ok", {"record": COMPLETION, "new": True, "along": 0}),
    Event(1.5, "a:1", "appended", "invocation", "unknown", {"record": INVOCATION, "new": None, "along": 0}),
    Event(2.0, "a:1", "claim", "S", "ok", {"firing": FIRING, "state": "won", "offered": ("i1",), "fencing": 1}),
    Event(2.5, "a:1", "sent", "D", "ok", {"invocations": (INVOCATION,), "began": 2.25}),
    Event(3.0, "a:1", "edge", "S", "ok", {"matched": ("c1",), "invocations": ("i1",), "flow": "f"}),
    Event(3.5, "b:1", "staged", "urn:clef/A", "ok", {"reads": (("r", "k", 7, 3.0),), "writes": (("r", "k", False),)}),
    Event(4.0, "b:1", "published", "completion", "ok", {"record": COMPLETION}),
    Event(4.5, "b:1", "loaded", "f", "ok", {"ids": ("c1",)}),
    Event(5.0, "b:1", "acquire", "S", "failed", {"matched": ("c1",), "won": None, "error": "Throttled"}),
]


def test_history_that_was_written_is_read_as_it_was(tmp_path: Path) -> None:
    write_events(tmp_path / "all.jsonl", EVENTS)
    assert list(read_events(tmp_path / "all.jsonl")) == EVENTS


def test_histories_of_processes_are_merged_by_time_and_keep_their_own_order(tmp_path: Path) -> None:
    def event(at: float, who: str, name: str) -> Event:
        return Event(at, who, "phase", name, "ok", {})

    write_events(
        tmp_path / "a.jsonl", [event(1.0, "a", "first"), event(3.0, "a", "third"), event(3.0, "a", "fourth")]
    )
    write_events(tmp_path / "b.jsonl", [event(2.0, "b", "second"), event(4.0, "b", "fifth")])
    assert [each.name for each in merged(tmp_path)] == ["first", "second", "third", "fourth", "fifth"]


def test_history_says_who_acts_in_which_thread(tmp_path: Path) -> None:
    here = Here(0.0, "web-1")
    history = WrittenHistory(here, tmp_path / "web-1.jsonl")
    history.add("phase", "outside")
    with here.acting("web-1:t1.1"):
        history.add("phase", "inside")
    history.close()
    first, second = read_events(tmp_path / "web-1.jsonl")
    assert (first.who, second.who) == ("web-1", "web-1:t1.1")
    assert 0.0 < first.at <= second.at


def test_history_whose_writer_was_killed_in_a_line_lacks_that_line_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    write_events(path, EVENTS)
    path.write_bytes(path.read_bytes()[:-10])
    assert list(read_events(path)) == EVENTS[:-1]


def test_history_with_a_line_that_is_none_names_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"at": 1}\n{"at": 2}\n')
    with pytest.raises(BadInput, match=r"a\.jsonl:1: not an event of a history"):
        list(read_events(path))
