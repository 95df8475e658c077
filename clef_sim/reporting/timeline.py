"""A flow's spans as a drawing: a lane for each instance (more where it did several things at once), a bar for each
span. Pure layout; `templates/timeline.svg` draws it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from clef_sim.flows import Span
from clef_sim.reporting.axis import Axis, Piece, Tick

WIDTH, LABELS = 1120, 168
"""Pixels: the drawing, and of that the instances' names."""

LANE, BAR, SDK = 25, 12, 4
"""Pixels: a lane with its strip of labels, a bar in it, and the bar of an SDK call at its bottom."""

TOP = 30

LANES_MAX, BARS_MAX = 40, 260
"""More would not be read; what is left out is counted and said."""

CHAR_PX = 5.8
"""Width of a character of a label in a wide font."""

COLOURS: dict[str, tuple[str, ...]] = {
    "handler": ("started", "request"),
    "guard": ("claim", "acquire", "fired"),
    "log": ("appended", "edge", "loaded"),
    "storage": ("stored", "facts", "asked"),
    "send": ("sent", "published"),
    "sdk": ("sdk",),
    "fault": ("fault",),
    "platform": ("instance", "delivery"),
}
"""What has a colour of its own, and which kinds of span share it."""

_COLOUR_OF = {kind: colour for colour, kinds in COLOURS.items() for kind in kinds}

_WEIGHT = {"fault": 0, "started": 1, "request": 1, "instance": 2, "delivery": 2, "sent": 3, "claim": 4, "acquire": 4}
"""Whose label gets the room first."""


class Bar(msgspec.Struct, frozen=True):
    """`outcome` is `ok`, `failed` or `unknown`; `title` all there is to say."""

    x: float
    y: float
    width: float
    height: float
    colour: str
    outcome: str
    title: str


class Label(msgspec.Struct, frozen=True):
    x: float
    y: float
    text: str
    colour: str


class LaneName(msgspec.Struct, frozen=True):
    y: float
    height: float
    name: str
    full_name: str


class Drawing(msgspec.Struct, frozen=True, kw_only=True):
    """`left_out` says in words what is not drawn; empty where all is."""

    width: int
    height: float
    left: float
    bottom: float
    names: tuple[LaneName, ...]
    bars: tuple[Bar, ...]
    labels: tuple[Label, ...]
    ticks: tuple[Tick, ...]
    cuts: tuple[Piece, ...]
    colours: tuple[str, ...]
    outcomes: tuple[str, ...]
    took_ms: float
    left_out: str


def draw(spans: Sequence[Span]) -> Drawing:
    """Lays out a timeline; `spans` holds at least one."""
    zero = min((span.start for span in spans if span.kind == "request"), default=min(span.start for span in spans))
    kept = _kept(spans)
    lanes = _lanes(kept)
    shown = _shown(lanes, kept)
    drawn = [span for span in kept if span.who in shown]
    axis = Axis([at for span in drawn for at in (span.start, span.end)], zero, LABELS, WIDTH - 12)
    count = max(shown.values()) + 1
    bottom = TOP + count * LANE
    return Drawing(
        width=WIDTH,
        height=bottom + 34,
        left=LABELS,
        bottom=bottom,
        names=tuple(_names(shown)),
        bars=tuple(_bar(span, TOP + shown[span.who] * LANE, axis, zero) for span in _big_first(drawn)),
        labels=tuple(_labels(drawn, shown, axis)),
        ticks=tuple(axis.ticks()),
        cuts=tuple(axis.cuts),
        colours=tuple(each for each in COLOURS if any(_colour(span) == each for span in drawn)),
        outcomes=tuple(each for each in ("failed", "unknown") if any(span.outcome == each for span in drawn)),
        took_ms=1000 * (max(span.end for span in spans) - zero),
        left_out=_left_out(len(spans) - len(drawn), len(set(lanes.values())) - count),
    )


def _kept(spans: Sequence[Span]) -> list[Span]:
    """At most `BARS_MAX`: SDK calls go first, then what came last. Faults stay."""
    if len(spans) <= BARS_MAX:
        return list(spans)
    told = [span for span in spans if span.kind != "sdk"]
    struck = [span for span in told if span.kind == "fault"][:BARS_MAX]
    first = [span for span in told if span.kind != "fault"][: BARS_MAX - len(struck)]
    return sorted([*struck, *first], key=lambda span: (span.start, span.end))


def _left_out(spans: int, lanes: int) -> str:
    if not spans:
        return ""
    also = f", {lanes:,} lanes of them" if lanes else ""
    return f"{spans:,} of the spans are not drawn{also}: SDK calls first, then what came last."


def _instance(who: str) -> str:
    return who.partition(":")[0]


def _lanes(spans: Iterable[Span]) -> dict[str, int]:
    """The lane of each `who`; an instance's lanes stand together, and take executions that do not overlap."""
    extent: dict[str, tuple[float, float]] = {}
    for span in spans:
        start, end = extent.get(span.who, (span.start, span.end))
        extent[span.who] = (min(start, span.start), max(end, span.end))
    by_instance: dict[str, list[str]] = {}
    for who in sorted(extent, key=lambda who: extent[who][0]):
        by_instance.setdefault(_instance(who), []).append(who)
    lanes: dict[str, int] = {}
    used = 0
    for members in by_instance.values():
        ends: list[float] = []
        for who in members:
            start, end = extent[who]
            lane = next((number for number, until in enumerate(ends) if until <= start), len(ends))
            ends[lane : lane + 1] = [end]
            lanes[who] = used + lane
        used += len(ends)
    return lanes


def _shown(lanes: dict[str, int], spans: Iterable[Span]) -> dict[str, int]:
    """The lanes that are drawn: at most `LANES_MAX`, those where something went wrong before others."""
    wrong = {
        lanes[span.who] for span in spans if span.kind == "fault" or (span.outcome != "ok" and span.kind != "sdk")
    }
    first = sorted(set(lanes.values()), key=lambda lane: (lane not in wrong, lane))[:LANES_MAX]
    place = {lane: number for number, lane in enumerate(sorted(first))}
    return {who: place[lane] for who, lane in lanes.items() if lane in place}


def _names(lanes: dict[str, int]) -> Iterable[LaneName]:
    rows: dict[str, list[int]] = {}
    for who, lane in lanes.items():
        rows.setdefault(_instance(who), []).append(lane)
    for instance, own in rows.items():
        y = TOP + min(own) * LANE
        yield LaneName(y, (max(own) - min(own) + 1) * LANE, _short(instance, 26), instance)


def _big_first(spans: Iterable[Span]) -> list[Span]:
    """What contains others is drawn before them."""
    order = {"handler": 0, "sdk": 2, "fault": 3}
    return sorted(spans, key=lambda span: (order.get(_colour(span), 1), span.start))


def _bar(span: Span, top: float, axis: Axis, zero: float) -> Bar:
    x, until = axis.x(span.start), axis.x(span.end)
    lower = top + LANE - BAR - 1
    y, height = {
        "handler": (lower, BAR),
        "sdk": (lower + BAR - SDK, SDK),
        "fault": (top, LANE - 1),
    }.get(_colour(span), (lower, BAR - SDK))
    return Bar(
        *(round(x, 1), y, round(max(until - x, 1.5), 1), height),
        *(_colour(span), span.outcome, _title(span, zero)),
    )


def _colour(span: Span) -> str:
    return _COLOUR_OF.get(span.kind, "platform")


def _title(span: Span, zero: float) -> str:
    at, took = 1000 * (span.start - zero), 1000 * (span.end - span.start)
    ended = "" if span.outcome == "ok" else f", {OUTCOMES[span.outcome]}"
    return f"{span.kind}: {span.name} at {at:,.1f} ms, took {took:,.1f} ms{ended} ({span.who})"


OUTCOMES = {"failed": "failed", "unknown": "no answer, may have been done"}


def _labels(spans: Iterable[Span], lanes: dict[str, int], axis: Axis) -> list[Label]:
    """A label for each span that has room for it, the telling ones first."""
    taken: dict[int, list[tuple[float, float]]] = {}
    labels = []
    wanted = [span for span in spans if span.kind != "sdk"]
    for span in sorted(wanted, key=lambda span: (_WEIGHT.get(span.kind, 5), span.start)):
        lane = lanes[span.who]
        text = _short(_marked(span), 44)
        width = len(text) * CHAR_PX
        x = min(axis.x(span.start), WIDTH - width - 4)
        room = (x - 5, x + width)
        if any(room[0] < right and left < room[1] for left, right in taken.get(lane, ())):
            continue
        taken.setdefault(lane, []).append(room)
        labels.append(Label(round(x, 1), TOP + lane * LANE + LANE - BAR - 4, text, _colour(span)))
    return labels


def _marked(span: Span) -> str:
    """A cross before what failed, a question mark before what has no answer: colour alone does not tell."""
    mark = "✖" if span.kind == "fault" else {"failed": "×", "unknown": "?"}.get(span.outcome, "")
    return f"{mark} {span.name}" if mark else span.name


def _short(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
