"""settle, sometimes and latency."""

from __future__ import annotations

from checker_stories import Script, drop, is_a, judge, orders, orders_until_the_join

from clef_runtime.model import complete, ok
from clef_sim.checkers import Settings, Verdict, worst


def test_settle_without_a_word_is_unknown() -> None:
    assert judge(drop(orders().events, is_a("phase")), "settle").verdict == "unknown"


def test_settle_within_its_time_is_valid_and_over_it_is_invalid() -> None:
    assert judge(orders().events, "settle", settings=Settings(settle_within_s=2.0)).verdict == "valid"
    late = judge(orders().events, "settle", settings=Settings(settle_within_s=0.5))
    assert late.verdict == "invalid" and "took 1.001 s to settle; settle_within_s is 0.5" in late.first


def test_settle_unsettled_names_what_waits() -> None:
    story = orders_until_the_join()
    story.fire("evaluator#2:1", story.prepare())
    story.add("phase", "faults_stopped")
    story.now += 30
    story.add("phase", "unsettled")
    verdict = judge(story.events, "settle")
    assert verdict.verdict == "invalid"
    assert "30.001 s after the faults stopped" in verdict.first and "(Shipping/ship)" in verdict.first


def test_sometimes_fault_that_never_struck_is_not_exercised() -> None:
    story = orders()
    story.add("fault", "crash", target="sqs.SendMessage")
    settings = Settings(faults=("crash", "stale_read"))
    verdict = judge(story.events, "sometimes", settings=settings)
    assert verdict.verdict == "not exercised" and "stale_read was asked for and never struck" in verdict.first
    assert judge(story.events, "sometimes", settings=Settings(faults=("crash",))).verdict == "valid"


def steps(count: int) -> Script:
    """As many steps of 10 ms, 20 ms, ..."""
    script = Script()
    for number in range(count):
        script.flow, script.who = f"f{number}", "web#1:1"
        request = script.invocation(f"r{number}", "Web/request", {})
        script.start(request)
        script.returns(request, ok())
        completion = complete(request, ok(), "")
        script.append(completion)
        script.now += 0.01 * (number + 1) - 0.002
        script.start(script.firing("Begin", [completion], ("Payment/charge", {})).invocations[0])
    return script


def test_latency_target_met_missed_and_unknown() -> None:
    many, few = steps(20).events, steps(3).events

    def judged(events: object, **targets: float) -> Verdict:
        return judge(events, "latency", settings=Settings(latency_targets=targets))  # type: ignore[arg-type]

    assert judged(many).verdict == "valid"
    assert judged(many, sync_step_ms_max=10_000).verdict == "valid"
    missed = judged(many, sync_step_ms_p50=0.01)
    assert missed.verdict == "invalid" and "over 20 samples; the target is 0.01 ms" in missed.first
    assert judged(few, sync_step_ms_p50=0.01).verdict == "unknown"
    wrong = judged(many, sync_step_p50=1.0)
    assert wrong.verdict == "unknown" and "is not a metric" in wrong.first


def test_worst_orders_invalid_unknown_not_exercised_valid() -> None:
    def of(*results: str) -> str:
        return worst(Verdict("c", each) for each in results)  # type: ignore[arg-type]

    assert of("valid", "not exercised") == "not exercised"
    assert of("not exercised", "unknown", "valid") == "unknown"
    assert of("unknown", "invalid", "valid") == "invalid"
    assert of() == "unknown"
