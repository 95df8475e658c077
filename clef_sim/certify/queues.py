"""Visibility time-outs: what consumers of one queue do, and whether what they saw keeps to the promise.

Promised is: a message that was handed to one consumer is handed to no other before its visibility has ended; after
that it comes again, unless it was deleted; none is lost. A deleted message that comes again all the same is told, and
held against nobody: the real services may do so.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

import msgspec

from clef_runtime.context import SystemClock
from clef_runtime.errors import ClefError
from clef_sim.certify.crew import Meeting, Task, Told
from clef_sim.certify.linearizable import Operation

LATE_S = 4.0
"""How long after its visibility a message may come again: some keep time in whole seconds, some look each second."""

PER_SEAT = 4
"""Messages that one seat sends."""

_PAUSE_S = 0.02
"""Between two looks at an empty queue."""

_clock = SystemClock()


def queues_of(name: str) -> tuple[str, str]:
    """Of a series: what all consume, and the one beside it."""
    queue = name.replace(".", "-")
    return queue, f"{queue}-stale"


def consume(task: Task, probe: Any, seat: int, seats: int, meeting: Meeting) -> Told:
    """One seat: sends its share, then receives until all is deleted. Each second message is left to its time-out at
    first. Seat 0 looks meanwhile, at a queue of its own, at what a stale handle does."""
    bodies = [f"{seat}.{number}" for number in range(PER_SEAT)] if seat else []
    told = Told()
    queue, beside = queues_of(task.name)
    meeting.go_on(seat, -2, last=False)
    if seat == 0:
        meeting.go_on(seat, -3, last=False)
        if task.stale:
            told.notes.append(_stale_handle(task, probe, beside))
        return told
    probe.send(queue, bodies)
    for body in bodies:
        told.operations[body] = [Operation(str(seat), "send", None, True, _clock.monotonic(), _clock.monotonic())]
    meeting.go_on(seat, -3, last=False)
    began_s = _clock.monotonic()
    total, left = (seats - 1) * PER_SEAT, began_s + 2 * task.visibility_s + LATE_S
    while meeting.marked() < total and _clock.monotonic() < left:
        invoked_s = _clock.monotonic()
        found = probe.receive(queue)
        returned_s = _clock.monotonic()
        told.looks_s.append(invoked_s)
        for body, handle in found:
            operations = told.operations.setdefault(body, [])
            operations.append(Operation(str(seat), "receive", None, True, invoked_s, returned_s))
            first = returned_s < began_s + task.visibility_s
            if first and int(body.rpartition(".")[2]) % 2:
                continue
            start_s = _clock.monotonic()
            try:
                probe.delete(queue, handle)
            except ClefError as error:  # a handle that is stale already, say: it comes again
                told.said = told.said or str(error)
                continue
            operations.append(Operation(str(seat), "delete", None, True, start_s, _clock.monotonic()))
            meeting.mark(_number(body))
        if not found:
            _clock.sleep(_PAUSE_S)
    told.elapsed_s = _clock.monotonic() - began_s
    return told


def _number(body: str) -> int:
    seat, _, number = body.partition(".")
    return int(seat) * PER_SEAT + int(number)


def _stale_handle(task: Task, probe: Any, queue: str) -> str:
    """What a delete does whose handle is not the last one that the message was received by, in words."""
    probe.send(queue, ["stale"])
    stale = _receive(probe, queue, LATE_S)
    fresh = _receive(probe, queue, task.visibility_s + LATE_S)
    if stale is None or fresh is None:
        return "a stale handle: not seen, since its message did not come twice"
    try:
        probe.delete(queue, stale)
    except ClefError as error:
        return f"a delete by a stale handle is refused: {str(error)[:160]}"
    again = _receive(probe, queue, task.visibility_s + LATE_S / 2)
    return (
        "a delete by a stale handle deletes"
        if again is None
        else "a delete by a stale handle is accepted and ignored"
    )


def _receive(probe: Any, queue: str, within_s: float) -> Any:
    """The handle of the one message, None where it does not come in time."""
    until_s = _clock.monotonic() + within_s
    while _clock.monotonic() < until_s:
        found = probe.receive(queue)
        if found:
            return found[0][1]
        _clock.sleep(0.05)
    return None


class Offence(msgspec.Struct, frozen=True):
    """What one message shows: `kind` counts, `words` is the example."""

    kind: str
    words: str
    operations: tuple[Operation, ...] = ()


def judge_message(body: str, operations: Sequence[Operation], visibility_s: float) -> Offence | None:
    """What is wrong with how one message was handed out, by the times that its consumers saw; None: nothing."""
    held = sorted((each for each in operations if each.name == "receive"), key=lambda each: each.invoked_s)
    for number, one in enumerate(held):
        for other in held[number + 1 :]:
            # The instants at which the service handed it out are not known, only that each is inside its call.
            apart_s = max(other.returned_s - one.invoked_s, one.returned_s - other.invoked_s)
            if apart_s < visibility_s and not _deleted_between(operations, one, other):
                words = (
                    f"message {body} was handed out twice in {apart_s:.2f} s; its visibility is {visibility_s:g} s"
                )
                return Offence("were handed to two consumers at once", words, (one, other))
    deleted = any(each.name == "delete" for each in operations)
    if not held:
        return Offence("were never handed out", f"message {body} was sent and never came", tuple(operations))
    if not deleted:
        words = (
            f"message {body} was handed out once and did not come again after its visibility of {visibility_s:g} s"
        )
        return Offence("did not come again", words, tuple(held))
    return None


def tempted(operations: Sequence[Operation], looks_s: Sequence[float], visibility_s: float) -> bool:
    """Consumers asked for messages while this one was with another: it could have been handed out twice."""
    for each in operations:
        if each.name != "receive":
            continue
        ended = [one.invoked_s for one in operations if one.name == "delete" and one.invoked_s >= each.returned_s]
        until_s = min([each.invoked_s + visibility_s, *ended])
        if bisect_right(looks_s, each.returned_s) < bisect_right(looks_s, until_s):
            return True
    return False


def came_again(operations: Sequence[Operation]) -> bool:
    """It was handed out after a delete of it had been answered."""
    deleted = min((each.returned_s for each in operations if each.name == "delete"), default=None)
    return deleted is not None and any(each.name == "receive" and each.invoked_s > deleted for each in operations)


def _deleted_between(operations: Sequence[Operation], one: Operation, other: Operation) -> bool:
    """Deleted, and come again: another matter than its visibility."""
    return any(each.name == "delete" and one.returned_s <= each.returned_s <= other.invoked_s for each in operations)
