"""Each bug of the catalogue turns the scenarios that are to catch it red, in words that lead to it; without a bug
the same runs are as expected.

The whole suite with one bug in it: `python tests/planted/planting.py NAME --all`.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from bugs import BUGS
from planting import ROOT, Bug, Said

_decode = msgspec.json.Decoder(list[Said]).decode


def plant(*arguments: str) -> list[Said]:
    command = [sys.executable, str(Path(__file__).with_name("planting.py")), *arguments, "--json"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.stdout, ended.stderr[-2000:]
    return _decode(ended.stdout.splitlines()[-1])


def test_catalogue_names_each_bug_once_and_each_still_fits_the_runtime() -> None:
    assert len({bug.name for bug in BUGS}) == len(BUGS)
    for bug in BUGS:
        compile(bug.planted(), bug.file, "exec")


@pytest.mark.slow
def test_scenarios_without_a_bug_are_as_expected() -> None:
    assert [each for each in plant("--clean") if each.standing != "as expected"] == []


@pytest.mark.slow
@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_scenarios_with_a_bug_turn_red_and_say_where(bug: Bug) -> None:
    red = [each for each in plant(bug.name) if each.standing == "not as expected"]
    assert red, f"{bug.runs} did not notice it"
    assert all(each.blame.startswith("runtime") for each in red if each.blame), "a service is blamed for it"
    told = [each.off[bug.checker] for each in red if bug.checker in each.off]
    assert told, f"{bug.checker} said nothing; there are {red}"
    assert any(all(word in words for word in bug.words) for words in told), f"{bug.words} are not in {told}"
