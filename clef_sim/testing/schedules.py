"""Concurrent dedup as a property: several instances evaluate one flow, a schedule says in which order.

A schedule is plain data (how many instances, which completions each gets, how long each SDK call takes, which
call crashes its instance), so that hypothesis draws and shrinks it:

    @given(schedules())
    def test_my_guard_fires_each_match_once(schedule):
        race = Race(SYNCS, schedule)
        race.run()
        assert race.check() == []
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from hypothesis import strategies as st

from clef_runtime.action_log.dynamodb import DynamoDBActionLog, log_table
from clef_runtime.engine.durable import DurableEngine
from clef_runtime.engine.evaluator import Evaluator
from clef_runtime.engine.firing import Firer, Protocols
from clef_runtime.engine.flow import FlowState
from clef_runtime.engine.index import SyncIndex
from clef_runtime.guard.base import FiringGuard
from clef_runtime.guard.dynamodb import DynamoDBFiringGuard, guard_table
from clef_runtime.language.compiled import CompiledSync
from clef_runtime.model import Completion, Invocation, Outcome, Record, encode, ok
from clef_sim.history import History
from clef_sim.kernel.clock import SimClock, SimIds
from clef_sim.kernel.instance import Instance
from clef_sim.kernel.threads import Kernel
from clef_sim.network import Action, Call, Network
from clef_sim.profiles import profile
from clef_sim.recorded import RecordedGuard
from clef_sim.services.dynamodb import DynamoDB
from clef_sim.testing.choices import GivenChoices

TICK_MS = 2.0
LEASE_S = 10.0
REDELIVERY_S = 30.0
"""An evaluation that failed is tried again after this long, as a queue does."""


class Schedule(msgspec.Struct, frozen=True):
    """What is drawn.

    Args:
        instances: which completions (numbers) each instance is given, in order.
        ticks: how many ticks each SDK call takes, in the order of the calls; 0 after the last.
        crashes: numbers of calls (from 0) after which the calling instance dies.
    """

    instances: tuple[tuple[int, ...], ...]
    ticks: tuple[int, ...]
    crashes: tuple[int, ...] = ()


def schedules(completions: int = 2, *, max_instances: int = 4, crashes: bool = True) -> st.SearchStrategy[Schedule]:
    """Draws schedules over `completions` completions (numbered from 0)."""
    batch = st.lists(st.integers(0, completions - 1), min_size=1, max_size=completions).map(tuple)
    return st.builds(
        Schedule,
        instances=st.lists(batch, min_size=1, max_size=max_instances).map(tuple),
        ticks=st.lists(st.integers(0, 3), max_size=40).map(tuple),
        crashes=st.lists(st.integers(0, 15), max_size=2).map(tuple) if crashes else st.just(()),
    )


class _Crashes:
    """A fault plan that kills the caller after the calls whose numbers were drawn."""

    def __init__(self, numbers: Sequence[int]) -> None:
        self._numbers, self._seen = frozenset(numbers), -1

    def watches(self, service: str, operation: str) -> bool:  # noqa: ARG002 - the protocol's signature
        return bool(self._numbers)

    def before(self, call: Call) -> Action | None:  # noqa: ARG002
        return None

    at = before

    def after(self, call: Call) -> Action | None:  # noqa: ARG002
        self._seen += 1
        return Action("crash", "crash") if self._seen in self._numbers else None


class _NoFacts:
    def query(self, concept: str, criteria: Record) -> list[Record]:  # noqa: ARG002 - these syncs ask nothing
        return []

    def ask(self, concept: str, action: str, input: Record) -> Outcome:  # noqa: ARG002
        return ok()


class _Queue:
    """Accepts messages, as an SQS client does."""

    def send_message_batch(self, **_: Any) -> Record:
        return {}


class _Sends:
    """A dispatcher whose sending takes one SDK call, and which keeps what was accepted."""

    def __init__(self, client: Any, accepted: list[tuple[Invocation, ...]]) -> None:
        self._client, self._accepted = client, accepted

    def send(self, invocations: Sequence[Invocation]) -> list[Completion]:
        self._client.send_message_batch()
        self._accepted.append(tuple(invocations))
        return []


GuardOf = Callable[[Any, SimClock], FiringGuard]


def dynamodb_guard(client: Any, clock: SimClock) -> FiringGuard:
    return DynamoDBFiringGuard(client, "guard", clock)


class Race:
    """Evaluators racing over one flow, on the runtime's own guard, log and evaluator.

    Args:
        syncs: without *where* queries.
        completions: of one flow; a schedule names them by number.
        guard_of: makes the guard under test of an instance's DynamoDB client.
    """

    def __init__(
        self,
        syncs: Sequence[CompiledSync],
        completions: Sequence[Completion],
        schedule: Schedule,
        *,
        guard_of: GuardOf = dynamodb_guard,
        protocol: Protocols = "lease",
    ) -> None:
        self.index, self.completions, self.schedule = SyncIndex(syncs), completions, schedule
        self.guard_of, self.protocol = guard_of, protocol
        self.kernel = Kernel()
        self.choices = GivenChoices([tick * TICK_MS for tick in schedule.ticks])
        self.history = History(self.kernel)
        plan = _Crashes(schedule.crashes)
        self.network = Network(self.kernel, self.choices, self.history, profile("aws"), plan)
        self.clock, self.ids = SimClock(self.kernel), SimIds(self.choices)
        self.dynamodb = DynamoDB(self.clock.now)
        self.dynamodb.create_table(**log_table("log"))
        self.dynamodb.create_table(**guard_table("guard"))
        self.accepted: list[tuple[Invocation, ...]] = []

    def run(self) -> None:
        """Runs until every instance has evaluated what it was given, those that die and their successors
        included."""
        for number, batch in enumerate(self.schedule.instances):
            self._start(f"evaluator#{number}", [self.completions[each] for each in batch])
        self.kernel.run()

    def _start(self, name: str, batch: Sequence[Completion], delay_s: float = 0.0) -> None:
        instance = Instance(name)
        instance.on_kill.append(lambda _: self._start(name + "'", batch, REDELIVERY_S))
        evaluator = self._evaluator(instance)
        self.kernel.spawn(lambda: self._work(evaluator, batch), who=name, instance=instance, delay_s=delay_s)

    def _work(self, evaluator: Evaluator, batch: Sequence[Completion]) -> None:
        bodies = [encode(completion) for completion in batch]
        while bodies:
            ended = evaluator.batch(bodies)
            bodies = [body for body, error in zip(bodies, ended, strict=True) if error is not None]
            if bodies:
                self.kernel.sleep(REDELIVERY_S)

    def _evaluator(self, instance: Instance) -> Evaluator:
        client = self.network.client("dynamodb", self.dynamodb, instance)
        log = DynamoDBActionLog(client, "log", self.clock)
        firer = Firer(
            dispatcher=_Sends(self.network.client("sqs", _Queue(), instance), self.accepted),
            facts=_NoFacts(),
            clock=self.clock,
            ids=self.ids,
            guard=RecordedGuard(self.guard_of(client, self.clock), self.history),
            protocol=self.protocol,
            log=log,
            lease_s=LEASE_S,
        )
        return Evaluator(DurableEngine(self.index, log, firer, append="first"))

    def check(self) -> list[str]:
        """What went wrong, in words: a firing decided twice, sent with other contents, or never sent."""
        return [*self._decided_twice(), *self._differing(), *self._lost()]

    def _decided_twice(self) -> list[str]:
        holders: dict[tuple[str, int], str] = {}
        offences = []
        for event in self.history:
            if event.kind == "claim" and event.data["state"] == "won":
                key = (event.data["firing"].id, event.data["fencing"])
                other = holders.setdefault(key, event.data["owner"])
                if other != event.data["owner"]:
                    offences.append(f"sync {event.name} was decided twice under fencing {key[1]}: by {event.who} too")
            if event.kind == "acquire" and event.data["won"]:
                key = (event.name + " " + " ".join(sorted(event.data["matched"])), 0)
                if holders.setdefault(key, event.who) != event.who:
                    offences.append(f"sync {event.name} was acquired twice: by {holders[key]} and {event.who}")
        return offences

    def _differing(self) -> list[str]:
        contents: dict[str, Invocation] = {}
        return [
            f"invocation {each.id} of sync {each.sync} was sent with two contents"
            for batch in self.accepted
            for each in batch
            if contents.setdefault(each.id, each) != each
        ]

    def _lost(self) -> list[str]:
        given = sorted({number for batch in self.schedule.instances for number in batch})
        state = FlowState(self.index)
        for number in given:
            state.add(self.completions[number])
        sent = {(each.sync, each.matched_ids) for batch in self.accepted for each in batch}
        fired = {(sync, tuple(sorted(ids))) for sync, ids in sent}
        due = {
            (match.sync.name, tuple(sorted(each.id for each in match.completions)))
            for number in given
            for match in state.matches(self.completions[number])
        }
        return [f"sync {sync} never fired on {', '.join(ids)}" for sync, ids in sorted(due - fired)]
