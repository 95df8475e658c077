"""The latency picture: a panel for each metric, in it a line for each topology and scenario from p50 to p99.

Drawn by Vega-Altair and vl-convert, which are slow to import: only `latency_svg` imports them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from clef_sim.reporting.latency import CLAIMS, Bar, Metric

TITLES: dict[Metric, str] = {
    "step": "sync step: a handler returns → the caused one starts",
    "chain": "eager chain: request → last eager completion",
}

INK = "currentColor"
"""The page's own colour, so that the picture fits a light page and a dark one."""

CLAIM = "#2f9e75"

TOPOLOGIES = {"A": "#3b82f6", "B": "#d97706", "C": "#c026d3"}
"""Readable on white and on black."""

PANEL_PX, ROW_PX = 450, 22

TICKS_MS = [
    *(1, 2, 5, 10, 20, 50, 100, 200, 500),
    *(1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000),
]


def latency_svg(bars: Sequence[Bar]) -> str:
    """The picture of at least one bar, as SVG that takes its ink from `color`."""
    import altair
    import vl_convert

    names = list(dict.fromkeys(_name(bar) for bar in bars))
    panels = [_panel(altair, bars, names, metric) for metric in TITLES]
    chart = altair.hconcat(*panels, spacing=18).configure(**_config())
    return str(vl_convert.vegalite_to_svg(chart.to_dict()))


def _name(bar: Bar) -> str:
    return f"{bar.topology}  {bar.name}"


def _panel(alt: Any, bars: Sequence[Bar], names: list[str], metric: Metric) -> Any:
    own = [bar for bar in bars if bar.metric == metric]
    low, high = _domain(own, metric)
    x = alt.X(
        "ms:Q",
        scale=alt.Scale(type="log", domain=[low, high], nice=False),
        axis=alt.Axis(title=None, values=TICKS_MS, format=",d", labelOverlap=True),
    )
    y = alt.Y(
        "name:N",
        scale=alt.Scale(domain=names),
        axis=alt.Axis(title=None, labels=metric == "step", ticks=False),
    )
    colours = alt.Scale(domain=list(TOPOLOGIES), range=list(TOPOLOGIES.values()))
    colour = alt.Color("topology:N", scale=colours, legend=None)
    measured = alt.Chart(_data(alt, [_values(bar) for bar in own])).encode(y=y, color=colour)
    layers = [
        *_claims(alt, bars, metric, low, x, y),
        measured.mark_rule(strokeWidth=2, opacity=0.6).encode(x=x, x2="p99:Q"),
        measured.mark_point(filled=True, size=70, opacity=1).encode(x=x),
        measured.mark_point(filled=True, size=60, opacity=1, shape="diamond").encode(x=alt.X("p95:Q")),
        measured.mark_tick(size=12, thickness=2.5).encode(x=alt.X("p99:Q")),
    ]
    size = {"width": PANEL_PX, "height": ROW_PX * len(names)}
    return alt.layer(*layers).properties(title=TITLES[metric] + ", ms", **size)


def _values(bar: Bar) -> dict[str, Any]:
    return {
        "name": _name(bar),
        "topology": bar.topology,
        "ms": bar.ms.p50,
        "p95": bar.ms.p95,
        "p99": bar.ms.p99,
    }


def _claims(alt: Any, bars: Sequence[Bar], metric: Metric, low: float, x: Any, y: Any) -> list[Any]:
    """A band on every line of a topology of which the design document claims something; said once."""
    bands, words = [], []
    for topology, claim in CLAIMS.items():
        names = list(dict.fromkeys(_name(bar) for bar in bars if bar.topology == topology))
        if claim.metric != metric or not names:
            continue
        bands += [{"name": name, "ms": claim.low or low, "to": claim.high} for name in names]
        words.append({"name": names[0], "ms": claim.low or low, "words": f"claimed {claim.words}"})
    if not bands:
        return []
    band = alt.Chart(_data(alt, bands)).mark_rect(color=CLAIM, opacity=0.2).encode(x=x, x2="to:Q", y=y)
    text = alt.Chart(_data(alt, words)).mark_text(
        color=CLAIM, align="left", baseline="bottom", dx=4, dy=-1, fontSize=9
    )
    return [band, text.encode(x=x, y=y, text="words:N")]


def _domain(bars: Sequence[Bar], metric: Metric) -> tuple[float, float]:
    """Wide enough for every line and claim."""
    claims = [claim for claim in CLAIMS.values() if claim.metric == metric]
    low = min([bar.ms.p50 for bar in bars] + [claim.low or claim.high / 5 for claim in claims])
    high = max([bar.ms.p99 for bar in bars] + [claim.high for claim in claims])
    return max(low * 0.8, 0.1), high * 1.3


def _data(alt: Any, values: list[dict[str, Any]]) -> Any:
    return alt.Data(values=values)


def _config() -> dict[str, Any]:
    ink = {"labelColor": INK, "domainColor": INK, "tickColor": INK, "gridColor": INK}
    return {
        "font": "sans-serif",
        "background": "transparent",
        "axis": ink | {"labelFontSize": 11, "labelLimit": 230, "gridOpacity": 0.12, "domainOpacity": 0.4},
        "axisY": {"grid": False},
        "title": {"color": INK, "fontSize": 12, "anchor": "start", "fontWeight": 600},
        "view": {"stroke": None},
    }
