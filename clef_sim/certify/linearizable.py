"""Whether a history of one object is linearizable: whether the operations, as they were answered, can have taken
effect one after another, each at one instant between its call and its answer.

The search is Wing and Gong's with Lowe's memory of configurations: depth first over which operation took effect next,
never twice from the same set of done operations and the same state. An operation that got no answer may take effect
at any time after its call, or never.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import Any, Protocol

import msgspec

LOST = "lost"
"""The answer of an operation that got none."""


class Operation(msgspec.Struct, frozen=True, array_like=True):
    """One call on one object.

    `argument` and `answer` are JSON-like; `answer` is `LOST` where none came. Times are seconds of one monotonic
    clock; `returned_s` of a lost one counts for nothing.
    """

    client: str
    name: str
    argument: Any
    answer: Any
    invoked_s: float
    returned_s: float


class Model(Protocol):
    """An object's sequential behaviour."""

    initial: Hashable

    def apply(self, state: Any, operation: Operation) -> tuple[Hashable, Any]:
        """The state afterwards, and the answer that it must have had."""

    def inert(self, operation: Operation) -> bool:
        """Whether an operation with this answer changes no state, whatever the state is."""


def linearizable(model: Model, history: Sequence[Operation]) -> bool:
    """Whether there is an order. The history is of one object; no client has two calls at once."""
    order = sorted(history, key=lambda each: (each.invoked_s, _returned_s(each)))
    must = _mask(number for number, each in enumerate(order) if each.answer != LOST)
    start = _settle(model, order, 0, model.initial)
    seen = {start}
    waiting = [start]
    while waiting:
        done, state = waiting.pop()
        if done & must == must:
            return True
        for number in _next(order, done):
            after = _step(model, order[number], state)
            if after is None:
                continue
            configuration = _settle(model, order, done | 1 << number, after[0])
            if configuration not in seen:
                seen.add(configuration)
                waiting.append(configuration)
    return False


def _settle(model: Model, order: Sequence[Operation], done: int, state: Any) -> tuple[int, Any]:
    """Takes every inert operation that may come next and has the right answer: to take it first closes no way."""
    found = True
    while found:
        found = False
        for number in _next(order, done):
            each = order[number]
            if each.answer != LOST and model.inert(each) and _step(model, each, state) is not None:
                done |= 1 << number
                found = True
    return done, state


def _next(order: Sequence[Operation], done: int) -> list[int]:
    """The operations that may take effect next: those that no other one, not yet done, was answered before."""
    found: list[int] = []
    first_answer_s = math.inf
    for number, each in enumerate(order):
        if done >> number & 1:
            continue
        if each.invoked_s > first_answer_s:
            break
        found.append(number)
        first_answer_s = min(first_answer_s, _returned_s(each))
    return found


def _step(model: Model, operation: Operation, state: Any) -> tuple[Hashable] | None:
    """The state afterwards; None where the operation cannot have had its answer."""
    after, answer = model.apply(state, operation)
    return (after,) if operation.answer in (LOST, answer) else None


def _returned_s(operation: Operation) -> float:
    return math.inf if operation.answer == LOST else operation.returned_s


def _mask(numbers: Any) -> int:
    return sum(1 << number for number in numbers)
