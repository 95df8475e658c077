"""The two firing protocols, over memory ports that fail where a test wants them to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from clef_runtime.action_log.memory import MemoryActionLog
from clef_runtime.concept import Catalogue, Concept
from clef_runtime.engine.durable import DurableEngine
from clef_runtime.engine.evaluator import Evaluator
from clef_runtime.engine.firing import Firer
from clef_runtime.engine.index import SyncIndex
from clef_runtime.engine.persistent import PersistentEngine
from clef_runtime.engine.where import StorageFacts
from clef_runtime.errors import BadInput, Held, Indeterminate
from clef_runtime.guard.base import Claim
from clef_runtime.guard.memory import MemoryFiringGuard
from clef_runtime.language import parse_text
from clef_runtime.model import Completion, Invocation, complete, encode, ok
from clef_runtime.receiver import Receiver
from clef_runtime.storage.memory import MemoryStorage

SYNCS = """
sync Greet
when { User/register: [] => ok(user: ?user) }
then {
  Mail/send: [ to: ?user; id: ?user ]
  Profile/create: [ user: ?user ]
}

sync Welcome
when {
  Mail/send: [ to: ?user ] => ok()
  Profile/create: [ user: ?user ] => ok()
}
then { Badge/give: [ user: ?user ] }
"""


class Clock:
    def __init__(self) -> None:
        self.seconds = 1_000_000.0

    def now(self) -> float:
        return self.seconds

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


class Ids:
    def __init__(self) -> None:
        self.made: Iterator[int] = iter(range(1_000_000))

    def new(self) -> str:
        return f"id-{next(self.made)}"


class Sent:
    """A dispatcher that keeps what it gets, and fails as often as it is told to."""

    def __init__(self) -> None:
        self.batches: list[tuple[Invocation, ...]] = []
        self.failures = 0
        self.applies_failures = False

    def send(self, invocations: Sequence[Invocation]) -> list[Completion]:
        if self.failures:
            self.failures -= 1
            if self.applies_failures:
                self.batches.append(tuple(invocations))
            raise Indeterminate("the answer was lost")
        self.batches.append(tuple(invocations))
        return []

    @property
    def ids(self) -> list[str]:
        return [invocation.id for batch in self.batches for invocation in batch]


def concepts() -> Catalogue:
    found = []
    for name, action in (("User", "register"), ("Mail", "send"), ("Profile", "create"), ("Badge", "give")):
        concept = Concept(name)
        concept.actions[action] = lambda record, tools: ok(**record)
        found.append(concept)
    return Catalogue(found)


class Setting:
    """One instance's engine over ports that several instances share."""

    def __init__(self, protocol: str = "lease", *, guarded: bool = True) -> None:
        self.clock, self.ids = Clock(), Ids()
        self.guard = MemoryFiringGuard(self.clock)
        self.log = MemoryActionLog(self.clock)
        self.sent = Sent()
        self.index = SyncIndex(parse_text(SYNCS))
        storage = MemoryStorage()
        self.firer = Firer(
            dispatcher=self.sent,
            facts=StorageFacts(concepts(), lambda _: storage, self.clock, self.ids),
            clock=self.clock,
            ids=self.ids,
            guard=self.guard if guarded else None,
            protocol=protocol,  # type: ignore[arg-type]  # a test parameter
            log=self.log,
            lease_s=30.0,
        )

    def durable(self) -> DurableEngine:
        return DurableEngine(self.index, self.log, self.firer, append="first")


def completed(concept: str, action: str, flow: str = "f", *, id: str = "", **output: str) -> Completion:
    invocation = Invocation(
        id=id or f"{concept}-{flow}",
        concept=f"urn:clef/{concept}",
        action=action,
        input=dict(output),
        flow=flow,
        timestamp="2026-01-01T00:00:00.000Z",
    )
    return complete(invocation, ok(**output), "2026-01-01T00:00:00.000Z")


REGISTERED = completed("User", "register", user="ann")


@pytest.mark.parametrize("protocol", ["once", "lease"])
def test_firing_a_match_sends_every_action_once_and_records_the_edge(protocol: str) -> None:
    setting = Setting(protocol)
    setting.durable().evaluate([REGISTERED])
    setting.durable().evaluate([REGISTERED])
    (batch,) = setting.sent.batches
    assert [(each.concept, each.action) for each in batch] == [
        ("urn:clef/Mail", "send"),
        ("urn:clef/Profile", "create"),
    ]
    assert setting.log.has_sync_edge("Greet", [REGISTERED.id], "f")


def test_firing_once_when_sending_failed_is_lost() -> None:
    setting = Setting("once")
    setting.sent.failures = 1
    with pytest.raises(Indeterminate):
        setting.durable().evaluate([REGISTERED])
    setting.durable().evaluate([REGISTERED])
    assert setting.sent.batches == []


def test_firing_lease_when_sending_failed_is_sent_again_with_the_same_invocations() -> None:
    setting = Setting("lease")
    setting.sent.failures, setting.sent.applies_failures = 1, True
    with pytest.raises(Indeterminate):
        setting.durable().evaluate([REGISTERED])
    with pytest.raises(Held) as held:
        setting.durable().evaluate([REGISTERED])
    setting.clock.sleep(held.value.retry_after_s + 0.001)
    setting.durable().evaluate([REGISTERED])
    first, second = setting.sent.batches
    assert first == second


def test_firing_lease_when_the_guards_row_is_gone_is_known_by_its_edge() -> None:
    setting = Setting("lease")
    setting.durable().evaluate([REGISTERED])
    setting.firer._guard = MemoryFiringGuard(setting.clock)
    setting.durable().evaluate([REGISTERED])
    assert len(setting.sent.batches) == 1


def test_firing_join_whichever_completion_comes_last_fires_once() -> None:
    mail, profile = completed("Mail", "send", to="ann"), completed("Profile", "create", user="ann")
    for order in ([mail, profile], [profile, mail]):
        setting = Setting()
        for completion in order:
            setting.durable().evaluate([completion])
        assert [each.action for batch in setting.sent.batches for each in batch] == ["give"]


def test_firing_one_failing_match_does_not_keep_another_from_firing() -> None:
    setting = Setting()
    setting.index = SyncIndex(
        parse_text(SYNCS + "sync Count when { User/register: [] => ok() } then { Badge/give: [] }")
    )
    setting.sent.failures = 1
    with pytest.raises(Indeterminate):
        setting.durable().evaluate([REGISTERED])
    assert len(setting.sent.batches) == 1


def test_evaluator_batch_reports_the_bad_message_only() -> None:
    setting = Setting()
    other = completed("User", "register", "g", user="bob")
    ended = Evaluator(setting.durable()).batch([encode(REGISTERED), b"{", encode(other)])
    assert [type(error) for error in ended] == [type(None), BadInput, type(None)]
    assert len(setting.sent.batches) == 2


def test_firing_lease_of_zero_or_less_is_refused() -> None:
    setting = Setting()
    with pytest.raises(BadInput, match=r"lease_s\(=0\) must be > 0"):
        Firer(
            dispatcher=setting.sent,
            facts=setting.firer._facts,
            clock=setting.clock,
            ids=setting.ids,
            guard=None,
            protocol="lease",
            log=None,
            lease_s=0,
        )


class Loop:
    """A dispatcher whose receiver answers with completions: option A's HTTP."""

    def __init__(self, receiver: Receiver) -> None:
        self.receiver = receiver
        self.failures = 0
        self.runs: list[str] = []

    def send(self, invocations: Sequence[Invocation]) -> list[Completion]:
        if self.failures:
            self.failures -= 1
            raise Indeterminate("no answer")
        self.runs += [f"{each.concept}/{each.action}" for each in invocations]
        return [self.receiver.run(each) for each in invocations]


def persistent(setting: Setting, **options: object) -> tuple[PersistentEngine, Loop]:
    storage = MemoryStorage()
    loop = Loop(Receiver(concepts(), lambda _: storage, setting.log, setting.clock, setting.ids, "recorded"))
    setting.firer._dispatcher = loop
    return PersistentEngine(setting.index, setting.firer, setting.clock, log=setting.log), loop


def test_persistent_engine_runs_the_chain_until_the_flow_is_quiet() -> None:
    setting = Setting(guarded=False)
    engine, loop = persistent(setting)
    setting.log.append(REGISTERED)
    completions = engine.evaluate([REGISTERED])
    assert [each.action for each in completions] == ["register", "send", "create", "give"]
    assert engine.evaluate([REGISTERED]) == completions
    assert len(loop.runs) == 3


def test_persistent_engine_when_a_call_failed_retries_by_itself_and_on_request() -> None:
    for retry in ("by itself", "on request"):
        setting = Setting(guarded=False)
        engine, loop = persistent(setting)
        loop.failures = 1
        with pytest.raises(Indeterminate):
            engine.evaluate([REGISTERED])
        if retry == "by itself":
            engine.retry_queued()
        completions = engine.evaluate([REGISTERED])
        assert [each.action for each in completions] == ["register", "send", "create", "give"]
        assert len(loop.runs) == 3


@pytest.mark.parametrize("marked", [True, False])
def test_persistent_engine_whose_mark_got_no_answer_goes_on_with_what_came_back(marked: bool) -> None:
    """The claim may be marked: a retry would be told so, send nothing, and what came back would never be matched."""
    setting = Setting("lease")
    engine, loop = persistent(setting)
    mark = setting.guard.mark_fired

    def unheard(claim: Claim) -> None:
        if marked:
            mark(claim)
        raise Indeterminate("the answer was lost")

    setting.guard.mark_fired = unheard  # type: ignore[method-assign]  # a test's own
    completions = engine.evaluate([REGISTERED])
    assert [each.action for each in completions] == ["register", "send", "create", "give"]
    assert len(loop.runs) == 3
    assert engine.queued == 0


def test_persistent_engine_after_a_restart_replays_the_log_and_fires_what_is_left() -> None:
    setting = Setting(guarded=False)
    engine, loop = persistent(setting)
    setting.log.append(REGISTERED)
    loop.failures = 1
    with pytest.raises(Indeterminate):
        engine.evaluate([REGISTERED])
    again, loop = persistent(setting)
    assert again.replay() == 1
    assert loop.runs == ["urn:clef/Mail/send", "urn:clef/Profile/create", "urn:clef/Badge/give"]
    third, loop = persistent(setting)
    assert third.replay() == 4
    assert loop.runs == []


def test_persistent_engine_forgets_idle_flows_and_reads_them_back() -> None:
    setting = Setting(guarded=False)
    engine, loop = persistent(setting)
    setting.log.append(REGISTERED)
    engine.evaluate([REGISTERED])
    setting.clock.sleep(301)
    engine.evaluate([completed("User", "register", "other", user="bob")])
    assert list(engine._flows) == ["other"]
    engine.evaluate([REGISTERED])
    assert len(loop.runs) == 6
