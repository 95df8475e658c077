"""The matrix counts what ran, and tests and docs/contracts.md name each other's clauses."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from contract_matrix import CONTRACTS, NO_SERVICE, Matrix, backend_name, cited, ports, service_of

HERE = Path(__file__).parent


def clauses(document: str) -> list[str]:
    """`S1`, `S1.1` and so on, as the document numbers them."""
    found, letter, number = [], "", ""
    for line in document.splitlines():
        if line.startswith("## "):
            chapter = re.match(r"## ([A-Z])\. ", line)
            letter = chapter[1] if chapter else ""
        elif letter and (main := re.match(r"(\d+)\. ", line)):
            number = letter + main[1]
            found.append(number)
        elif letter and (part := re.match(r" {3}(\d+)\. ", line)):
            found.append(f"{number}.{part[1]}")
    return found


def covers(one: str, other: str) -> bool:
    """S1 stands for all of its parts."""
    return one == other or one.startswith(other + ".") or other.startswith(one + ".")


def named_tests() -> list[tuple[str, Any]]:
    modules = [importlib.import_module(path.stem) for path in sorted(HERE.glob("test_contract_*.py"))]
    return [
        (f"{module.__name__}.{name}", function)
        for module in modules
        if module.__name__ != __name__
        for name, function in vars(module).items()
        if name.startswith("test_") and function.__module__ == module.__name__
    ]


def test_clauses_that_tests_name_are_in_the_document() -> None:
    known = clauses(CONTRACTS.read_text("utf-8"))
    assert {"E1", "S1.1", "L13", "T9"} <= set(known)
    for name, function in named_tests():
        named = cited(function)
        assert named, f"{name} names no clause: end its signature in one, as `# L3`"
        assert [clause for clause in named if clause not in known] == [], name


def test_clauses_of_the_document_each_have_a_test() -> None:
    named = {clause for _, function in named_tests() for clause in cited(function)}
    assert [
        each for each in clauses(CONTRACTS.read_text("utf-8")) if not any(covers(each, one) for one in named)
    ] == []


def test_ports_are_the_chapters_of_the_document() -> None:
    assert ports("# X\n## E. Errors (all)\ntext\n## L. Action log\n## Other\n") == {"E": "errors", "L": "action log"}


def maker_backend(_: Any) -> None: ...


def test_backend_is_the_service_among_the_parameters() -> None:
    assert backend_name((maker_backend, "moto")) == "maker-moto"
    assert service_of({"n": 1, "stored": (maker_backend, "moto")}, {}) == "moto"
    assert service_of({"stored": (maker_backend, None)}, {}) == "maker"
    assert service_of({"key": "a", "services": "sqs-server"}, {"sqs-server": None}) == "sqs-server"
    assert service_of({"key": "a"}, {"sqs-server": None}) == NO_SERVICE


def reported(test: str, backend: str, when: str, outcome: str) -> Any:
    properties = [("contract", ["storage", backend])]
    return SimpleNamespace(
        nodeid=test, when=when, outcome=outcome, passed=outcome == "passed", user_properties=properties
    )


def test_matrix_counts_each_test_once_by_its_worst(tmp_path: Path) -> None:
    file = tmp_path / "matrix.json"
    config: Any = SimpleNamespace(getoption=lambda _: str(file))
    matrix = Matrix(config, {"moto": None, "redis": None})
    for test, backend, *outcomes in (
        ("a", "redis", "setup passed", "call passed", "teardown passed"),
        ("b", "redis", "setup passed", "call passed", "teardown failed"),
        ("c", "redis", "setup skipped", "teardown passed"),
        ("d", "moto", "setup failed", "teardown passed"),
        ("e", "memory", "setup passed", "call passed", "teardown passed"),
    ):
        for when, outcome in map(str.split, outcomes):
            matrix.pytest_runtest_logreport(reported(test, backend, when, outcome))
    lines: list[str] = []
    writer = SimpleNamespace(fullwidth=80, hasmarkup=False)
    terminal = SimpleNamespace(
        config=SimpleNamespace(get_terminal_writer=lambda: writer),
        section=lambda _: None,
        write=lines.append,
        write_line=lines.append,
    )
    matrix.pytest_terminal_summary(terminal)
    table, total = lines
    assert [line.split() for line in table.splitlines()] == [
        ["backend", "storage"],
        ["memory", "1"],
        ["moto", "1", "FAILED"],
        ["redis", "1,", "1", "skipped,", "1", "FAILED"],
    ]
    assert total == "5 tests on 3 backends: 2 passed, 1 skipped, 2 failed"
    assert json.loads(file.read_text())["backends"]["redis"] == {"storage": {"passed": 1, "skipped": 1, "failed": 1}}


def test_matrix_says_nothing_of_other_tests() -> None:
    matrix = Matrix(SimpleNamespace(getoption=lambda _: None), {})  # type: ignore[arg-type]  # all that it asks for
    report: Any = SimpleNamespace(user_properties=[], nodeid="x", when="call", outcome="passed", passed=True)
    matrix.pytest_runtest_logreport(report)
    assert matrix.counts() == {}


@pytest.mark.parametrize(("one", "other", "answer"), [("S1", "S1.2", True), ("S1", "S10", False), ("S1", "S1", True)])
def test_clause_covers_its_parts(one: str, other: str, answer: bool) -> None:
    assert covers(one, other) is answer
