"""The checker of histories: known ones, and small random ones against every order there is."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clef_sim.certify.linearizable import LOST, Model, Operation, linearizable
from clef_sim.certify.objects import Counter, Lease, Register


def op(client: str, name: str, argument: Any, answer: Any, invoked_s: float, returned_s: float) -> Operation:
    return Operation(client, name, argument, answer, invoked_s, returned_s)


HISTORIES: list[tuple[str, Model, list[Operation], bool]] = [
    ("nothing", Register(), [], True),
    (
        "one winner",
        Register(),
        [op("a", "create", "a", True, 0, 2), op("b", "create", "b", False, 1, 3), op("a", "read", None, "a", 4, 5)],
        True,
    ),
    ("two winners", Register(), [op("a", "create", "a", True, 0, 2), op("b", "create", "b", True, 1, 3)], False),
    ("no winner", Register(), [op("a", "create", "a", False, 0, 2), op("b", "create", "b", False, 1, 3)], False),
    (
        "refused by one that began later, and was over later",
        Register(),
        [op("a", "create", "a", False, 0, 3), op("b", "create", "b", True, 2, 4)],
        True,
    ),
    (
        "refused before the winner began",
        Register(),
        [op("a", "create", "a", False, 0, 1), op("b", "create", "b", True, 2, 4)],
        False,
    ),
    (
        "the winner's value is gone",
        Register(),
        [op("a", "create", "a", True, 0, 1), op("b", "create", "b", False, 0, 1), op("c", "read", None, "b", 2, 3)],
        False,
    ),
    ("stale read", Register(), [op("a", "create", "a", True, 0, 1), op("b", "read", None, None, 2, 3)], False),
    (
        "read during the write",
        Register(),
        [op("a", "create", "a", True, 0, 2), op("b", "read", None, None, 1, 3)],
        True,
    ),
    (
        "an unanswered create took effect",
        Register(),
        [op("a", "create", "a", LOST, 0, 1), op("b", "create", "b", False, 2, 3), op("b", "read", None, "a", 4, 5)],
        True,
    ),
    (
        "an unanswered create took effect long after, between two reads",
        Register(),
        [
            op("a", "create", "a", LOST, 0, 1),
            op("b", "read", None, None, 5, 6),
            op("b", "read", None, "a", 7, 8),
        ],
        True,
    ),
    (
        "an unanswered create cannot take effect before its call",
        Register(),
        [op("b", "read", None, "a", 0, 1), op("a", "create", "a", LOST, 2, 3)],
        False,
    ),
    (
        "two updates of one value",
        Register(),
        [
            op("a", "create", "0", True, 0, 1),
            op("a", "set", ["0", "a"], True, 2, 4),
            op("b", "set", ["0", "b"], True, 2, 4),
        ],
        False,
    ),
    (
        "updates in turn",
        Register(),
        [
            op("a", "set", [None, "a"], True, 0, 4),
            op("b", "set", ["a", "b"], True, 1, 3),
            op("b", "read", None, "b", 5, 6),
        ],
        True,
    ),
    (
        "counted",
        Counter(),
        [op("a", "add", 1, 2, 0, 3), op("b", "add", 1, 1, 1, 2), op("a", "sum", None, 2, 4, 5)],
        True,
    ),
    ("one sum twice", Counter(), [op("a", "add", 1, 1, 0, 3), op("b", "add", 1, 1, 1, 2)], False),
    ("lost addition", Counter(), [op("a", "add", 1, 1, 0, 1), op("b", "sum", None, 0, 2, 3)], False),
    (
        "taken over when it is over",
        Lease(),
        [
            op("a", "claim", ["a", 0.0, 10.0], ["won", "a", 1], 0, 1),
            op("b", "claim", ["b", 5.0, 15.0], ["held", "a", 1], 2, 3),
            op("b", "claim", ["b", 10.0, 20.0], ["won", "b", 2], 4, 5),
            op("a", "mark", ["a", 1], False, 6, 7),
            op("b", "mark", ["b", 2], True, 8, 9),
            op("c", "claim", ["c", 99.0, 109.0], ["fired", "b", 2], 10, 11),
        ],
        True,
    ),
    (
        "taken over before it is over",
        Lease(),
        [
            op("a", "claim", ["a", 0.0, 10.0], ["won", "a", 1], 0, 1),
            op("b", "claim", ["b", 9.0, 19.0], ["won", "b", 2], 2, 3),
        ],
        False,
    ),
    (
        "renewed by its owner, and taken over all the same",
        Lease(),
        [
            op("a", "claim", ["a", 0.0, 10.0], ["won", "a", 1], 0, 1),
            op("a", "claim", ["a", 10.0, 20.0], ["won", "a", 1], 2, 4),
            op("b", "claim", ["b", 10.0, 20.0], ["won", "b", 2], 3, 5),
        ],
        False,
    ),
]


@pytest.mark.parametrize(
    ("model", "history", "expected"), [each[1:] for each in HISTORIES], ids=[h[0] for h in HISTORIES]
)
def test_history_is_judged_as_known(model: Model, history: list[Operation], expected: bool) -> None:
    assert linearizable(model, history) is expected


def test_history_of_many_contenders_with_two_winners_is_judged_at_once() -> None:
    """Without the memory of configurations, 30 refusals could be ordered in 30! ways."""
    refused = [op(f"r{number}", "create", f"r{number}", False, 0, 10) for number in range(30)]
    won = [op("a", "create", "a", True, 0, 10), op("b", "create", "b", True, 0, 10)]
    assert not linearizable(Register(), [*refused, *won])
    assert linearizable(Register(), [*refused, won[0]])


def by_every_order(model: Model, history: list[Operation]) -> bool:
    """Tries every order of every set of operations that has all the answered ones."""
    must = [each for each in history if each.answer != LOST]
    lost = [each for each in history if each.answer == LOST]
    for count in range(len(lost) + 1):
        for more in itertools.combinations(lost, count):
            if any(_explains(model, order) for order in itertools.permutations([*must, *more])):
                return True
    return False


def _explains(model: Model, order: tuple[Operation, ...]) -> bool:
    state: Any = model.initial
    for place, each in enumerate(order):
        if any(_returned(later) < each.invoked_s for later in order[place + 1 :]):
            return False
        state, answer = model.apply(state, each)
        if each.answer not in (LOST, answer):
            return False
    return True


def _returned(operation: Operation) -> float:
    return math.inf if operation.answer == LOST else operation.returned_s


VALUES = st.sampled_from(["x", "y"])
REGISTER = st.one_of(
    st.tuples(st.just("create"), VALUES, st.sampled_from([True, False, LOST])),
    st.tuples(
        st.just("set"),
        st.tuples(st.sampled_from(["x", "y", None]), VALUES).map(list),
        st.sampled_from([True, False, LOST]),
    ),
    st.tuples(st.just("read"), st.none(), st.sampled_from(["x", "y", None])),
)
COUNTER = st.one_of(
    st.tuples(st.just("add"), st.just(1), st.sampled_from([1, 2, 3, LOST])),
    st.tuples(st.just("sum"), st.none(), st.integers(0, 3)),
)
CLAIMS = st.one_of(
    st.tuples(
        st.just("claim"),
        st.tuples(st.sampled_from("ab"), st.sampled_from([0.0, 10.0])).map(lambda c: [c[0], c[1], c[1] + 10.0]),
        st.one_of(
            st.just(LOST),
            st.tuples(st.sampled_from(["won", "held", "fired"]), st.sampled_from("ab"), st.integers(1, 2)).map(list),
        ),
    ),
    st.tuples(
        st.just("mark"),
        st.tuples(st.sampled_from("ab"), st.integers(1, 2)).map(list),
        st.sampled_from([True, False, LOST]),
    ),
)
TIMES = st.tuples(st.integers(0, 9), st.integers(0, 4))


def histories(calls: Any) -> Any:
    def made(drawn: list[Any]) -> list[Operation]:
        return [
            op(f"c{number}", name, argument, answer, at, at + long)
            for number, ((name, argument, answer), (at, long)) in enumerate(drawn)
        ]

    return st.lists(st.tuples(calls, TIMES), max_size=5).map(made)


@settings(max_examples=400, deadline=None)
@given(
    st.one_of(
        st.tuples(st.just(Register()), histories(REGISTER)),
        st.tuples(st.just(Counter()), histories(COUNTER)),
        st.tuples(st.just(Lease()), histories(CLAIMS)),
    )
)
def test_history_at_random_is_judged_as_by_every_order(drawn: tuple[Model, list[Operation]]) -> None:
    model, history = drawn
    assert linearizable(model, history) is by_every_order(model, history)
