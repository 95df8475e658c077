"""What came of a series of races: which keys were not as promised, and the first of them in words."""

from __future__ import annotations

from collections import Counter as Count
from collections.abc import Mapping, Sequence

import msgspec

from clef_sim.certify.crew import Told
from clef_sim.certify.linearizable import LOST, Model, Operation, linearizable
from clef_sim.certify.objects import Counter, Lease, Register
from clef_sim.certify.queues import Offence, came_again, judge_message, tempted

MODELS: dict[str, Model] = {
    "create": Register(),
    "compare-and-set": Register(),
    "counter": Counter(),
    "transaction": Register(),
    "acquire": Register(),
    "lease": Lease(),
    "append": Register(),
}

SHOWN = 6
"""Operations in an example."""

_ONCE = ("create", "transaction", "acquire", "append")
"""Guarantees of which one contender is to win."""


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """A series. `kind`: what most violations are, as words behind a number of races (`had two winners`). `met`: races
    in which contenders' calls overlapped. `no_winner`: races that nobody won. Times are of calls, in ms."""

    races: int
    met: int
    violations: int
    kind: str
    example: str
    no_winner: int
    operations: int
    lost: int
    ms_p50: float
    ms_max: float
    notes: tuple[str, ...] = ()


def judge(guarantee: str, told: Told, visibility_s: float) -> Judged:
    """Judges each key's history."""
    keys = told.operations
    offences = [found for key, each in keys.items() if (found := _offence(guarantee, key, each, visibility_s))]
    looks_s = sorted(told.looks_s)
    kinds = Count(each.kind for each in offences)
    notes = list(told.notes)
    if guarantee == "visibility" and any(map(came_again, keys.values())):
        notes.append(f"{sum(map(came_again, keys.values()))} messages came again after they were deleted")
    calls_ms = sorted((each.returned_s - each.invoked_s) * 1000 for all_ in keys.values() for each in all_)
    return Judged(
        races=len(keys),
        met=sum(tempted(each, looks_s, visibility_s) if looks_s else _met(each) for each in keys.values()),
        violations=len(offences),
        kind=kinds.most_common(1)[0][0] if kinds else "",
        example=_example(offences[0]) if offences else "",
        no_winner=sum(map(_nobody_won, keys.values())) if guarantee in _ONCE else 0,
        operations=len(calls_ms),
        lost=sum(each.answer == LOST for all_ in keys.values() for each in all_),
        ms_p50=round(calls_ms[len(calls_ms) // 2], 1) if calls_ms else 0.0,
        ms_max=round(calls_ms[-1], 1) if calls_ms else 0.0,
        notes=tuple(notes),
    )


def _offence(guarantee: str, key: str, operations: Sequence[Operation], visibility_s: float) -> Offence | None:
    if guarantee == "visibility":
        return judge_message(key, operations, visibility_s)
    if linearizable(MODELS[guarantee], operations):
        return None
    won = [each for each in operations if each.answer is True and each.name == "create"]
    looks = [each for each in operations if each.name in ("read", "sum")]
    if len(won) > 1:
        return Offence("had several winners", f"key {key} had {len(won)} winners", (*won, *looks[-1:]))
    if guarantee == "counter":
        words = f"key {key}: additions were lost or counted twice"
        return Offence("lost additions", words, (*_same_answer(operations), *looks[-1:]))
    if guarantee == "compare-and-set":
        sets = [each for each in operations if each.name == "set" and each.answer is True]
        return Offence("lost updates", f"key {key}: updates were lost", (*_same_old(sets), *looks[-1:]))
    if guarantee == "lease":
        claims = [
            each for each in operations if each.name == "mark" or (each.answer != LOST and each.answer[0] == "won")
        ]
        return Offence(
            "had claims that contradict each other", f"key {key}: claims contradict each other", tuple(claims)
        )
    return Offence("are not linearizable", f"key {key}: no order explains the answers", (*won, *looks[-1:]))


def _same_answer(operations: Sequence[Operation]) -> list[Operation]:
    """The first two additions that were answered with one sum."""
    seen: dict[str, Operation] = {}
    for each in operations:
        if each.name == "add" and each.answer != LOST:
            if repr(each.answer) in seen:
                return [seen[repr(each.answer)], each]
            seen[repr(each.answer)] = each
    return []


def _same_old(sets: Sequence[Operation]) -> list[Operation]:
    """The first two updates that both replaced one value."""
    seen: Mapping[str, Operation] = {}
    for each in sets:
        old = repr(each.argument[0])
        if old in seen:
            return [seen[old], each]
        seen = {**seen, old: each}
    return []


def _example(offence: Offence) -> str:
    """The operations that show it, with the times of their calls from the first one's on."""
    shown = sorted(offence.operations, key=lambda each: each.invoked_s)
    origin_s = shown[0].invoked_s if shown else 0.0
    lines = [offence.words]
    for each in shown[:SHOWN]:
        argument = "" if each.argument is None else f" {each.argument}"
        between = f"{(each.invoked_s - origin_s) * 1000:.1f} to {(each.returned_s - origin_s) * 1000:.1f} ms"
        lines.append(f"  contender {each.client}: {each.name}{argument} -> {each.answer}, from {between}")
    if len(shown) > SHOWN:
        lines.append(f"  and {len(shown) - SHOWN} more")
    return "\n".join(lines)


def _met(operations: Sequence[Operation]) -> bool:
    """Calls of two contenders overlapped."""
    latest: Operation | None = None
    for each in sorted(operations, key=lambda each: each.invoked_s):
        if latest and each.client != latest.client and each.invoked_s < latest.returned_s:
            return True
        if latest is None or each.returned_s > latest.returned_s:
            latest = each
    return False


def _nobody_won(operations: Sequence[Operation]) -> bool:
    return not any(each.name == "create" and each.answer is True for each in operations)
