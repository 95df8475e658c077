"""Calls that wait inside a service, on OS threads of their own."""

from __future__ import annotations

import threading

import pytest

from clef_sim.emulated.waiting import OutsideCall


def test_outside_call_runs_while_its_caller_goes_on() -> None:
    freed = threading.Event()
    call = OutsideCall(lambda: freed.wait(10))
    assert not call.answered(0.0)
    freed.set()
    assert call.result() is True
    assert call.answered(0.0)


def test_outside_call_is_answered_within_the_grace() -> None:
    call = OutsideCall(lambda: "done")
    assert call.answered(10.0)
    assert call.result() == "done"


def test_outside_call_that_failed_raises_what_it_raised() -> None:
    def refuse() -> None:
        raise ValueError("no")

    call = OutsideCall(refuse)
    assert call.answered(10.0)
    with pytest.raises(ValueError, match="no"):
        call.result()


def test_outside_call_that_nobody_looks_at_does_not_keep_the_process() -> None:
    OutsideCall(threading.Event().wait)
    (thread,) = (each for each in threading.enumerate() if each.name == "clef-waiting-call" and each.is_alive())
    assert thread.daemon
