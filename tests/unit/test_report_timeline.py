"""The layout of a timeline: lanes, axis, labels, and what is left out."""

from itertools import pairwise

import pytest

from clef_sim.flows import Span, timeline
from clef_sim.history import Event
from clef_sim.reporting.axis import CUT_PX, Axis
from clef_sim.reporting.timeline import BARS_MAX, LANE, LANES_MAX, WIDTH, draw


def span(who: str, start: float, end: float, kind: str = "started", outcome="ok", name: str = "A/b") -> Span:
    return Span(who, name, start, end, kind, outcome)


def test_axis_is_linear_where_no_wait_is_long() -> None:
    axis = Axis([0.0, 1.0, 2.0, 3.0, 4.0], 0.0, 100.0, 500.0)
    assert [axis.x(at) for at in (0.0, 1.0, 4.0)] == [100.0, 200.0, 500.0]
    assert axis.cuts == []


def test_axis_cuts_a_wait_that_dwarfs_the_rest() -> None:
    axis = Axis([0.0, 0.5, 1.0, 181.0, 181.5], 0.0, 0.0, 1000.0)
    (cut,) = axis.cuts
    assert (cut.start, cut.end, cut.right - cut.left) == (1.0, 181.0, pytest.approx(CUT_PX))
    assert axis.x(181.5) == pytest.approx(1000.0)


def test_axis_cuts_waits_that_double() -> None:
    times = [0.0, 0.1, 2.1, 2.2, 6.2, 6.3, 14.3, 14.4]
    assert len(Axis(times, 0.0, 0.0, 1000.0).cuts) == 3


def test_axis_keeps_short_waits() -> None:
    assert Axis([0.0, 0.001, 0.1], 0.0, 0.0, 1000.0).cuts == []


def test_axis_with_many_cuts_keeps_half_of_the_room() -> None:
    times = sorted(at for n in range(60) for at in (100.0 * n, 100.0 * n + 0.01))
    axis = Axis(times, 0.0, 0.0, 1000.0)
    assert sum(cut.right - cut.left for cut in axis.cuts) == pytest.approx(500.0)


def test_axis_rises_with_time() -> None:
    times = [0.0, 0.1, 7.0, 7.1, 7.3, 90.0]
    places = [Axis(times, 0.0, 0.0, 900.0).x(at) for at in times]
    assert places == sorted(places)


def test_axis_of_one_instant_has_a_place() -> None:
    assert Axis([5.0], 5.0, 10.0, 20.0).x(5.0) == 10.0


def test_ticks_are_round_ms_since_zero_and_apart() -> None:
    ticks = Axis([10.0, 10.1, 10.2, 10.3], 10.0, 0.0, 640.0).ticks()
    assert [tick.label for tick in ticks] == ["0", "50", "100", "150", "200", "250", "300"]
    assert all(later.x - tick.x >= 64 for tick, later in pairwise(ticks))


def test_times_are_relative_to_the_request() -> None:
    drawing = draw([span("web:1", 9.99, 10.3), span("client:1", 10.0, 10.5, "request")])
    assert drawing.took_ms == pytest.approx(500.0)
    assert "at -10.0 ms" in next(bar.title for bar in drawing.bars if "(web:1)" in bar.title)


def test_executions_that_overlap_get_lanes_of_their_own() -> None:
    drawing = draw([span("web-1:1", 0.0, 1.0), span("web-1:2", 0.5, 1.5), span("web-1:3", 1.0, 2.0)])
    (name,) = drawing.names
    assert (name.name, name.height) == ("web-1", 2 * LANE)


def test_instances_stand_in_order_of_their_first_start() -> None:
    drawing = draw([span("b:1", 0.0, 0.1), span("a:1", 0.2, 0.3), span("b:2", 0.4, 0.5)])
    assert [each.name for each in drawing.names] == ["b", "a"]


def test_fault_has_a_mark_and_its_word() -> None:
    drawing = draw([span("web:1", 0.0, 1.0), span("web:1", 0.5, 0.5, "fault", name="crash at put")])
    assert "✖ crash at put" in [label.text for label in drawing.labels]
    assert "fault" in drawing.colours


@pytest.mark.parametrize(("outcome", "mark"), [("failed", "×"), ("unknown", "?")])
def test_outcome_that_is_not_ok_is_marked_in_word_and_key(outcome: str, mark: str) -> None:
    drawing = draw([span("web:1", 0.0, 1.0, outcome=outcome)])
    assert [label.text for label in drawing.labels] == [f"{mark} A/b"]
    assert drawing.outcomes == (outcome,)


def test_labels_of_a_lane_do_not_overlap() -> None:
    drawing = draw([span("web:1", n / 100, n / 100 + 0.005, name="Order/place") for n in range(100)])
    assert 1 < len(drawing.labels) < 100
    starts = sorted(label.x for label in drawing.labels)
    assert all(later - at >= len("Order/place") * 5 for at, later in pairwise(starts))


def test_labels_stay_inside_the_drawing() -> None:
    drawing = draw([span("web:1", 0.0, 1.0, name="x" * 30), span("web:2", 0.999, 1.0, name="y" * 80)])
    assert all(label.x + 5 * len(label.text) <= WIDTH for label in drawing.labels)


def test_too_many_spans_leave_out_sdk_calls_first_and_say_so() -> None:
    spans = [span("web:1", n, n + 0.5, kind) for n in range(BARS_MAX) for kind in ("started", "sdk")]
    drawing = draw(spans)
    assert len(drawing.bars) == BARS_MAX
    assert drawing.colours == ("handler",)
    assert drawing.left_out.startswith(f"{BARS_MAX} of the spans are not drawn")


def test_too_many_spans_keep_the_faults() -> None:
    spans = [span("web:1", n, n + 0.5) for n in range(BARS_MAX + 50)] + [span("web:1", 999, 999, "fault")]
    assert "fault" in draw(spans).colours


def test_too_many_lanes_keep_those_where_something_went_wrong() -> None:
    spans = [span(f"web-{n}:1", n / 1000, 1.0) for n in range(LANES_MAX + 20)]
    spans.append(span(f"web-{LANES_MAX + 10}:1", 0.5, 0.6, "sent", "unknown"))
    drawing = draw(spans)
    assert len(drawing.names) == LANES_MAX
    assert f"web-{LANES_MAX + 10}" in [each.full_name for each in drawing.names]
    assert (
        drawing.left_out == "20 of the spans are not drawn, 20 lanes of them: SDK calls first, then what came last."
    )
    assert drawing.bottom == max(name.y + name.height for name in drawing.names)


def test_nothing_left_out_says_nothing() -> None:
    assert draw([span("web:1", 0.0, 1.0)]).left_out == ""


def test_span_of_an_unknown_kind_is_drawn() -> None:
    assert draw([span("web:1", 0.0, 1.0, "new")]).colours == ("platform",)


def test_timeline_shows_the_cold_starts_that_its_flow_waited_for() -> None:
    def cold(at: float, instance: str) -> Event:
        return Event(at, "client:1", "instance", "cold", "ok", {"instance": instance, "ms": 500.0})

    history = [
        cold(0.5, "web-1"),  # before the flow
        Event(1.0, "client:1", "request", "order", "ok", {"flow": "f"}),
        cold(1.0, "web-2"),
        cold(1.1, "web-3"),  # for another flow
        Event(1.6, "web-2:1", "response", "order", "ok", {"flow": "f"}),
        Event(1.7, "web-1:1", "request", "order", "ok", {"flow": "f"}),
        Event(1.7, "web-2:1", "request", "order", "ok", {"flow": "f"}),
    ]
    colds = [(each.who, each.start, each.end) for each in timeline(history, "f") if each.kind == "instance"]
    assert colds == [("web-2", 1.0, 1.5)]
