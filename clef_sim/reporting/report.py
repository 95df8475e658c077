"""The report of a run, as files in a folder: a page, the same as Markdown with its pictures, and all as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from clef_runtime.errors import BadInput
from clef_sim.reporting.latency import NAMES
from clef_sim.reporting.page import Page, page_of
from clef_sim.reporting.words import as_is
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
    "platform": "cold start, platform",
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

    Raises:
        BadInput: a file cannot be written.
    """
    page = page_of(results)
    picture = _latency(page)
    files = {
        "index.html": html_page(page, picture),
        "report.md": markdown_page(page),
        "results.json": msgspec.json.format(msgspec.json.encode(results), indent=2).decode() + "\n",
        **timelines(page),
        **({"latency.svg": _alone(picture)} if picture else {}),
    }
    for name, text in files.items():
        try:
            (folder / name).write_text(text, "utf-8")
        except OSError as error:
            raise BadInput(f"report {folder / name} cannot be written: {error.strerror or error}") from error
    return [folder / name for name in ("index.html", "report.md", "results.json")]


def _latency(page: Page) -> str:
    # Only here: what draws it takes a second to import.
    from clef_sim.reporting.latency_picture import latency_svg

    return latency_svg(page.bars) if page.bars else ""


def html_page(page: Page, picture: str) -> str:
    """One page with all in it; `picture` is the latency picture as SVG, empty where there is none."""
    environment = _environment()
    css = as_is(_source(environment, "page.css") + _source(environment, "timeline.css"))
    return environment.get_template("index.html.j2").render(page=page, css=css, picture=as_is(picture))


def markdown_page(page: Page) -> str:
    """The same as Markdown; it refers to `timelines` and `latency.svg`."""
    return _environment(markdown=True).get_template("report.md.j2").render(page=page)


def timelines(page: Page) -> dict[str, str]:
    """The worst flows as SVG files."""
    environment = _environment()
    timeline = environment.get_template("timeline.svg.j2").make_module().timeline  # type: ignore[attr-defined]  # a macro
    style = as_is(_source(environment, "timeline.css"))
    return {flow.file: str(timeline(flow.drawing, flow.about, style)) + "\n" for flow in page.flows}


def _alone(picture: str) -> str:
    """An inline picture as a file: with an ink of its own."""
    start = picture.index(">") + 1
    return f"{picture[:start]}<style>{INK}</style>{picture[start:]}\n"


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
    environment.filters |= {
        "block": words.block,
        "code": words.code,
        "waited": words.waited,
        "html": words.plain_html,
    }
    environment.globals |= {"tone": TONES, "sign": SIGNS, "metrics": NAMES, "words": KEY}
    return environment
