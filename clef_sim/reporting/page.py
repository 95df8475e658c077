"""What a report says, without how: the results, put in the order a reader wants them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from itertools import groupby
from platform import python_version

import msgspec

from clef_sim.reporting.glance import Glance, glances_of
from clef_sim.reporting.latency import Bar, bars_of, reading
from clef_sim.reporting.rows import Row, groups_of, rows_of
from clef_sim.reporting.timeline import Drawing, draw
from clef_sim.reporting.told import Failure, Loss, failures_of, losses_of
from clef_sim.reporting.words import many
from clef_sim.results import RunResult, Standing

FAILURES_MAX, FLOWS_MAX = 50, 100
"""A page stays readable and small; what is left out is counted and said."""

PACKAGES = ("clef-sim", "simpy", "greenlet", "boto3", "botocore", "httpx", "msgspec", "lark")
"""Those whose versions can change what a run does."""


class Flow(msgspec.Struct, frozen=True):
    """The worst flow of a row: what it is, as a picture, and the picture's file beside the Markdown."""

    about: str
    drawing: Drawing
    file: str


class Page(msgspec.Struct, frozen=True, kw_only=True):
    headline: str
    about: str
    standing: Standing
    glances: tuple[Glance, ...]
    scenarios: tuple[tuple[str, tuple[Row, ...]], ...]
    reading: str
    bars: tuple[Bar, ...]
    failures: tuple[Failure, ...]
    more_failures: int
    losses: tuple[Loss, ...]
    flows: tuple[Flow, ...]
    more_flows: int
    settings: tuple[tuple[str, str], ...]
    runs: tuple[RunResult, ...]


def page_of(results: Sequence[RunResult]) -> Page:
    """Equal results give equal pages: nothing of the clock or the machine is in it but package versions."""
    rows = rows_of(results)
    failures = failures_of(results)
    worst = [each for each in map(_worst, groups_of(results)) if each is not None]
    worst.sort(key=lambda result: result.standing == "as expected")
    return Page(
        headline=headline(results),
        about=_about(results, rows),
        standing=failures[0].result.standing if failures else "as expected",
        glances=tuple(glances_of(results)),
        scenarios=tuple((name, tuple(group)) for name, group in groupby(rows, key=lambda row: row.scenario)),
        reading=reading(rows),
        bars=tuple(bars_of(rows)),
        failures=tuple(failures[:FAILURES_MAX]),
        more_failures=max(0, len(failures) - FAILURES_MAX),
        losses=tuple(losses_of(results)),
        flows=tuple(_flow(number, result) for number, result in enumerate(worst[:FLOWS_MAX], 1)),
        more_flows=max(0, len(worst) - FLOWS_MAX),
        settings=tuple(_settings(results)),
        runs=tuple(results),
    )


def headline(results: Sequence[RunResult]) -> str:
    """`118 of 120 runs as expected, 1 not as expected, 1 undecided`; and the world, where it is not the model's."""
    counts = dict.fromkeys(("as expected", "not as expected", "undecided"), 0)
    for result in results:
        counts[result.standing] += 1
    rest = "".join(f", {count} {name}" for name, count in counts.items() if count and name != "as expected")
    worlds = "".join(f"; world: {world}" for world in _worlds(results))
    return f"{counts['as expected']} of {len(results)} runs as expected{rest}{worlds}"


def _worlds(results: Sequence[RunResult]) -> list[str]:
    """Those of real services, with the ways by which these were got."""
    return list(dict.fromkeys(each.world_words for each in results if each.world != "model"))


def _about(results: Sequence[RunResult], rows: Sequence[Row]) -> str:
    scenarios = len({row.scenario for row in rows})
    apps = ", ".join(sorted({each.app for each in results}))
    topologies = ", ".join(sorted({row.topology for row in rows}))
    virtual_s = sum(each.virtual_s for each in results)
    return (
        f"{many(scenarios, 'scenario')} over {apps or 'no app'}, on topologies {topologies or 'none'}: "
        f"{virtual_s:,.0f} s of virtual time, {sum(each.metrics.firings for each in results):,} firings."
    )


def _worst(group: Sequence[RunResult]) -> RunResult | None:
    """The run whose worst flow is shown: one that is not as expected before others, then the longest."""
    some = [each for each in group if each.worst and each.worst.spans]
    return max(some, key=lambda each: (each.standing != "as expected", _took_s(each)), default=None)


def _took_s(result: RunResult) -> float:
    spans = result.worst.spans if result.worst else ()
    return max(span.end for span in spans) - min(span.start for span in spans)


def _flow(number: int, result: RunResult) -> Flow:
    if result.worst is None:
        raise AssertionError("only runs with a worst flow are drawn")
    drawing = draw(result.worst.spans)
    took = f"{drawing.took_ms:,.0f} ms, {len(result.worst.spans)} spans"
    where = f"{result.topology} {result.manifest}, seed {result.seed}"
    about = f"{result.name} on {where}: {took} ({result.verdict}, {result.standing})"
    slug = re.sub(r"[^\w-]+", "-", f"{result.name}-{result.manifest}", flags=re.ASCII)[:100]
    return Flow(about, drawing, f"flow-{number:02}-{slug}.svg")


def _settings(results: Sequence[RunResult]) -> list[tuple[str, str]]:
    seeds = sorted({each.seed for each in results})
    unbroken = len(seeds) > 2 and seeds == list(range(seeds[0], seeds[-1] + 1))
    return [
        ("seeds", f"{seeds[0]} to {seeds[-1]}" if unbroken else ", ".join(map(str, seeds))),
        ("manifests", ", ".join(sorted({each.manifest for each in results}))),
        *(("world", world) for world in _worlds(results)),
        ("python", python_version()),
        *((name, _version(name)) for name in PACKAGES),
    ]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
