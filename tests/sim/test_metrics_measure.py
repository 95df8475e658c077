"""Metrics of a hand-written history, and the flow that people are shown."""

from __future__ import annotations

import pytest
from checker_stories import SYNCS, Orders, change, drop, is_a, orders

from clef_runtime.language import parse_text
from clef_sim.metrics import FLOW_KEEP_S, Exact, Meter, Sketch, measure, timeline, tree, worst_flow


def test_metrics_counts_of_one_order() -> None:
    story = orders()
    story.add("instance", "cold", function="web", ms=250.0)
    story.add("delivery", "completions", message="m1", count=1)
    story.add("delivery", "completions", message="m1", count=2)
    story.add("sdk", "dynamodb.PutItem", ms=4.0)
    found = measure(story.history, SYNCS, duplicate_firings=0, lost_firings=0)
    assert (found.flows, found.completions, found.invocations, found.firings) == (1, 4, 4, 2)
    assert (found.cold_starts, found.redeliveries, found.sdk_calls) == (1, 1, 1)
    assert (found.duplicate_firings, found.lost_firings) == (0, 0)


def test_metrics_sync_step_goes_from_the_last_return_to_the_first_start() -> None:
    story = orders()
    at = {(each.kind, each.name.rpartition("/")[2]): each.at for each in story.history}
    step = at["started", "ship"] - at["returned", "reserve"]
    found = measure(story.history, SYNCS).sync_step_ms
    assert found.count == 3
    assert found.max == pytest.approx(max(step, at["started", "reserve"] - at["returned", "request"]) * 1000)
    assert found.p50 == pytest.approx(step * 1000)
    story.start(story.shipping().invocations[0])
    assert measure(story.history, SYNCS).sync_step_ms == found, "a second start is a redelivery, no step"


def test_metrics_eager_chain_ends_with_the_last_eager_completion() -> None:
    story = orders()
    request = next(each for each in story.history if each.kind == "request")
    shipped = next(each for each in story.history if each.who == "shipping#1:1" and each.kind == "appended")
    reserved = next(each for each in story.history if each.who == "stock#1:1" and each.kind == "appended")
    found = measure(story.history, SYNCS).eager_chain_ms
    assert found.count == 1 and found.max == pytest.approx((shipped.at - request.at) * 1000)
    (late,) = parse_text("sync ShipWhenPaid [eventual] when { A/a: [] => [] } then { B/b: [] }", "t.sync")
    found = measure(story.history, [late]).eager_chain_ms
    assert found.max == pytest.approx((reserved.at - request.at) * 1000)


def test_metrics_what_prepares_the_run_is_not_counted() -> None:
    story = orders()
    story.add("phase", "workload")
    before = story.events
    assert measure(before, SYNCS) == measure([], SYNCS)
    later = Orders(flow="f2")
    later.now = story.now
    later.open()
    assert measure([*before, *later.events], SYNCS).flows == 1


def test_metrics_without_a_log_count_what_was_returned() -> None:
    events = drop(orders("none").events, is_a("appended"), is_a("loaded"))
    found = measure(events, SYNCS)
    assert found.completions == 4 and found.eager_chain_ms.count == 1


def test_metrics_percentiles_by_nearest_rank() -> None:
    exact = Exact()
    for value in range(1, 101):
        exact.add(float(value))
    found = exact.percentiles()
    assert (found.p50, found.p95, found.p99, found.max, found.count) == (50.0, 95.0, 99.0, 100.0, 100)
    assert Exact().percentiles().count == Sketch().percentiles().count == 0


def test_metrics_sketch_is_near_and_its_max_exact() -> None:
    sketch = Sketch()
    for value in range(1, 1001):
        sketch.add(float(value))
    found = sketch.percentiles()
    assert found.p95 == pytest.approx(950.0, rel=0.01)
    assert (found.max, found.count) == (1000.0, 1000)


def test_metrics_streaming_forgets_quiet_flows_and_counts_the_same() -> None:
    meter, exact = Meter(SYNCS, streaming=True), Meter(SYNCS)
    for number in range(30):
        story = Orders(flow=f"f{number}")
        story.now = number * FLOW_KEEP_S / 2
        story.open()
        story.begin()
        for event in story.history:
            meter.add(event)
            exact.add(event)
    assert len(meter._flows) <= 3
    streamed, kept = meter.metrics(), exact.metrics()
    assert (streamed.flows, streamed.completions, streamed.firings) == (30, 90, 30)
    assert (kept.flows, kept.completions, kept.firings) == (30, 90, 30)
    assert streamed.eager_chain_ms.count == kept.eager_chain_ms.count == 30
    assert streamed.sync_step_ms.p50 == pytest.approx(kept.sync_step_ms.p50, rel=0.01)


# ---- one flow


def test_worst_flow_is_the_slowest_and_an_unfinished_one_before_it() -> None:
    assert worst_flow([]) is None
    quick, slow = Orders(flow="quick"), Orders(flow="slow")
    for story in (quick, slow):
        story.open()
        story.begin()
        story.now += 5.0 if story is slow else 0.0
        story.fire("evaluator#2:1", story.prepare())
        story.run("shipping#1:1", story.shipping().invocations[0])
    assert worst_flow([*quick.events, *slow.events]) == "slow"
    stuck = drop(quick.events, is_a("appended", who="shipping"))
    assert worst_flow([*stuck, *slow.events]) == "quick"


def test_timeline_holds_the_flow_and_the_calls_made_for_it() -> None:
    story = orders()
    other = Orders(flow="f2", who="evaluator#2:1")
    other.now = 90.0
    other.add("sdk", "dynamodb.Query", ms=1.0)
    other.load()
    call = ("evaluator#2:1", "dynamodb.TransactWriteItems")
    events = []
    for event in story.events:
        if event.kind == "claim" and event.name == "ShipWhenPaid":
            script = Orders(who=call[0])
            script.now = event.at - 0.001
            script.add("sdk", call[1], ms=1.0)
            events += script.events
        events.append(event)
    spans = timeline([*events, *other.events], "f1")
    assert [span.start for span in spans] == sorted(span.start for span in spans)
    named = {(span.who, span.name): span for span in spans}
    assert call in named and ("evaluator#2:1", "dynamodb.Query") not in named
    assert named[call].end - named[call].start == pytest.approx(0.001)
    action = named["shipping#1:1", "Shipping/ship"]
    assert action.kind == "started" and action.end > action.start
    assert ("evaluator#2:1", "facts Address") in named
    assert ("evaluator#2:1", "claim ShipWhenPaid: won") in named
    assert timeline(events, "nobody") == []


def test_timeline_keeps_what_a_killed_caller_did_last() -> None:
    story = orders()
    story.who = "evaluator#2:1"
    story.add("sdk", "sqs.SendMessage", "unknown", ms=2.0, error="Killed")
    story.add("fault", "crash", target="sqs.SendMessage")
    assert timeline(story.events, "f1")[-1].name == "crash"


def test_timeline_action_that_never_returned_lasts_to_the_end() -> None:
    spans = timeline(drop(orders().events, is_a("returned", "ship")), "f1")
    action = next(span for span in spans if span.name == "Shipping/ship")
    assert action.end == max(span.end for span in spans)


def test_tree_shows_what_caused_what() -> None:
    (root,) = tree(orders().events, "f1")
    assert (root.name, root.sync, root.variant) == ("Web/request", None, "ok")
    assert [child.name for child in root.children] == ["Payment/charge", "Stock/reserve"]
    (ship,) = root.children[1].children
    assert (ship.name, ship.sync, len(ship.matched)) == ("Shipping/ship", "ShipWhenPaid", 2)
    assert root.children[0].children == []


def test_tree_invocation_that_never_ran_has_no_variant() -> None:
    events = change(
        drop(orders().events, is_a("started", "ship"), is_a("returned", "ship"), is_a("appended", who="shipping")),
        is_a("phase"),
        note="cut",
    )
    (root,) = tree(events, "f1")
    (ship,) = root.children[1].children
    assert (ship.name, ship.variant, ship.at) == ("Shipping/ship", None, None)
