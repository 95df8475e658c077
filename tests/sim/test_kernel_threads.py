"""Virtual threads: time, order, kill, freeze, failures."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from clef_runtime.errors import BadInput
from clef_sim.kernel.instance import Instance
from clef_sim.kernel.threads import Died, Kernel, Killed

Log = list[object]


@pytest.fixture
def kernel() -> Kernel:
    return Kernel()


@pytest.fixture
def log() -> Log:
    return []


def test_sleep_in_two_threads_interleaves_by_time_then_order_of_scheduling(kernel: Kernel, log: Log) -> None:
    def walk(name: str) -> Callable[[], None]:
        def body() -> None:
            for _ in range(2):
                kernel.sleep(1.0)
                log.append((name, kernel.now, kernel.who))

        return body

    kernel.spawn(walk("a"), who="i1:a")
    kernel.spawn(walk("b"), who="i1:b", delay_s=1.0)
    kernel.run()
    assert log == [("a", 1.0, "i1:a"), ("b", 2.0, "i1:b"), ("a", 2.0, "i1:a"), ("b", 3.0, "i1:b")]
    assert kernel.who == "world"


def test_run_until_stops_at_that_second_and_goes_on_from_there(kernel: Kernel, log: Log) -> None:
    kernel.spawn(lambda: (kernel.sleep(5.0), log.append(kernel.now)), who="a")
    kernel.run(until=2.0)
    assert (kernel.now, log) == (2.0, [])
    kernel.run()
    assert log == [5.0]


def test_wait_returns_the_value_and_raises_the_failure(kernel: Kernel, log: Log) -> None:
    good, bad = kernel.event(), kernel.event()

    def waits() -> None:
        log.append(kernel.wait(good))
        with pytest.raises(KeyError, match="gone"):
            kernel.wait(bad)
        log.append(kernel.wait(good))  # it has happened: no suspension

    kernel.spawn(waits, who="a")
    kernel.call_later(1.0, lambda: log.append(good.succeed(7).value))
    kernel.call_later(2.0, lambda: bad.fail(KeyError("gone")) and None)
    kernel.run()
    assert log == [7, 7, 7]


def test_thread_result_reaches_those_who_wait_before_and_after_its_end(kernel: Kernel, log: Log) -> None:
    def work() -> str:
        kernel.sleep(1.0)
        return "result"

    worker = kernel.spawn(work, who="worker")
    kernel.spawn(lambda: log.append(kernel.wait(worker.done)), who="early")
    kernel.spawn(lambda: log.append(kernel.wait(worker.done)), who="late", delay_s=2.0)
    kernel.run()
    assert log == ["result", "result"]
    assert not worker.alive


def test_thread_exception_reaches_the_one_who_waits(kernel: Kernel, log: Log) -> None:
    def fails() -> None:
        kernel.sleep(1.0)
        raise ValueError("broken")

    worker = kernel.spawn(fails, who="worker")

    def waits() -> None:
        with pytest.raises(ValueError, match="broken"):
            kernel.wait(worker.done)
        log.append("told")

    kernel.spawn(waits, who="w")
    kernel.run()
    assert log == ["told"]


def test_thread_exception_that_nobody_waits_for_comes_out_of_run(kernel: Kernel) -> None:
    def fails() -> None:
        raise ValueError("broken")

    kernel.spawn(fails, who="worker")
    with pytest.raises(ValueError, match="broken"):
        kernel.run()
    assert kernel.current is None


def test_kill_runs_finally_passes_except_exception_and_never_resumes(kernel: Kernel, log: Log) -> None:
    def victim() -> None:
        try:
            try:
                kernel.sleep(10.0)
            except Exception:
                log.append("swallowed")
            log.append("resumed")
        finally:
            log.append(("finally", kernel.now, kernel.who))

    thread = kernel.spawn(victim, who="victim")
    kernel.call_later(1.0, thread.kill)
    kernel.run()
    assert log == [("finally", 1.0, "victim")]
    assert not thread.alive


def test_kill_makes_every_later_kernel_call_of_the_thread_raise_again(kernel: Kernel, log: Log) -> None:
    def victim() -> None:
        try:
            kernel.sleep(10.0)
        finally:
            for call in (
                lambda: kernel.sleep(1.0),
                lambda: kernel.wait(kernel.event()),
                lambda: kernel.spawn(lambda: None, who="child"),
            ):
                try:
                    call()
                except Killed:
                    log.append("killed again")

    thread = kernel.spawn(victim, who="victim")
    kernel.call_later(1.0, thread.kill)
    kernel.run()
    assert log == ["killed again"] * 3


def test_kill_of_the_current_thread_raises_in_it(kernel: Kernel, log: Log) -> None:
    def suicide() -> None:
        try:
            thread.kill()
        except BaseException as error:
            log.append(type(error))
            raise
        log.append("went on")

    thread = kernel.spawn(suicide, who="s")
    kernel.run()
    assert log == [Killed]


def test_kill_by_another_thread_runs_the_victims_finally_and_returns(kernel: Kernel, log: Log) -> None:
    def victim() -> None:
        try:
            kernel.sleep(10.0)
        finally:
            log.append(kernel.who)

    thread = kernel.spawn(victim, who="victim")

    def killer() -> None:
        kernel.sleep(1.0)
        thread.kill()
        log.append(kernel.who)
        kernel.sleep(1.0)
        log.append(kernel.now)

    kernel.spawn(killer, who="killer")
    kernel.run()
    assert log == ["victim", "killer", 2.0]


def test_kill_by_a_thread_that_the_victims_finally_kills_ends_both(kernel: Kernel, log: Log) -> None:
    def victim() -> None:
        try:
            kernel.sleep(10.0)
        finally:
            killer.kill()
            log.append("victim ends")

    def kills() -> None:
        try:
            kernel.sleep(1.0)
            thread.kill()
            log.append("went on")
        finally:
            log.append("killer ends")

    thread = kernel.spawn(victim, who="victim")
    killer = kernel.spawn(kills, who="killer")
    kernel.run()
    assert log == ["victim ends", "killer ends"]


def test_kill_before_the_start_never_runs_the_thread(kernel: Kernel, log: Log) -> None:
    thread = kernel.spawn(lambda: log.append("ran"), who="a", delay_s=1.0)
    thread.kill()
    kernel.run()
    assert log == []


def test_waiting_for_a_killed_thread_raises_died(kernel: Kernel, log: Log) -> None:
    victim = kernel.spawn(lambda: kernel.sleep(10.0), who="victim")

    def waits() -> None:
        with pytest.raises(Died, match="victim"):
            kernel.wait(victim.done)
        log.append("told")

    kernel.spawn(waits, who="w")
    kernel.spawn(waits, who="late", delay_s=2.0)
    kernel.call_later(1.0, victim.kill)
    kernel.run()
    assert log == ["told", "told"]


def test_instance_kill_by_its_own_thread_kills_the_others_and_then_itself(kernel: Kernel, log: Log) -> None:
    instance = Instance("i1")
    instance.on_kill.append(lambda reason: log.append(reason))

    def body(name: str) -> Callable[[], None]:
        def run() -> None:
            try:
                kernel.sleep(1.0 if name == "a" else 5.0)
                instance.kill("crash")
            finally:
                log.append(name)

        return run

    for name in "ab":
        kernel.spawn(body(name), who=f"i1:{name}", instance=instance)
    kernel.run()
    assert log == ["crash", "b", "a"]
    assert not instance.threads
    with pytest.raises(BadInput, match=r"i1.*killed"):
        kernel.spawn(lambda: None, who="i1:c", instance=instance)


def test_freeze_parks_what_comes_due_until_thaw(kernel: Kernel, log: Log) -> None:
    instance = Instance("i1")

    def ticks() -> None:
        while kernel.now < 5.0:
            kernel.sleep(1.0)
            log.append(kernel.now)

    kernel.spawn(ticks, who="i1:a", instance=instance)
    kernel.call_later(1.5, instance.freeze)
    kernel.call_later(4.25, instance.thaw)
    kernel.run()
    assert log == [1.0, 4.25, 5.25]


def test_freeze_nests_and_a_frozen_thread_can_be_killed(kernel: Kernel, log: Log) -> None:
    instance = Instance("i1")
    instance.freeze()
    instance.freeze()
    thread = kernel.spawn(lambda: log.append("ran"), who="i1:a", instance=instance)
    kernel.run()
    instance.thaw()
    kernel.run()
    assert log == []
    thread.kill()
    instance.thaw()
    kernel.run()
    assert log == []


def test_timer_cancelled_never_strikes_and_leaves_no_event(kernel: Kernel, log: Log) -> None:
    for n in range(1000):
        kernel.timer(30.0, lambda n=n: log.append(n)).cancel()
    kept = kernel.timer(30.0, lambda: log.append(kernel.now))
    kernel.call_later(1.0, lambda: kernel.timer(30.0, lambda: log.append(kernel.now)) and None)
    kernel.run()
    assert log == [30.0, 31.0]
    kept.cancel()  # it has struck


@pytest.mark.parametrize("seconds", [-1.0, float("nan")])
def test_sleep_for_a_negative_time_is_refused(kernel: Kernel, seconds: float) -> None:
    def body() -> None:
        with pytest.raises(BadInput, match=r"must be >= 0"):
            kernel.sleep(seconds)

    kernel.spawn(body, who="a")
    kernel.run()
    with pytest.raises(BadInput, match=r"delay_s\(="):
        kernel.call_later(seconds, lambda: None)


def test_sleep_outside_of_a_thread_is_refused(kernel: Kernel) -> None:
    with pytest.raises(BadInput, match="virtual thread only"):
        kernel.sleep(1.0)


def test_close_kills_what_still_runs_in_order(kernel: Kernel, log: Log) -> None:
    def body(name: str) -> Callable[[], None]:
        def run() -> None:
            try:
                kernel.wait(kernel.event())
            finally:
                log.append(name)

        return run

    for name in "abc":
        kernel.spawn(body(name), who=name)
    kernel.run()
    kernel.close()
    assert log == ["a", "b", "c"]
