"""Verdicts on live runs: as far as the history bears them; and what calls took."""

from __future__ import annotations

from clef_sim.checkers import Verdict, worst
from clef_sim.history import Event
from clef_sim.live.judged import TRACE, believed, measured
from clef_sim.profiles import profile

LOST = Verdict("no_lost_firing", "invalid", 1, "it was lost")
TWICE = Verdict("no_duplicate_firing", "invalid", 1, "won twice")
KILLED = Event(
    3.0, "host", "instance", "killed", "ok", {"instance": "web-1", "reason": "signal SIGKILL", "untold": True}
)
DOUBT = Event(4.0, "web-2:t1.1", "sdk", "dynamodb.PutItem", "unknown", {"ms": 1.0, "error": "Broken", "doubt": True})


def test_verdicts_stand_where_all_is_on_record() -> None:
    told = Event(3.0, "web-1", "instance", "killed", "ok", {"instance": "web-1", "reason": "crash", "untold": False})
    assert believed((LOST, TWICE), [told]) == (LOST, TWICE)


def test_loss_is_not_believed_where_a_process_died_without_a_word() -> None:
    lost, trace = believed((LOST,), [KILLED])
    assert (lost.verdict, lost.first) == ("unknown", "not believed, as not all is on record: it was lost")
    assert (trace.checker, trace.verdict) == (TRACE, "unknown")
    assert "web-1 ended by signal SIGKILL at 3.000 s" in trace.first


def test_two_holders_are_believed_all_the_same() -> None:
    assert worst(believed((TWICE,), [DOUBT])) == "invalid"


def test_valid_run_with_an_answer_lost_by_the_service_is_unknown() -> None:
    verdicts = believed((Verdict("effects", "valid"),), [DOUBT])
    assert worst(verdicts) == "unknown"
    assert "dynamodb.PutItem of web-2:t1.1 ended in Broken" in verdicts[-1].first


def test_calls_are_measured_beside_the_profile_and_failed_ones_left_out() -> None:
    def call(name: str, ms: float, outcome: str = "ok") -> Event:
        return Event(0.0, "a", "sdk", name, outcome, {"ms": ms})  # type: ignore[arg-type]

    events = [call("dynamodb.PutItem", float(ms)) for ms in range(1, 101)]
    events += [call("dynamodb.PutItem", 9000.0, "failed"), call("http.POST /_clef/invoke", 3.0)]
    put, post = measured(events, profile("aws"))
    assert (put.operation, put.count, put.p50_ms, put.p99_ms) == ("dynamodb.PutItem", 100, 50.0, 99.0)
    assert 5.0 < put.modelled_p50_ms < 10.0 < put.modelled_p99_ms
    assert (post.operation, post.modelled_p50_ms) == ("http.POST", 0.0)
