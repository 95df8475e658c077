"""Virtual threads: greenlets that are resumed by SimPy events, and by nothing else.

Code in a virtual thread is ordinary blocking code. `sleep` and `wait` hand control to the hub, the greenlet
that called `Kernel.run`, which takes the events off SimPy's queue and switches back. Ties in time are resumed
in the order in which they were scheduled, so a run depends on nothing but its draws.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from math import inf
from typing import Any, NoReturn, cast

import simpy
from greenlet import getcurrent, greenlet
from simpy.events import NORMAL, Event

from clef_runtime.errors import BadInput, Indeterminate
from clef_sim.kernel.events import Done, Later, Wake
from clef_sim.kernel.instance import Instance
from clef_sim.kernel.timers import Timer, Timers


class Killed(BaseException):
    """Raised in a killed virtual thread, at once and at every further kernel call.

    Not an `Exception`, so that a handler's `except Exception` lets it pass.
    """


class Abort(BaseException):
    """The simulation cannot go on, as where code asks for what is not simulated. `Kernel.run` raises the error.

    Not an `Exception`, so that no handler turns it into a failed request.
    """

    def __init__(self, error: Exception) -> None:
        self.error = error
        super().__init__(str(error))


class Died(Indeterminate):
    """The virtual thread that was waited for has been killed; what it was doing may be half done."""


class Thread:
    """One virtual thread. Made by `Kernel.spawn`.

    Attributes:
        halfway: in `Kernel.sleep_around`, once the function has been called: whether it returned, and what it
            returned or raised; None before.
    """

    __slots__ = (
        "_around",
        "_busy",
        "_done",
        "_function",
        "_greenlet",
        "_kernel",
        "_switch",
        "_wake",
        "alive",
        "halfway",
        "instance",
        "who",
    )

    def __init__(self, kernel: Kernel, function: Callable[[], Any], who: str, instance: Instance | None) -> None:
        self.who = who
        self.instance = instance
        self.alive = True
        self._kernel = kernel
        self._function: Callable[[], Any] | None = function
        self._greenlet: Any = None
        self._switch: Callable[[], Any] = self._start
        self._wake: Wake | None = Wake(self)
        self._around: Any = None  # (seconds, function, argument) of `Kernel.sleep_around`
        self.halfway: tuple[bool, Any] | None = None
        self._done: Done | None = None
        self._busy = False  # it is killing another thread, which runs meanwhile

    @property
    def done(self) -> Event:
        """Happens at the end of the thread, with its result; fails with its exception, `Died` if killed."""
        if self._done is None:
            self._done = Done(self._kernel.env)
            if not self.alive:
                self._done.end_at_once(False, Died(f"{self.who} has been killed"))
        return self._done

    @property
    def is_current(self) -> bool:
        return self._kernel.current is self

    def kill(self) -> None:
        """Raises `Killed` in the thread now and runs its `finally` blocks; it is never resumed again.

        Raises:
            Killed: the caller is this thread, or was killed by those `finally` blocks.
        """
        if not self.alive:
            return
        self.alive = False
        kernel = self._kernel
        killer = kernel.current
        if self is killer:
            raise Killed(self.who)
        if self._greenlet is None:
            self._end(False, Died(f"{self.who} has been killed"))
        elif not self._busy:  # else it learns of it when the thread it is killing has ended
            self._throw(killer)
            if killer is not None and not killer.alive:
                raise Killed(killer.who)

    def _throw(self, killer: Thread | None) -> None:
        kernel = self._kernel
        who = kernel.who
        if killer is not None:
            killer._busy = True
        kernel.current, kernel.who = self, self.who
        self._greenlet.parent = getcurrent()
        try:
            self._greenlet.throw(Killed(self.who))
        finally:
            kernel.current, kernel.who = killer, who
            if killer is not None:
                killer._busy = False

    def _resume(self, _event: Any) -> None:
        if not self.alive:
            return
        instance = self.instance
        if instance is not None and instance.frozen:
            instance.parked.append(self)
            return
        kernel = self._kernel
        kernel.current, kernel.who = self, self.who
        try:
            self._switch()
        finally:
            kernel.current, kernel.who = None, "world"

    def _halfway(self) -> None:
        """Calls what `Kernel.sleep_around` was given, in the hub, and schedules the thread's own waking."""
        half_s, function, argument = self._around
        self._switch = self._greenlet.switch
        try:
            self.halfway = (True, function(argument))
        except Exception as error:
            self.halfway = (False, error)
        kernel = self._kernel
        heappush(kernel.queue, (kernel.now + half_s, NORMAL, kernel.number(), self._wake))

    def _resume_with(self, event: Event) -> None:
        """As `_resume`, for an event that may fail: the waiting thread gets the failure, not `Kernel.run`."""
        if not event._ok:
            event.defused = True
        self._resume(event)

    def unpark(self) -> None:
        """Schedules the resume that came while the instance was frozen."""
        if self.alive and self._wake is not None:
            self._kernel.env.schedule(self._wake)

    def _start(self) -> None:
        self._greenlet = greenlet(self._main, self._kernel.hub)
        self._switch = self._greenlet.switch
        self._switch()

    def _main(self) -> None:
        assert self._function is not None
        try:
            value = self._function()
        except Killed:
            self._end(False, Died(f"{self.who} has been killed"))
        except Exception as error:
            if not self.alive:
                self._end(False, Died(f"{self.who} has been killed"))
            elif not self._end(False, error):
                raise  # into the hub, and so out of Kernel.run
        except BaseException:
            self._end(False, Died(f"{self.who} was stopped"))
            raise
        else:
            self._end(True, value)

    def _end(self, ok: bool, value: Any) -> bool:
        """Makes `done` happen. Returns whether anybody waited for it."""
        self.alive = False
        self._kernel.forget(self)
        self._function = None
        self._switch = _nothing
        # What would be a cycle, and is made for each thread.
        self._greenlet = self._wake = self._around = self.halfway = None
        done = self._done
        if done is not None and done.callbacks:
            done.finish(ok, value)
            if isinstance(value, Died):
                done.defused = True
            kernel = self._kernel
            heappush(kernel.queue, (kernel.now, NORMAL, kernel.number(), done))
            return True
        if done is None:
            self._done = done = Done(self._kernel.env)
        done.end_at_once(ok, value)
        return False


def _check(delay_s: float) -> None:
    if not delay_s >= 0.0:
        raise BadInput(f"delay_s(={delay_s}) must be >= 0")


def _nothing() -> None:
    """What is left to do for a thread that has ended."""


def _happen(event: Event) -> None:
    """Any other event of SimPy's, as SimPy's `step` does it."""
    callbacks, event.callbacks = event.callbacks, None  # type: ignore[assignment]  # SimPy's own mark: it is over
    for callback in callbacks:
        callback(event)
    if not event._ok and not event.defused:
        raise cast(BaseException, event._value)


class Kernel:
    """Virtual time and the virtual threads in it. One run of a world, in one OS thread.

    Attributes:
        env: SimPy's environment; its queue is the only schedule.
        now: virtual seconds since the start of the run, from 0.
        current: the virtual thread that runs now; None in a plain callback and outside of `run`.
        who: who acts: the current thread's `who`, else `world`.
        queue, number: SimPy's queue and its counter of events, for those who schedule without a call.
    """

    def __init__(self) -> None:
        self.env = simpy.Environment()
        self.now = 0.0
        self.current: Thread | None = None
        self.who = "world"
        self.queue: list[Any] = self.env._queue
        self.number: Callable[[], int] = self.env._eid.__next__
        self.hub: Any = getcurrent()
        self._to_hub: Callable[[], Any] = self.hub.switch
        self._threads: dict[Thread, None] = {}
        self._timers = Timers(self)

    def spawn(
        self, function: Callable[[], Any], *, who: str, instance: Instance | None = None, delay_s: float = 0.0
    ) -> Thread:
        """Starts `function` in a new virtual thread, `delay_s` >= 0 from now.

        An exception that it lets out fails `Thread.done` where somebody waits, else comes out of `run`.
        A thread of an instance dies with it and stands still while it is frozen.
        """
        if self.current is not None and not self.current.alive:
            raise Killed(self.current.who)
        if not delay_s >= 0.0:
            _check(delay_s)
        thread = Thread(self, function, who, instance)
        if instance is None:
            self._threads[thread] = None
        elif not instance.alive:
            raise BadInput(f"instance(={instance.name!r}) has been killed; start threads on a live one")
        else:
            instance.threads[thread] = None
            self._threads[thread] = None
        heappush(self.queue, (self.now + delay_s, NORMAL, self.number(), thread._wake))
        return thread

    def sleep(self, seconds: float) -> None:
        """Suspends the current virtual thread for `seconds` >= 0 of virtual time."""
        thread = self.current
        if thread is None or not thread.alive or not seconds >= 0.0:
            self._refuse(thread, seconds)
        heappush(self.queue, (self.now + seconds, NORMAL, self.number(), thread._wake))
        self._to_hub()

    def sleep_around(self, half_s: float, function: Callable[[Any], Any], argument: Any) -> tuple[bool, Any]:
        """Sleeps `half_s`, calls `function(argument)`, sleeps `half_s` again. As three calls, for less: the
        function runs in the hub, where it must neither sleep nor wait.

        Returns:
            (True, what it returned) or (False, the exception that it raised).
        """
        thread = self.current
        if thread is None or not thread.alive or not half_s >= 0.0:
            self._refuse(thread, half_s)
        thread.halfway = None
        thread._around, thread._switch = (half_s, function, argument), thread._halfway
        heappush(self.queue, (self.now + half_s, NORMAL, self.number(), thread._wake))
        self._to_hub()
        ended, thread.halfway = thread.halfway, None
        return ended  # type: ignore[return-value]  # not None: the hub came by

    def wait(self, event: Event) -> Any:
        """Suspends the current virtual thread until `event`; returns its value, or raises its failure."""
        thread = self.current
        if thread is None or not thread.alive:
            self._refuse(thread, 0.0)
        if event.callbacks is not None:
            event.callbacks.append(thread._resume_with)
            self._to_hub()
        if event._ok:
            return event._value
        raise cast(BaseException, event._value)

    def call_later(self, delay_s: float, function: Callable[[], None]) -> None:
        """Calls `function` in `delay_s` >= 0, outside of any virtual thread. It must not sleep or wait."""
        if not delay_s >= 0.0:
            _check(delay_s)
        heappush(self.queue, (self.now + delay_s, NORMAL, self.number(), Later(function)))

    def timer(self, delay_s: float, function: Callable[[], None]) -> Timer:
        """As `call_later`, and can be cancelled: for time-outs, most of which never strike."""
        if not delay_s >= 0.0:
            _check(delay_s)
        return self._timers.start(delay_s, function)

    def event(self) -> Event:
        """A fresh event that somebody will `succeed` or `fail`."""
        return Event(self.env)

    def run(self, until: float | None = None) -> None:
        """Runs until nothing is scheduled any more, or until the virtual second `until`.

        Raises:
            whatever a virtual thread let out that nobody waits for.
            BadInput: code asked for what is not simulated.
        """
        if self.current is not None:
            raise BadInput("run() was called in a virtual thread; use wait(thread.done) there")
        if until is not None and until <= self.now:
            return
        self.hub = getcurrent()
        self._to_hub = self.hub.switch
        try:
            self._run(inf if until is None else until)
        except Abort as abort:
            raise abort.error from None
        finally:
            self.current, self.who = None, "world"

    def _run(self, until: float) -> None:
        """SimPy's own loop, with threads resumed and plain callbacks called in place: half the cost of a run."""
        env, queue = self.env, self.queue
        while queue:
            if queue[0][0] >= until:
                break
            self.now, _, _, event = heappop(queue)
            env._now = self.now
            kind = event.__class__
            if kind is Wake:
                thread = event.thread
                if not thread.alive:
                    continue
                instance = thread.instance
                if instance is not None and instance.frozen:
                    instance.parked.append(thread)
                    continue
                self.current, self.who = thread, thread.who
                thread._switch()
                self.current, self.who = None, "world"
            elif kind is Later:
                event.function()
            else:
                _happen(event)
        if until < inf:
            self.now = env._now = until

    def abort(self, error: Exception) -> BaseException:
        """What to raise so that `error` ends the run, whatever the current virtual thread catches."""
        return error if self.current is None else Abort(error)

    def close(self) -> None:
        """Kills every virtual thread, in the order of their start. Ends a world that has not run dry."""
        for thread in list(self._threads):
            thread.kill()

    def forget(self, thread: Thread) -> None:
        """A thread has ended; nothing of it is kept."""
        self._threads.pop(thread, None)
        if thread.instance is not None:
            thread.instance.threads.pop(thread, None)

    def _refuse(self, thread: Thread | None, seconds: float) -> NoReturn:
        if thread is None:
            raise BadInput("sleep() and wait() work in a virtual thread only; start one with Kernel.spawn")
        if not thread.alive:
            raise Killed(thread.who)
        raise BadInput(f"seconds(={seconds}) must be >= 0")
