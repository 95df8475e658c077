"""Results on the terminal: a row for each scenario and topology, then every failure in words."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from clef_sim.reporting.page import headline
from clef_sim.reporting.rows import Row, rows_of
from clef_sim.reporting.told import Failure, failures_of
from clef_sim.reporting.words import count, two
from clef_sim.results import RunResult

_STYLES = {"as expected": "green", "not as expected": "bold red", "undecided": "yellow"}

PLAIN_WIDTH = 160
"""Columns where the output is no terminal: the table is then the same wherever it goes."""


class _Column(msgspec.Struct, frozen=True):
    """`keep`: 0 stays; of the others, those with the highest number go first where there is little room."""

    head: str
    of: Callable[[Row], str]
    right: bool = False
    keep: int = 0


_COLUMNS = (
    _Column("scenario", lambda row: row.name),
    _Column("", lambda row: row.topology),
    _Column("manifest", lambda row: row.manifest, keep=1),
    _Column("guard", lambda row: row.guard, keep=4),
    _Column("runs", lambda row: str(row.runs), right=True, keep=7),
    _Column("verdict", lambda row: row.verdict_words),
    _Column("expected?", lambda row: row.standing),
    _Column("firings", lambda row: count(row.firings), right=True, keep=6),
    _Column("twice", lambda row: count(row.twice), right=True, keep=2),
    _Column("lost", lambda row: count(row.lost), right=True, keep=2),
    _Column("cold", lambda row: count(row.cold), right=True, keep=8),
    _Column("step p50/p95 ms", lambda row: two(row.step), right=True, keep=5),
    _Column("chain p50/p95 ms", lambda row: two(row.chain), right=True, keep=3),
)


def print_results(results: Sequence[RunResult]) -> None:
    """Prints the table and the failures to stdout; a narrow terminal gets fewer columns."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=PLAIN_WIDTH, color_system=None)
    console.print(_fitting(console, rows_of(results)))
    for failure in failures_of(results):
        _print_failure(console, failure)
    style = "green" if all(each.standing == "as expected" for each in results) else "bold red"
    console.print()
    _say(console, headline(results), style)


def _fitting(console: Console, rows: Sequence[Row]) -> Table:
    columns = list(_COLUMNS)
    for keep in sorted({column.keep for column in _COLUMNS}, reverse=True):
        table = _table(rows, columns)
        if not keep or console.measure(table, options=console.options.update(width=10_000)).maximum <= console.width:
            break
        columns = [column for column in columns if column.keep != keep]
    return table


def _table(rows: Sequence[Row], columns: Sequence[_Column]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        # Only what stays in any case may be folded, where even that is too wide.
        table.add_column(column.head, justify="right" if column.right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_cell(column, row) for column in columns))
    return table


def _cell(column: _Column, row: Row) -> Text:
    bad = (column.head == "twice" and row.twice) or (column.head == "lost" and row.lost)
    style = _STYLES[row.standing] if column.head == "expected?" else "bold" if bad else ""
    return Text(column.of(row), style)


def _print_failure(console: Console, failure: Failure) -> None:
    result = failure.result
    console.print()
    title = f"{result.name} on {result.manifest}, seed {result.seed}: {result.standing}"
    _say(console, title, _STYLES[result.standing])
    _say(console, f"  verdict {result.verdict}, expected {failure.expected}")
    for each in failure.complaints:
        found = f" ({count(each.count)})" if each.count and each.verdict == "invalid" else ""
        wanted = f", expected {each.expected}" if each.expected else ""
        _say(console, f"  {each.checker}: {each.verdict}{found}{wanted}")
        if each.first:
            _say(console, f"    {each.first}")
    if result.blame:
        _say(console, f"  to blame: {result.blame}: {result.because}")
    _say(console, f"  replay: {result.replay}")


def _say(console: Console, line: str, style: str = "") -> None:
    """One line as it is: long ones are left to the terminal, so that a command can be copied."""
    console.print(Text(line, style), soft_wrap=True)
