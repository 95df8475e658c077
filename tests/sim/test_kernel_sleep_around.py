"""`Kernel.sleep_around`: as sleep, call, sleep, whatever happens in between."""

from __future__ import annotations

import pytest

from clef_runtime.errors import BadInput
from clef_sim.kernel.instance import Instance
from clef_sim.kernel.threads import Kernel, Killed, Thread

Seen = list[object]


class World:
    """One thread of one instance that sleeps 2 s around a call."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.kernel, self.instance = Kernel(), Instance("i")
        self.failure = failure
        self.seen: Seen = []
        self.thread: Thread = self.kernel.spawn(self.body, who="i:1", instance=self.instance)

    def call(self, argument: str) -> str:
        self.seen.append(("called", argument, self.kernel.now, self.kernel.who))
        if self.failure is not None:
            raise self.failure
        return argument * 2

    def body(self) -> None:
        try:
            self.seen.append((*self.kernel.sleep_around(2.0, self.call, "x"), self.kernel.now))
        except Killed:
            halfway = self.thread.halfway
            self.seen.append(("killed", self.kernel.now, None if halfway is None else halfway[0]))
            raise


def test_function_runs_halfway_as_the_thread_and_its_result_comes_at_the_end() -> None:
    world = World()
    world.kernel.run()
    assert world.seen == [("called", "x", 2.0, "i:1"), (True, "xx", 4.0)]
    assert world.kernel.current is None


def test_exception_of_the_function_comes_at_the_end() -> None:
    failure = ValueError("no")
    world = World(failure)
    world.kernel.run()
    assert world.seen[1:] == [(False, failure, 4.0)]


@pytest.mark.parametrize(
    ("at_s", "expected"),
    [
        (1.0, [("killed", 1.0, None)]),
        (3.0, [("called", "x", 2.0, "i:1"), ("killed", 3.0, True)]),
    ],
)
def test_killed_thread_knows_whether_the_function_was_called(at_s: float, expected: Seen) -> None:
    world = World()
    world.kernel.call_later(at_s, lambda: world.instance.kill("test"))
    world.kernel.run()
    assert world.seen == expected


def test_frozen_instance_calls_the_function_when_it_thaws() -> None:
    world = World()
    world.kernel.call_later(1.0, world.instance.freeze)
    world.kernel.call_later(7.0, world.instance.thaw)
    world.kernel.run()
    assert world.seen == [("called", "x", 7.0, "i:1"), (True, "xx", 9.0)]


def test_outside_of_a_thread_it_is_refused() -> None:
    with pytest.raises(BadInput, match="virtual thread only"):
        Kernel().sleep_around(1.0, print, "x")
