"""What one contender does: races on keys with the others, each call written down with when it began and ended."""

from __future__ import annotations

import os
from collections.abc import Callable
from threading import Lock
from typing import Any

from clef_runtime.context import SystemClock
from clef_runtime.errors import ClefError, Conflict
from clef_sim.certify.crew import Meeting, Task, Told
from clef_sim.certify.linearizable import LOST, Operation
from clef_sim.certify.probes import KEYED, Probe, Race, connect, table_of
from clef_sim.certify.queues import consume, queues_of

_clock = SystemClock()
_connected: dict[tuple[str, str], Probe] = {}
_connecting = Lock()


class Notes:
    """One contender's notes on one key after another."""

    def __init__(self, client: str) -> None:
        self.client, self.told, self.key = client, Told(), ""

    def __call__(self, name: str, argument: Any, call: Callable[[], Any]) -> Any:
        """Makes a call and notes it; returns its answer, None where it was refused or lost.

        A `Conflict` is the answer False. What was surely not done, a throttle say, is no operation.
        """
        invoked_s = _clock.monotonic()
        answer: Any
        try:
            answer = call()
        except Conflict as error:
            answer = LOST if error.after_doubt else False
        except ClefError as error:
            self.told.said = self.told.said or f"{type(error).__name__}: {error}"
            if error.definite:
                self.told.refused += 1
                return None
            answer = LOST
        returned_s = _clock.monotonic()
        operation = Operation(self.client, name, argument, answer, invoked_s, returned_s)
        self.told.operations.setdefault(self.key, []).append(operation)
        return None if answer == LOST else answer


def prepare(task: Task) -> Told:
    """Makes the tables, the bucket or the queues of a series; `error` says why it cannot."""
    try:
        probe = _probe(task)
        if task.guarantee == "visibility":
            for queue in queues_of(task.name):
                probe.make_queue(queue, task.visibility_s)
        else:
            probe.prepare(table_of(task.name))
    except Exception as error:  # of whatever SDK
        return Told(error=f"{type(error).__name__}: {error}")
    return Told()


def contend(task: Task, seat: int, seats: int, meeting: Meeting) -> Told:
    """One seat of a series; see `crew.Contend`."""
    probe = _probe(task)
    if task.guarantee == "visibility":
        return consume(task, probe, seat, seats, meeting)
    race, look = KEYED[task.guarantee]
    groups = seats // task.group
    mine, rank = seat % groups, seat // groups
    notes = Notes(f"{seat}")
    contender = probe.contender(task.name)
    number = 0
    _warm_up(race, contender, f"{task.name}-warm-{seat}")
    meeting.go_on(seat, -2, last=False)
    began_s = _clock.monotonic()
    while meeting.go_on(seat, number, last=_over(task, groups, number, began_s)):
        notes.key = f"{task.name}-{number}-{mine}"
        notes.told.operations.setdefault(notes.key, [])  # a race in which nobody is answered is one too
        race(contender, notes)
        number += 1
    notes.told.elapsed_s = _clock.monotonic() - began_s
    for each in range(rank, number, task.group):
        notes.key = f"{task.name}-{each}-{mine}"
        look(contender, notes)
    return notes.told


def _warm_up(race: Race, contender: Any, key: str) -> None:
    """One race alone, which counts for nothing: connections are made, and a server has done all of it once."""
    notes = Notes("warm")
    notes.key = key
    race(contender, notes)


def _over(task: Task, groups: int, number: int, began_s: float) -> bool:
    return number * groups >= task.races or _clock.monotonic() - began_s > task.budget_s


def _probe(task: Task) -> Probe:
    """The process's one connection to a service."""
    address = repr(sorted(task.env.items()))
    with _connecting:
        if (task.service, address) not in _connected:
            os.environ.update(task.env)
            _connected[task.service, address] = connect(task.service, task.env)
        return _connected[task.service, address]
