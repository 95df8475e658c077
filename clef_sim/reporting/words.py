"""How numbers and foreign text are written in the report."""

from __future__ import annotations

import html
import re

from markupsafe import Markup

from clef_sim.metrics import Percentiles


def ms(value: float) -> str:
    """Milliseconds: one decimal below 10."""
    return f"{value:,.1f}" if value < 10 else f"{value:,.0f}"


def two(value: Percentiles) -> str:
    """p50 and p95; a dash where nothing was measured."""
    return f"{ms(value.p50)} / {ms(value.p95)}" if value.count else "–"


def count(value: int) -> str:
    return f"{value:,}"


def waited(seconds: float) -> str:
    """How long, in few characters."""
    if seconds < 1:
        return f"{1000 * seconds:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 100 else f"{seconds:,.0f} s"


def many(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def px(value: float) -> str:
    return f"{value:.1f}"


def as_is(text: str) -> Markup:
    """Markup of our own, with whatever is foreign in it escaped already."""
    return Markup(text)  # noqa: S704  # the one place where text is declared safe


def markdown(value: object) -> Markup:
    """Text as Markdown that shows just it, in one line: safe in a table cell, and without markup of its own."""
    if isinstance(value, Markup):
        return value
    text = html.escape(" ".join(str(value).split()), quote=False)
    text = re.sub(r"([\\`*\[\]|~])", r"\\\1", text)
    # An underscore inside a word means nothing; escaping it there would make names hard to read.
    return as_is(re.sub(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])", r"\\_", text))


def block(text: str) -> Markup:
    """A fenced block of code; the fence is longer than any in the text."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return as_is(f"{fence}\n{text}\n{fence}")


def code(text: str) -> Markup:
    """A span of code in a table cell."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    space = " " if longest else ""
    # A table takes its bars before code is looked at.
    return as_is(f"{fence}{space}{' '.join(text.split())}{space}{fence}".replace("|", "\\|"))


def plain_html(text: str) -> Markup:
    """Text for HTML that stands in Markdown."""
    return as_is(html.escape(" ".join(text.split())))
