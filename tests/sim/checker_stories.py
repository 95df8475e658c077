"""Hand-written histories for the checkers' tests: a good one, and the means to spoil it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from clef_runtime.language import parse_text
from clef_runtime.model import (
    Completion,
    Firing,
    Invocation,
    Outcome,
    complete,
    concept_urn,
    firing_id,
    invocation_id,
)
from clef_sim.checkers import AppInfo, Settings, Verdict, run_checkers
from clef_sim.history import Event, EventOutcome, History

SYNCS = parse_text(
    """
sync Begin
when { Web/request: [ route: "place"; order: ?order ] => [] }
then {
  Payment/charge: [ order: ?order ]
  Stock/reserve: [ order: ?order ]
}

sync ShipWhenPaid
when {
  Payment/charge: [ order: ?order ] => ok()
  Stock/reserve: [ order: ?order ] => ok()
}
where {
  Address: { ?key order: ?order; street: ?street }
  bind(uuid() as ?id)
}
then { Shipping/ship: [ id: ?id; order: ?order; street: ?street ] }
""",
    "orders.sync",
)

ROWS = [{"__key": "a1", "order": "o1", "street": "High Street"}]


class Script:
    """Writes a history event by event; each takes a millisecond."""

    def __init__(self, flow: str = "f1", who: str = "platform") -> None:
        self.now, self.who, self.flow = 0.0, who, flow
        self.history = History(self)

    def add(self, kind: str, name: str, outcome: EventOutcome = "ok", **data: Any) -> None:
        self.now = round(self.now + 0.001, 6)
        self.history.add(kind, name, outcome, **data)

    def port(self, kind: str, name: str, outcome: EventOutcome = "ok", **data: Any) -> None:
        self.add(kind, name, outcome, began=self.now, **data)

    def invocation(self, id: str, target: str, input: dict[str, Any], cause: Firing | None = None) -> Invocation:
        concept, _, action = target.partition("/")
        return Invocation(
            id=id,
            concept=concept_urn(concept),
            action=action,
            input=input,
            flow=self.flow,
            timestamp="2026-01-01T00:00:00.000Z",
            sync=cause.sync if cause else None,
            matched_ids=cause.matched_ids if cause else (),
        )

    def firing(self, sync: str, matched: Sequence[Completion], *targets: tuple[str, dict[str, Any]]) -> Firing:
        ids = tuple(sorted(each.id for each in matched))
        bare = Firing(id=firing_id(sync, ids), sync=sync, flow=self.flow, matched_ids=ids, invocations=())
        made = [
            self.invocation(invocation_id(bare.id, 0, number), target, input, bare)
            for number, (target, input) in enumerate(targets)
        ]
        return msgspec.structs.replace(bare, invocations=tuple(made))

    def start(self, invocation: Invocation) -> None:
        self.add(
            "started",
            f"{invocation.concept}/{invocation.action}",
            invocation=invocation.id,
            flow=invocation.flow,
            sync=invocation.sync,
            matched=invocation.matched_ids,
            concept=invocation.concept,
            action=invocation.action,
            input=invocation.input,
        )

    def returns(self, invocation: Invocation, outcome: Outcome) -> None:
        self.add(
            "returned",
            f"{invocation.concept}/{invocation.action}",
            invocation=invocation.id,
            flow=invocation.flow,
            variant=outcome.variant,
            output=outcome.output,
        )

    def append(self, completion: Completion, *, new: bool = True, along: int = 0) -> None:
        self.port("appended", "completion", record=completion, new=new, along=along)

    def run(
        self, who: str, invocation: Invocation, *, writes: bool = True, outcome: Outcome | None = None
    ) -> Completion:
        """An action that runs, writes a row, and has its completion recorded."""
        self.who = who
        outcome = outcome or Outcome("ok", {})
        self.start(invocation)
        if writes:
            self.store(invocation)
        self.returns(invocation, outcome)
        completion = complete(invocation, outcome, "2026-01-01T00:00:00.000Z")
        self.append(completion)
        return completion

    def store(self, invocation: Invocation) -> None:
        self.port("stored", invocation.concept, op="put", relation="rows", key=invocation.id, value={"done": True})

    def load(self, *completions: Completion) -> None:
        self.port("loaded", self.flow, ids=tuple(each.id for each in completions))

    def ask(self, rows: list[dict[str, Any]] | None = None, **criteria: Any) -> None:
        self.port("facts", "urn:clef/Address", criteria=criteria, rows=ROWS if rows is None else rows)

    def claim(self, firing: Firing, state: str | None = "won", *, owner: str = "", fencing: int = 1) -> None:
        owner = owner or f"owner-{self.who}"
        self.port("claim", firing.sync, firing=firing, state=state, owner=owner, fencing=fencing)

    def acquire(self, firing: Firing, won: bool = True) -> None:
        self.port("acquire", firing.sync, matched=firing.matched_ids, won=won)

    def send(self, firing: Firing, outcome: EventOutcome = "ok") -> None:
        self.port("sent", "SqsDispatcher", outcome, invocations=firing.invocations)

    def edge(self, firing: Firing) -> None:
        ids = tuple(each.id for each in firing.invocations)
        self.port("edge", firing.sync, matched=firing.matched_ids, invocations=ids, flow=self.flow)

    def mark(self, firing: Firing, *, owner: str = "", fencing: int = 1) -> None:
        owner = owner or f"owner-{self.who}"
        self.port("fired", firing.sync, firing_id=firing.id, owner=owner, fencing=fencing)

    def fire(self, who: str, firing: Firing, guard: str = "lease") -> None:
        self.who = who
        if guard == "lease":
            self.claim(firing)
        elif guard == "once":
            self.acquire(firing)
        self.send(firing)
        self.edge(firing)
        if guard == "lease":
            self.mark(firing)

    def settle(self) -> None:
        self.who = "world"
        self.now += 1.0
        self.add("phase", "faults_stopped")
        self.now += 1.0
        self.add("phase", "settled")

    @property
    def events(self) -> list[Event]:
        return list(self.history)


class Orders(Script):
    """One order: asked for, charged and reserved, then shipped."""

    def open(self) -> Completion:
        self.add("request", "place", flow=self.flow)
        request = self.invocation(f"{self.flow}-open", "Web/request", {"route": "place", "order": "o1"})
        self.opened = self.run("web#1:1", request, writes=False)
        return self.opened

    def begin(self, guard: str = "lease") -> None:
        self.who = "evaluator#1:1"
        self.load(self.opened)
        order = {"order": "o1"}
        self.first = self.firing("Begin", [self.opened], ("Payment/charge", order), ("Stock/reserve", order))
        self.fire("evaluator#1:1", self.first, guard)
        charge, reserve = self.first.invocations
        self.charged = self.run("payment#1:1", charge)
        self.reserved = self.run("stock#1:1", reserve)

    def prepare(self, who: str = "evaluator#2:1", drawn: str = "u1") -> Firing:
        """The firing of the join, as `who` computes it."""
        self.who = who
        self.load(self.opened, self.charged, self.reserved)
        self.ask(order="o1")
        return self.shipping(drawn)

    def shipping(self, drawn: str = "u1") -> Firing:
        input = {"id": drawn, "order": "o1", "street": "High Street"}
        return self.firing("ShipWhenPaid", [self.charged, self.reserved], ("Shipping/ship", input))


def orders(guard: str = "lease") -> Orders:
    """The good story."""
    script = Orders()
    script.open()
    script.begin(guard)
    script.fire("evaluator#2:1", script.prepare(), guard)
    script.run("shipping#1:1", script.shipping().invocations[0])
    script.settle()
    return script


def orders_until_the_join(guard: str = "lease") -> Orders:
    script = Orders()
    script.open()
    script.begin(guard)
    return script


def drop(events: Iterable[Event], *wrong: Callable[[Event], bool]) -> list[Event]:
    kept = [event for event in events if not any(test(event) for test in wrong)]
    assert len(kept) < len(list(events)), "nothing was dropped: the test would show nothing"
    return kept


def is_a(kind: str, name: str = "", who: str = "") -> Callable[[Event], bool]:
    return lambda event: (
        event.kind == kind and (not name or event.name.endswith(name)) and (not who or event.who.startswith(who))
    )


def change(events: Iterable[Event], which: Callable[[Event], bool], **data: Any) -> list[Event]:
    """The events, with other data (or `outcome`, `name`, `at`, `who`) in those that fit."""
    struct = {name: data.pop(name) for name in ("outcome", "name", "at", "who") if name in data}
    spoiled = [
        msgspec.structs.replace(event, data={**event.data, **data}, **struct) if which(event) else event
        for event in events
    ]
    assert spoiled != list(events), "nothing was changed: the test would show nothing"
    return spoiled


def judge(
    events: Iterable[Event], checker: str, *, app: AppInfo | None = None, settings: Settings | None = None
) -> Verdict:
    verdicts = {each.checker: each for each in run_checkers(events, SYNCS, app, settings)}
    return verdicts[checker]
