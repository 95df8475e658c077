"""The report of a run, as files in a folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from clef_sim.results import RunResult


def write_report(folder: Path, results: Sequence[RunResult]) -> list[Path]:
    """Writes the report; returns its pages, the one to look at first."""
    path = folder / "results.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=2))
    return [path]
