"""Degraded syncs: skipped where eager, kept for later where eventual, fired in one runtime only where local."""

from __future__ import annotations

import logging
from collections.abc import Collection

import pytest

from clef_runtime.context import SystemClock
from clef_runtime.engine.availability import WhereAvailable, concepts_needed
from clef_runtime.engine.flow import FlowState, Match
from clef_runtime.engine.index import SyncIndex
from clef_runtime.engine.persistent import PersistentEngine
from clef_runtime.errors import Unavailable
from clef_runtime.language import parse_text
from clef_runtime.model import Completion

TEXT = """
sync Greet %s
when { User/register: [] => ok(user: ?user) }
where { Profile: { ?profile user: ?user } Team/of: [ user: ?user ] => [ team: ?team ] }
then { Mail/send: [ to: ?user ] }
"""

REGISTERED = Completion(
    id="c1",
    concept="urn:clef/User",
    action="register",
    input={},
    variant="ok",
    output={"user": "ann"},
    flow="f",
    timestamp="2026-01-01T00:00:00.000Z",
)


class Fired:
    def __init__(self) -> None:
        self.ids: list[str] = []

    def fire(self, match: Match, fired: Collection[str] = ()) -> list[Completion]:
        self.ids.append(match.firing_id)
        return []


def match_of(annotation: str) -> Match:
    state = FlowState(SyncIndex(parse_text(TEXT % annotation)))
    state.add(REGISTERED)
    (match,) = state.matches(REGISTERED)
    return match


def test_concepts_needed_are_those_that_firing_reads_or_invokes() -> None:
    (sync,) = parse_text(TEXT % "")
    assert concepts_needed(sync) == ("urn:clef/Profile", "urn:clef/Team", "urn:clef/Mail")


@pytest.mark.parametrize("missing", ["urn:clef/Profile", "urn:clef/Team", "urn:clef/Mail"])
def test_eager_sync_without_one_of_its_concepts_is_skipped_with_a_warning(
    missing: str, caplog: pytest.LogCaptureFixture
) -> None:
    inner = Fired()
    with caplog.at_level(logging.WARNING):
        assert WhereAvailable(inner, lambda urn: urn != missing).fire(match_of("[eager]")) == []
    assert inner.ids == []
    assert f"sync Greet is skipped in flow f: no {missing}" in caplog.text


def test_eventual_sync_without_a_concept_is_to_come_again() -> None:
    inner = Fired()
    with pytest.raises(Unavailable, match="Greet waits for urn:clef/Mail"):
        WhereAvailable(inner, lambda urn: urn != "urn:clef/Mail").fire(match_of("[eventual]"))
    assert inner.ids == []


def test_eventual_sync_in_the_persistent_engine_fires_when_its_concept_is_back() -> None:
    inner, there = Fired(), {"urn:clef/Profile", "urn:clef/Team"}
    index = SyncIndex(parse_text(TEXT % "[eventual]"))
    engine = PersistentEngine(index, WhereAvailable(inner, there.__contains__), SystemClock())
    engine.evaluate([REGISTERED])
    engine.retry_queued()
    assert inner.ids == []
    there.add("urn:clef/Mail")
    engine.retry_queued()
    engine.retry_queued()
    assert len(inner.ids) == 1


@pytest.mark.parametrize(("together", "count"), [(True, 1), (False, 0)])
def test_local_sync_fires_only_where_its_concepts_run_together(together: bool, count: int) -> None:
    inner = Fired()
    WhereAvailable(inner, lambda _: True, lambda _: together).fire(match_of("[local]"))
    assert len(inner.ids) == count
