"""The contract matrix: what each backend was held to, port by port, counted.

A test belongs to the port whose clause it names first (`# L3`); `docs/contracts.md` has the ports' letters. It counts
for the service in its parameters.
"""

from __future__ import annotations

import inspect
import json
import re
from collections import Counter
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import msgspec
import pytest
from rich.console import Console
from rich.table import Table

CONTRACTS = Path(__file__).parents[2] / "docs" / "contracts.md"
CLAUSES = re.compile(r"#((?: [A-Z]\d+(?:\.\d+)?)+)$", re.MULTILINE)
NO_SERVICE = "none"
"""The row of what needs no service: transports over HTTP and in memory, the meaning of errors."""

WIDTH = 160
"""Columns of the table at least: a line that is wrapped does not read as a row."""

OUTCOMES = ("passed", "skipped", "failed")


def ports(document: str) -> dict[str, str]:
    """The letters of the document's chapters, and what each is called."""
    return {letter: title.lower() for letter, title in re.findall(r"^## ([A-Z])\. (.+?)(?: \(.*)?$", document, re.M)}


def cited(function: Any) -> list[str]:
    """The clauses that a test names, in their order."""
    return [clause for found in CLAUSES.findall(inspect.getsource(function)) for clause in found.split()]


def backend_name(entry: tuple[Any, str | None]) -> str:
    """As a test's id has it."""
    maker, service = entry
    name: str = maker.__name__
    return name.removesuffix("_backend") + (f"-{service}" if service else "")


def service_of(parameters: Mapping[str, Any], services: Mapping[str, Any]) -> str:
    """The service among a test's parameters, or the adapter where it is on none."""
    for value in parameters.values():
        if isinstance(value, str) and value in services:
            return value
        if isinstance(value, tuple) and len(value) == 2 and callable(value[0]):
            return value[1] or backend_name(value)
    return NO_SERVICE


class Count(msgspec.Struct):
    passed: int = 0
    skipped: int = 0
    failed: int = 0

    def add(self, outcome: str) -> None:
        setattr(self, outcome, getattr(self, outcome) + 1)

    def __str__(self) -> str:
        words = [str(self.passed)] if self.passed else []
        words += [f"{self.skipped} skipped"] if self.skipped else []
        words += [f"{self.failed} FAILED"] if self.failed else []
        return ", ".join(words) or "-"


class Matrix:
    """The plugin. Each test carries its port and service in its report: they arrive from other processes too."""

    def __init__(self, config: pytest.Config, services: Mapping[str, Any]) -> None:
        self._file, self._services = config.getoption("matrix_json"), services
        self._ports = ports(CONTRACTS.read_text("utf-8"))
        self._outcomes: dict[str, tuple[str, str, str]] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            clauses = cited(item.function) if isinstance(item, pytest.Function) else []
            if clauses:
                parameters = item.callspec.params if hasattr(item, "callspec") else {}
                cell = [self._ports[clauses[0][0]], service_of(parameters, self._services)]
                item.user_properties.append(("contract", cell))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        cell: Any = dict(report.user_properties).get("contract")
        if cell is None or (report.passed and report.when != "call"):
            return
        port, backend = cell
        if self._outcomes.get(report.nodeid, ("", "", ""))[2] != "failed":
            self._outcomes[report.nodeid] = (port, backend, report.outcome)

    def counts(self) -> dict[str, dict[str, Count]]:
        """By backend, then by port; each test once, by its worst outcome."""
        found: dict[str, dict[str, Count]] = {}
        for port, backend, outcome in self._outcomes.values():
            found.setdefault(backend, {}).setdefault(port, Count()).add(outcome)
        order = [*self._services]
        return dict(sorted(found.items(), key=lambda row: (row[0] in order and order.index(row[0]) + 1, row[0])))

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        counts, writer = self.counts(), terminalreporter.config.get_terminal_writer()
        text = StringIO()
        console = Console(file=text, width=max(writer.fullwidth, WIDTH), force_terminal=writer.hasmarkup)
        console.print(self._table(counts))
        terminalreporter.section("contract matrix")
        terminalreporter.write(text.getvalue())
        total = Counter(outcome for _, _, outcome in self._outcomes.values())
        terminalreporter.write_line(
            f"{len(self._outcomes)} tests on {len(counts)} backends: "
            + ", ".join(f"{total[outcome]} {outcome}" for outcome in OUTCOMES)
        )
        if self._file:
            answer = {"backends": counts, "totals": {outcome: total[outcome] for outcome in OUTCOMES}}
            Path(self._file).write_text(json.dumps(msgspec.to_builtins(answer), indent=2) + "\n", "utf-8")

    def _table(self, counts: dict[str, dict[str, Count]]) -> Table:
        used = [port for port in self._ports.values() if any(port in row for row in counts.values())]
        table = Table("backend", *used, box=None, header_style="bold")
        for backend, row in counts.items():
            failed = any(each.failed for each in row.values())
            table.add_row(backend, *(str(row.get(port, "-")) for port in used), style="red" if failed else None)
        return table
