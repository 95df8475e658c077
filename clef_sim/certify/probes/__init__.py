"""What a contender does on each service: one file a service, over its SDK and over the runtime's ports on it.

A probe is a process's connection. A contender of it has a method for each operation of `objects`; it raises the
runtime's errors, `Conflict` where a condition did not hold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, Protocol, TypeAlias

from clef_runtime.context import SystemClock
from clef_runtime.model import Completion, Firing, firing_id

SETS, ADDS = 3, 2
"""How often one contender sets a register, and adds to a counter, in one race."""

LEASE_S = 10.0

Race: TypeAlias = Callable[[Any, Any], None]
"""What a contender (the first) does with a key, each call by way of its `Notes` (the second)."""


class Moment(SystemClock):
    """A clock whose time of day is set, so that leases end without waiting; it sleeps as any."""

    def __init__(self) -> None:
        self.at_s = 0.0

    def now(self) -> float:
        return self.at_s


class Contender(Protocol):
    """One contender's hands. A probe has those methods that its service's guarantees need.

    `token` stands for the value that was read, as the service compares it.
    """

    clock: Moment
    guard: Any
    log: Any

    def create(self, key: str, value: str) -> bool: ...

    def read(self, key: str) -> tuple[str | None, Any]:
        """The value, and its token."""

    def set(self, key: str, token: Any, value: str) -> bool:
        """Token None: where it is absent."""

    def add(self, key: str, number: int) -> int: ...

    def sum(self, key: str) -> int: ...

    def transact(self, key: str, value: str) -> bool:
        """In one transaction: creates `key`, and a row of the contender's own beside it."""

    def transacted(self, key: str) -> tuple[str | None, list[str]]:
        """The value that `transact` gave `key`, and whose rows are beside it."""


class Probe(Protocol):
    def prepare(self, name: str) -> None:
        """Creates the tables or buckets for the series `name`."""

    def contender(self, name: str) -> Any: ...

    # Of queues alone:
    def make_queue(self, name: str, visibility_s: float) -> None: ...

    def send(self, queue: str, bodies: list[str]) -> None: ...

    def receive(self, queue: str) -> list[tuple[str, Any]]:
        """Bodies with their handles; waits a little where there are none."""

    def delete(self, queue: str, handle: Any) -> None: ...


def connect(service: str, env: Mapping[str, str]) -> Probe:
    """This process's connection to a service, where `env` (or the environment) leads."""
    found: Probe = import_module(f"clef_sim.certify.probes.{service}").Probe(env)
    return found


# ---- what one contender does with one key, and how the key is read when all is over


def _create(hand: Contender, note: Any) -> None:
    value = note.client
    note("create", value, lambda: hand.create(note.key, value))


def _read(hand: Contender, note: Any) -> None:
    note("read", None, lambda: hand.read(note.key)[0])


def _set(hand: Contender, note: Any) -> None:
    for number in range(SETS):
        token: list[Any] = []

        def look(token: list[Any] = token) -> str | None:
            value, found = hand.read(note.key)
            token.append(found)
            return value

        was, new = note("read", None, look), f"{note.client}.{number}"
        if token:
            note("set", [was, new], lambda token=token, new=new: hand.set(note.key, token[0], new))


def _add(hand: Contender, note: Any) -> None:
    for _ in range(ADDS):
        note("add", 1, lambda: hand.add(note.key, 1))


def _sum(hand: Contender, note: Any) -> None:
    note("sum", None, lambda: hand.sum(note.key))


def _transact(hand: Contender, note: Any) -> None:
    value = note.client
    note("create", value, lambda: hand.transact(note.key, value))


def _read_transacted(hand: Contender, note: Any) -> None:
    def look() -> str | None:
        value, rows = hand.transacted(note.key)
        return value if rows == ([] if value is None else [value]) else f"{value}, beside it rows of {rows}"

    note("read", None, look)


def _claim(hand: Contender, note: Any) -> None:
    """Claims, claims once more when the lease is over, and marks what it has won."""
    won = []
    for at_s in (0.0, LEASE_S):

        def claim(at_s: float = at_s) -> list[Any]:
            hand.clock.at_s = at_s
            got = hand.guard.claim(_firing(note.key, note.client), owner=note.client, lease_s=LEASE_S)
            if got.state == "won":
                won.append(got)
            return [got.state, got.owner, got.fencing]

        note("claim", [note.client, at_s, at_s + LEASE_S], claim)
    for got in won[-1:]:
        note("mark", [got.owner, got.fencing], lambda got=got: _marked(hand, got))


def _marked(hand: Contender, claim: Any) -> bool:
    hand.guard.mark_fired(claim)
    return True


def _look_at_claim(hand: Contender, note: Any) -> None:
    """A claim by nobody, at a time before any lease is over: it says whose it is, and takes nothing."""

    def claim() -> list[Any]:
        hand.clock.at_s = 0.0
        got = hand.guard.claim(_firing(note.key, "nobody"), owner="nobody", lease_s=LEASE_S)
        return [got.state, got.owner, got.fencing]

    note("claim", ["nobody", 0.0, LEASE_S], claim)


def _acquire(hand: Contender, note: Any) -> None:
    note("create", note.client, lambda: hand.guard.try_acquire([note.key], "Certify"))


def _nothing(_: Contender, __: Any) -> None:
    """The guard does not say who has acquired."""


def _append(hand: Contender, note: Any) -> None:
    note("create", note.client, lambda: hand.log.append(_completion(note.key, note.client)))


def _look_at_record(hand: Contender, note: Any) -> None:
    def look() -> str | None:
        found = hand.log.get(note.key, note.key)
        return None if found is None else str(found.output["by"])

    note("read", None, look)


KEYED: dict[str, tuple[Race, Race]] = {
    "create": (_create, _read),
    "compare-and-set": (_set, _read),
    "counter": (_add, _sum),
    "transaction": (_transact, _read_transacted),
    "acquire": (_acquire, _nothing),
    "lease": (_claim, _look_at_claim),
    "append": (_append, _look_at_record),
}
"""By guarantee: a contender's part of a race, and the look at the key afterwards."""


def table_of(name: str) -> str:
    """Where the keys of a series are: `prepare` was given the part of its name before the dot."""
    return name.partition(".")[0]


def _firing(key: str, by: str) -> Firing:
    return Firing(id=firing_id("Certify", [key]), sync="Certify", flow=by, matched_ids=(key,), invocations=())


def _completion(key: str, by: str) -> Completion:
    return Completion(
        id=key,
        concept="urn:clef/Certify",
        action="race",
        input={},
        variant="ok",
        output={"by": by},
        flow=key,
        timestamp="2026-01-01T00:00:00.000Z",
    )
