"""Rules of the house, as tests: which way parts may look, what the simulated path may not do."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RUNTIME = sorted((ROOT / "clef_runtime").rglob("*.py"))
SIMULATOR = sorted((ROOT / "clef_sim").rglob("*.py"))

MAY_NOT_IMPORT = {
    "clef_runtime": {"clef_sim", "emulators", "scenarios", "simpy", "greenlet", "benchmarks", "tests"},
    "emulators": {"clef_sim", "simpy", "greenlet", "scenarios"},
    "clef_sim": {"tests", "benchmarks"},
}

CLOCKS = {"time", "datetime", "uuid", "secrets"}
"""Modules by which the wall clock or chance would come in; `clef_runtime/context.py` alone has them."""

BANNED_CALLS = {
    "hash": "derived_seed or blake2b",
    "id": "a name or a counter",
}


def imported(path: Path) -> set[str]:
    """Top-level names of all modules that a file imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.partition(".")[0])
    return names


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("package", MAY_NOT_IMPORT)
def test_imports_look_the_way_the_design_allows(package: str) -> None:
    wrong = {
        name_of(path): sorted(imported(path) & MAY_NOT_IMPORT[package])
        for path in sorted((ROOT / package).rglob("*.py"))
        if imported(path) & MAY_NOT_IMPORT[package]
    }
    # The default scenarios are data that the command line finds by their package.
    wrong.pop("clef_sim/commands/run.py", None)
    assert wrong == {}


@pytest.mark.parametrize("path", [*RUNTIME, *SIMULATOR], ids=name_of)
def test_simulated_path_has_no_clock_and_no_chance_of_its_own(path: Path) -> None:
    if name_of(path) == "clef_runtime/context.py":
        return
    tree = ast.parse(path.read_text("utf-8"))
    assert not imported(path) & CLOCKS, "take a Clock or Ids (clef_runtime.context)"
    module = any(
        isinstance(node, ast.Import) and any(alias.name == "random" for alias in node.names)
        for node in ast.walk(tree)
    )
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in BANNED_CALLS, f"line {node.lineno}: {called}(): use {BANNED_CALLS[called]}"
            seeded = called in ("random.Random", "Random") and node.args
            unseeded = (module and called.startswith("random.")) or called in ("os.urandom", "Random")
            assert seeded or not unseeded, f"line {node.lineno}: {called}(): use a Stream, or give a seed"


def test_context_is_the_only_file_of_the_runtime_with_a_clock() -> None:
    assert imported(ROOT / "clef_runtime" / "context.py") >= {"time", "uuid", "datetime"}


def test_runtime_builds_no_sdk_client_but_in_one_file_a_cloud() -> None:
    builders = [name_of(path) for path in RUNTIME if {"boto3", "grpc"} & imported(path)]
    assert builders == ["clef_runtime/deploy/aws_clients.py", "clef_runtime/deploy/google_clients.py"]
