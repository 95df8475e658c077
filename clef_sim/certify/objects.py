"""The objects that are raced, as they must behave: a register, a counter, a claim with a lease.

| operation | argument | answer |
| --- | --- | --- |
| create | value | True: it was absent and is this value now; False |
| set | [old, new] | True: it was `old` (None: absent) and is `new` now; False |
| read | | the value; None: absent |
| add | n | the sum afterwards |
| sum | | the sum |
| claim | [owner, now, until] | [won, held or fired; whose it is; its fencing number] |
| mark | [owner, fencing] | True; False: another holds it |
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from clef_sim.certify.linearizable import LOST, Operation


class Register:
    """A value, or none."""

    initial: Hashable = None

    def apply(self, state: Any, operation: Operation) -> tuple[Hashable, Any]:
        if operation.name == "read":
            return state, state
        old, new = (None, operation.argument) if operation.name == "create" else operation.argument
        return (new, True) if state == old else (state, False)

    def inert(self, operation: Operation) -> bool:
        return operation.name == "read" or operation.answer is False


class Counter:
    """A sum, 0 at first."""

    initial: Hashable = 0

    def apply(self, state: Any, operation: Operation) -> tuple[Hashable, Any]:
        after = state + operation.argument if operation.name == "add" else state
        return after, after

    def inert(self, operation: Operation) -> bool:
        return operation.name == "sum"


class Lease:
    """The guard's protocol `lease`: a state is owner, fencing number, until when, and whether it is fired."""

    initial: Hashable = None

    def apply(self, state: Any, operation: Operation) -> tuple[Hashable, Any]:
        if operation.name == "mark":
            held = state is not None and list(state[:2]) == list(operation.argument)
            return ((*state[:3], True) if held else state), held
        owner, now_s, until_s = operation.argument
        if state is None:
            state = (owner, 1, until_s, False)
        elif not state[3] and state[2] <= now_s:
            state = (owner, state[1] + (state[0] != owner), until_s, False)
        said = "fired" if state[3] else "won" if state[0] == owner else "held"
        return state, [said, state[0], state[1]]

    def inert(self, operation: Operation) -> bool:
        if operation.name == "mark":
            return operation.answer is False
        return operation.answer != LOST and bool(operation.answer[0] != "won")
