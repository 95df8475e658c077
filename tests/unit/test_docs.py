"""Docs are true: files they name exist, commands they show are real, sources that numbers name are listed."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from clef_sim.cli import app
from clef_sim.profiles import profile

ROOT = Path(__file__).parents[2]
DOCS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
COMMAND = re.compile(r"(?:^|`)(clef-sim [^`\n]+)", re.MULTILINE)


def commands() -> list[str]:
    found = (match for doc in DOCS for match in COMMAND.findall(doc.read_text("utf-8")))
    return list(dict.fromkeys(command.strip() for command in found))


@pytest.mark.parametrize("doc", DOCS, ids=lambda doc: doc.name)
def test_docs_link_only_to_what_exists(doc: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", doc.read_text("utf-8")):
        assert (doc.parent / target).exists(), f"{doc.name} links to {target}"


@pytest.mark.parametrize("command", commands())
def test_docs_show_only_commands_that_the_program_has(command: str) -> None:
    """Parses each command; the words in capitals stand for what a reader puts there."""
    words = [word for word in shlex.split(command)[1:] if not re.fullmatch(r"[./\w-]*[A-Z]{3,}[.\w]*", word)]
    names = [word for word in words if not word.startswith("-")]
    options = [word for word in words if word.startswith("--")]
    group = names[:2] if names and names[0] in ("syncs", "emulators") else names[:1]
    shown = CliRunner().invoke(app, [*group, "--help"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0, f"{command}: {shown.output}"
    for option in options:
        assert option.partition("=")[0] in shown.output, f"{command}: no option {option}"


@pytest.mark.parametrize(
    "command",
    [
        command
        for command in commands()
        if command.split()[1] in ("plan", "syncs") and not re.search("[A-Z]{3}", command)
    ],
)
def test_docs_commands_that_need_nothing_else_succeed(command: str) -> None:
    result = CliRunner().invoke(app, shlex.split(command)[1:])
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("cloud", ["aws", "gcp"])
def test_docs_list_every_source_of_the_profile(cloud: str) -> None:
    listed = (ROOT / "docs" / "sources.md").read_text("utf-8")
    found = profile(cloud)
    entries = [*found.latencies.values(), *found.limits.values(), *found.prices.values()]
    keys = {re.split(r"[ :;]", entry.source)[0] for entry in entries} - {"assumed", "botocore's", "CloudFormation"}
    assert [key for key in sorted(keys) if not re.search(rf"\b{key}\b", listed)] == []
