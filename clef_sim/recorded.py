"""Ports that write the history: each wraps a port, is the same port, and changes nothing about it.

An event is written when a call ends, with `began`, the virtual second it began in. A call that ended
definitely not done is `failed`. Anything else that is not an answer is `unknown`: an indeterminate error, a
bug's exception, and an instance killed in the middle, since what it asked for may have been done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

from clef_runtime.action_log.base import ActionLog, FlowRecords
from clef_runtime.concept import Action, Catalogue, Concept, Tools
from clef_runtime.context import Clock
from clef_runtime.errors import ClefError
from clef_runtime.guard.base import Claim, FiringGuard
from clef_runtime.model import Completion, Firing, Invocation, Outcome, Record, SyncEdge
from clef_runtime.storage.base import Criteria, Staged, Storage, Write
from clef_runtime.transport.base import Dispatcher, Publisher
from clef_sim.history import EventOutcome, History

if TYPE_CHECKING:
    from clef_runtime.engine.where import Facts

T = TypeVar("T")


def _outcome_of(error: BaseException) -> EventOutcome:
    return "failed" if isinstance(error, ClefError) and error.definite else "unknown"


def _call(
    history: History,
    kind: str,
    name: str,
    data: Record,
    answer: Callable[[T], Record] | None,
    call: Callable[[], T],
) -> T:
    """Makes the call and writes one event: `data`, and what `answer` makes of the result."""
    data["began"] = history.where.now
    try:
        result = call()
    except BaseException as error:  # an instance that is killed must leave its trace as well
        data["error"] = type(error).__name__
        history.note(kind, name, _outcome_of(error), data)
        raise
    if answer is not None:
        data.update(answer(result))
    history.note(kind, name, "ok", data)
    return result


def _is_new(new: bool) -> Record:
    return {"new": new}


def _is_won(won: bool) -> Record:
    return {"won": won}


def _counted(count: int) -> Record:
    return {"count": count}


def _seen(records: FlowRecords) -> Record:
    return {"ids": tuple([completion.id for completion in records.completions])}


def _claimed(claim: Claim) -> Record:
    return {"firing": claim.firing, "state": claim.state, "owner": claim.owner, "fencing": claim.fencing}


def _found(rows: list[Record]) -> Record:
    return {"rows": list(rows)}


def _ended(outcome: Outcome) -> Record:
    return {"variant": outcome.variant, "output": outcome.output}


class RecordedStorage:
    """Writes are recorded (`stored`, `staged`). Reads are not, but what is staged says which versions were read."""

    def __init__(self, storage: Storage, history: History, concept_urn: str) -> None:
        self._storage, self._history, self._urn = storage, history, concept_urn
        self.transactional = storage.transactional
        # Since the last staging; a function runs one action at a time.
        self._read: dict[tuple[str, str], tuple[int, float]] = {}

    def put(self, relation: str, key: str, value: Record) -> None:
        data = {"op": "put", "relation": relation, "key": key, "value": value}
        _call(self._history, "stored", self._urn, data, None, lambda: self._storage.put(relation, key, value))

    def get(self, relation: str, key: str) -> Record | None:
        return self._storage.get(relation, key)

    def get_versioned(self, relation: str, key: str) -> tuple[Record | None, int]:
        began = self._history.where.now
        value, version = self._storage.get_versioned(relation, key)
        self._read[relation, key] = version, began
        return value, version

    def find(
        self,
        relation: str,
        criteria: Criteria | None = None,
        *,
        sort: str | None = None,
        limit: int | None = None,
        offset: int = 0,
    ) -> list[Record]:
        return self._storage.find(relation, criteria, sort=sort, limit=limit, offset=offset)

    def delete(self, relation: str, key: str) -> None:
        data = {"op": "delete", "relation": relation, "key": key, "value": None}
        _call(self._history, "stored", self._urn, data, None, lambda: self._storage.delete(relation, key))

    def delete_many(self, relation: str, criteria: Criteria) -> int:
        data = {"op": "delete", "relation": relation, "key": None, "value": None, "criteria": dict(criteria)}
        return _call(
            self._history, "stored", self._urn, data, _counted, lambda: self._storage.delete_many(relation, criteria)
        )

    def stage(self, writes: Sequence[Write]) -> Staged:
        read, self._read = self._read, {}
        if writes or read:
            reads = tuple([(*row, version, began) for row, (version, began) in read.items()])
            told = tuple([(each.relation, each.key, each.value is None) for each in writes])
            self._history.note("staged", self._urn, "ok", {"reads": reads, "writes": told})
        return self._storage.stage(writes)


class RecordedActionLog:
    """Appends, loads and edges are recorded (`appended`, `loaded`, `edge`)."""

    def __init__(self, log: ActionLog, history: History) -> None:
        self._log, self._history = log, history

    def append(self, record: Completion | Invocation, along: Staged = ()) -> bool:
        name = "completion" if isinstance(record, Completion) else "invocation"
        data = {"record": record, "new": None, "along": len(along)}
        return _call(self._history, "appended", name, data, _is_new, lambda: self._log.append(record, along))

    def get(self, flow: str, completion_id: str) -> Completion | None:
        return self._log.get(flow, completion_id)

    def load_flow(self, flow: str) -> FlowRecords:
        return _call(self._history, "loaded", flow, {}, _seen, lambda: self._log.load_flow(flow))

    def has_sync_edge(self, sync: str, matched_ids: Iterable[str], flow: str) -> bool:
        return self._log.has_sync_edge(sync, matched_ids, flow)

    def add_sync_edge(self, edge: SyncEdge) -> None:
        data = {"matched": edge.matched_ids, "invocations": edge.invocation_ids, "flow": edge.flow}
        _call(self._history, "edge", edge.sync, data, None, lambda: self._log.add_sync_edge(edge))

    def for_match(self, sync: str, matched_ids: Iterable[str], flow: str) -> SyncEdge | None:
        return self._log.for_match(sync, matched_ids, flow)

    def scan(self) -> Iterator[Completion | SyncEdge]:
        return self._log.scan()

    def gc(self, before_s: float) -> int:
        return self._log.gc(before_s)


class RecordedGuard:
    """Who got a firing, and under which number, is recorded (`acquire`, `claim`, `fired`)."""

    def __init__(self, guard: FiringGuard, history: History) -> None:
        self._guard, self._history = guard, history

    def try_acquire(self, completion_ids: Iterable[str], sync: str) -> bool:
        matched = tuple(completion_ids)
        data = {"matched": matched, "won": None}
        return _call(self._history, "acquire", sync, data, _is_won, lambda: self._guard.try_acquire(matched, sync))

    def claim(self, firing: Firing, *, owner: str, lease_s: float) -> Claim:
        offered = tuple([invocation.id for invocation in firing.invocations])
        data = {"firing": firing, "state": None, "owner": owner, "fencing": None, "offered": offered}
        return _call(
            self._history,
            "claim",
            firing.sync,
            data,
            _claimed,
            lambda: self._guard.claim(firing, owner=owner, lease_s=lease_s),
        )

    def mark_fired(self, claim: Claim) -> None:
        firing = claim.firing
        data = {"firing_id": firing.id, "owner": claim.owner, "fencing": claim.fencing}
        _call(self._history, "fired", firing.sync, data, None, lambda: self._guard.mark_fired(claim))


class RecordedDispatcher:
    """What was sent, and whether all of it was accepted, is recorded (`sent`)."""

    def __init__(self, dispatcher: Dispatcher, history: History) -> None:
        self._dispatcher, self._history = dispatcher, history
        self._name = type(dispatcher).__name__

    def send(self, invocations: Sequence[Invocation]) -> list[Completion]:
        data = {"invocations": tuple(invocations)}
        return _call(self._history, "sent", self._name, data, None, lambda: self._dispatcher.send(invocations))


class RecordedPublisher:
    """Completions handed to the engine are recorded (`published`)."""

    def __init__(self, publisher: Publisher, history: History) -> None:
        self._publisher, self._history = publisher, history

    def publish(self, completion: Completion) -> None:
        data = {"record": completion}
        _call(self._history, "published", "completion", data, None, lambda: self._publisher.publish(completion))


class RecordedFacts:
    """What a *where* was told is recorded (`facts`, `asked`): the reference computes from that."""

    def __init__(self, facts: Facts, history: History) -> None:
        self._facts, self._history = facts, history

    def query(self, concept: str, criteria: Record) -> list[Record]:
        data = {"criteria": dict(criteria), "rows": None}
        return _call(self._history, "facts", concept, data, _found, lambda: self._facts.query(concept, criteria))

    def ask(self, concept: str, action: str, input: Record) -> Outcome:
        data = {"input": dict(input), "variant": None, "output": None}
        name = f"{concept}/{action}"
        return _call(self._history, "asked", name, data, _ended, lambda: self._facts.ask(concept, action, input))


def recorded_catalogue(
    catalogue: Catalogue, history: History, clock: Clock, handler_s: Callable[[str, str], float]
) -> Catalogue:
    """The same concepts, whose actions take their modelled time and are recorded (`started`, `returned`).

    Args:
        handler_s: seconds (>= 0) that an action takes, by the concept's URN and the action's name.
    """
    concepts = []
    for concept in catalogue:
        copy = Concept(concept.name, facts=concept.facts)
        copy.reading = set(concept.reading)
        for name, action in concept.actions.items():
            copy.actions[name] = _recorded_action(concept.urn, name, action, history, clock, handler_s)
        concepts.append(copy)
    return Catalogue(concepts)


def _recorded_action(
    urn: str,
    name: str,
    action: Action,
    history: History,
    clock: Clock,
    handler_s: Callable[[str, str], float],
) -> Action:
    full_name = f"{urn}/{name}"

    def run(input: Record, tools: Tools) -> Outcome:
        invocation = tools.invocation
        if invocation is None:  # asked by a where: recorded as `asked`, and no invocation
            clock.sleep(handler_s(urn, name))
            return action(input, tools)
        about = {"invocation": invocation.id, "flow": invocation.flow}
        started = {
            "invocation": invocation.id,
            "flow": invocation.flow,
            "sync": invocation.sync,
            "matched": invocation.matched_ids,
            "concept": urn,
            "action": name,
            "input": input,
        }
        history.note("started", full_name, "ok", started)
        try:
            clock.sleep(handler_s(urn, name))
            outcome = action(input, tools)
        except BaseException as error:  # an instance that is killed must leave its trace as well
            history.add("returned", full_name, _outcome_of(error), variant=None, error=type(error).__name__, **about)
            raise
        history.note("returned", full_name, "ok", {**about, "variant": outcome.variant, "output": outcome.output})
        return outcome

    return run
