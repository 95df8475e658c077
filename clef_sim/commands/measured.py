"""How long calls took in live runs, beside what the profile has them take."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table

from clef_sim.results import Measured, RunResult

_WIDTH = 160


def print_measured(results: Sequence[RunResult]) -> None:
    """Prints a table for each cloud that live runs were of; of several runs the row of the most calls stands."""
    for cloud in dict.fromkeys(each.cloud for each in results if each.measured):
        rows = _most([row for each in results if each.cloud == cloud for row in each.measured])
        console = Console(highlight=False)
        if not console.is_terminal:
            console = Console(highlight=False, width=_WIDTH, color_system=None)
        table = Table(box=None, pad_edge=False, header_style="bold")
        for number, head in enumerate((f"measured on {cloud}", "calls", "p50/p99 ms", "modelled p50/p99 ms")):
            table.add_column(head, justify="right" if number else "left")
        for row in rows:
            modelled = f"{row.modelled_p50_ms:,.1f} / {row.modelled_p99_ms:,.1f}" if row.modelled_p50_ms else "-"
            took = f"{row.p50_ms:,.1f} / {row.p99_ms:,.1f}"
            table.add_row(row.operation, f"{row.count:,}", took, modelled)
        console.print()
        console.print(table)


def _most(rows: Iterable[Measured]) -> list[Measured]:
    found: dict[str, Measured] = {}
    for row in rows:
        if row.operation not in found or found[row.operation].count < row.count:
            found[row.operation] = row
    return [found[name] for name in sorted(found)]
