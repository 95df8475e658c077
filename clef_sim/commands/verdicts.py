"""Results on the terminal: a row for each scenario and topology, then every failure in words."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from clef_sim.reporting.rows import Row, rows_of
from clef_sim.results import RunResult

_STYLES = {"as expected": "green", "not as expected": "bold red", "undecided": "yellow"}


def print_results(results: Sequence[RunResult]) -> None:
    """Prints the table and the failures to stdout."""
    console = Console(soft_wrap=True)
    console.print(_table(rows_of(results)))
    for result in results:
        if result.standing != "as expected":
            _print_failure(console, result)
    good = sum(result.standing == "as expected" for result in results)
    console.print(f"{good} of {len(results)} runs as expected", style="green" if good == len(results) else "red")


def _table(rows: Sequence[Row]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("scenario", "topology", "guard", "runs", "verdict", ""):
        table.add_column(name, overflow="fold")
    for name in ("firings", "twice", "lost", "step p50", "p95 ms", "chain p50", "p95 ms"):
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(
            row.name,
            f"{row.topology} {row.manifest}",
            row.guard,
            str(row.runs),
            row.verdict,
            f"[{_STYLES[row.standing]}]{row.standing}[/]",
            str(row.firings),
            str(row.duplicate_firings),
            str(row.lost_firings),
            *(f"{value:.0f}" for value in (row.step_p50, row.step_p95, row.chain_p50, row.chain_p95)),
        )
    return table


def _print_failure(console: Console, result: RunResult) -> None:
    style = _STYLES[result.standing]
    console.print()
    title = f"{result.name} on {result.manifest}, seed {result.seed}: {result.standing}"
    console.print(title, style=style, markup=False, highlight=False)
    for verdict in result.offenders or result.checkers:
        if verdict.verdict == "valid" and verdict.checker not in result.expected:
            continue
        wanted = result.expected.get(verdict.checker, "valid")
        line = f"  {verdict.checker}: {verdict.verdict} ({verdict.count}), expected {wanted}"
        console.print(line, markup=False, highlight=False)
        if verdict.first:
            console.print(f"    {verdict.first}", markup=False, highlight=False)
    console.print(f"  replay: {result.replay}", markup=False, highlight=False)
