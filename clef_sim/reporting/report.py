"""The report of a run, as files in a folder: a page, the same as Markdown with its pictures, and all as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from clef_sim.reporting.latency import NAMES
from clef_sim.reporting.page import Page, page_of
from clef_sim.results import RunResult, Standing

if TYPE_CHECKING:
    from jinja2 import Environment

TONES: dict[Standing, str] = {"as expected": "good", "not as expected": "bad", "undecided": "open"}

SIGNS: dict[Standing, str] = {"as expected": "✓", "not as expected": "✗", "undecided": "?"}

KEY = {
    "handler": "handler, request",
    "guard": "firing guard",
    "log": "action log",
    "storage": "storage, facts",
    "send": "send",
    "sdk": "SDK call",
    "fault": "fault",
    "platform": "platform",
    "failed": "failed",
    "unknown": "no answer",
}
"""The key below a timeline."""

INK = "svg { color: #1f2328; } @media (prefers-color-scheme: dark) { svg { color: #e6edf3; } }"
"""For a picture that stands alone."""


def write_report(folder: Path, results: Sequence[RunResult]) -> list[Path]:
    """Writes the report; returns its pages, the one to look at first.

    Equal results give equal files. `index.html` needs no other file and no network; `report.md` has its
    pictures beside it.
    """
    page = page_of(results)
    picture = _latency(page)
    files = {
        "index.html": _html(page, picture),
        "report.md": _environment(markdown=True).get_template("report.md.j2").render(page=page),
        "results.json": msgspec.json.format(msgspec.json.encode(results), indent=2).decode() + "\n",
        **_pictures(page, picture),
    }
    for name, text in files.items():
        (folder / name).write_text(text, "utf-8")
    return [folder / name for name in ("index.html", "report.md", "results.json")]


def _latency(page: Page) -> str:
    # Only here: what draws it takes a second to import.
    from clef_sim.reporting.latency_picture import latency_svg

    return latency_svg(page.bars) if page.bars else ""


def _html(page: Page, picture: str) -> str:
    from markupsafe import Markup

    environment = _environment()
    css = Markup(_source(environment, "page.css") + _source(environment, "timeline.css"))
    return environment.get_template("index.html.j2").render(page=page, css=css, picture=Markup(picture))


def _pictures(page: Page, latency: str) -> dict[str, str]:
    """The pictures of the Markdown, by file."""
    from markupsafe import Markup

    environment = _environment()
    timeline = environment.get_template("timeline.svg.j2").make_module().timeline  # type: ignore[attr-defined]  # a macro
    style = Markup(_source(environment, "timeline.css"))
    files = {flow.file: str(timeline(flow.drawing, flow.about, style)) for flow in page.flows}
    if latency:
        start = latency.index(">") + 1
        files["latency.svg"] = f"{latency[:start]}<style>{INK}</style>{latency[start:]}"
    return files


def _source(environment: Environment, name: str) -> str:
    if environment.loader is None:
        raise AssertionError("the environment is made with a loader")
    return environment.loader.get_source(environment, name)[0]


def _environment(*, markdown: bool = False) -> Environment:
    """Whatever a template shows is escaped: as HTML, or where the template is Markdown, as that."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    from clef_sim.reporting import words

    environment = Environment(
        loader=PackageLoader("clef_sim.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=words.markdown if markdown else None,
    )
    environment.filters |= {"ms": words.ms, "two": words.two, "count": words.count, "px": words.px}
    environment.filters |= {"block": words.block, "code": words.code, "waited": words.waited, "html": words.plain_html}
    environment.globals |= {"tone": TONES, "sign": SIGNS, "metrics": NAMES, "words": KEY}
    return environment
