"""Plants one bug in the runtime, as it is imported, and tells what the scenarios say of it.

    python tests/planted/planting.py NAME          the runs that are to catch the bug
    python tests/planted/planting.py NAME --all    every scenario there is
    python tests/planted/planting.py --clean       the same runs, without a bug

The files stay as they are: the module is compiled from its text with the bug in it. One process, one bug.
"""

from __future__ import annotations

import argparse
import importlib.machinery
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import CodeType
from typing import Any

import msgspec

ROOT = Path(__file__).parents[2]
SCENARIOS = ROOT / "scenarios"


class Bug(msgspec.Struct, frozen=True, kw_only=True):
    """A change of one place in the runtime that breaks what it promises.

    Args:
        file: relative to the project's root.
        old: the text that is replaced; stands exactly once in the file.
        runs: what catches it: a scenario file under `scenarios/`, and behind a blank words that the names of
            variant and template hold, joined by `and` and `not`.
        checker: the one that says `invalid`, of those that are expected to say otherwise.
        words: all of them stand in that checker's first offence; they lead to the place.
    """

    name: str
    file: str
    old: str
    new: str
    runs: tuple[str, ...]
    checker: str
    words: tuple[str, ...]

    @property
    def module(self) -> str:
        return self.file.removesuffix(".py").replace("/", ".")

    def planted(self) -> str:
        """The file's text with the bug in it."""
        text = (ROOT / self.file).read_text()
        count = text.count(self.old)
        if count != 1:
            raise SystemExit(
                f"bug {self.name}: {self.file} holds its text {count} times, not once: mend the catalogue"
            )
        return text.replace(self.old, self.new)


class Said(msgspec.Struct, frozen=True):
    """What one run said."""

    run: str
    standing: str
    off: dict[str, str]
    """First offence, by checker that is not as expected."""
    blame: str


class _Loader(importlib.machinery.SourceFileLoader):
    text = ""

    def get_code(self, fullname: str) -> CodeType:
        return compile(self.text, self.path, "exec", dont_inherit=True)


class _Finder:
    def __init__(self, bug: Bug) -> None:
        self._module, self._path, self._text = bug.module, str(ROOT / bug.file), bug.planted()

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name != self._module:
            return None
        loader = _Loader(name, self._path)
        loader.text = self._text
        return importlib.util.spec_from_file_location(name, self._path, loader=loader)


def plant(bug: Bug) -> None:
    """From now on the bug is in what is imported."""
    early = [name for name in sys.modules if name.partition(".")[0] in ("clef_runtime", "clef_sim", "scenarios")]
    assert not early, f"imported too early: {early}"
    sys.meta_path.insert(0, _Finder(bug))


def said(runs: Sequence[str], seed: int = 1) -> Iterator[Said]:
    """Runs what `runs` name, one after another."""
    from clef_sim.commands.select import selector
    from clef_sim.prepared import prepare
    from clef_sim.runner import jobs_of, run_job
    from clef_sim.scenario import find_scenarios

    for run in runs:
        path, _, expression = run.partition(" ")
        chosen = selector(expression)
        ready = [
            each for each in prepare(find_scenarios([SCENARIOS / path])) if chosen(f"{each.name} {each.template}")
        ]
        if not ready:
            raise SystemExit(f"{run!r} names no run")
        for job in jobs_of(ready, [seed]):
            result = run_job(job)
            off = {
                each.checker: f"{each.verdict}: {each.first}"
                for each in result.checkers
                if each.verdict != result.expected.get(each.checker, "valid")
            }
            yield Said(f"{result.name} {result.manifest}", result.standing, off, result.blame)


def main() -> int:
    from bugs import BUGS

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="?", choices=[bug.name for bug in BUGS], metavar="NAME")
    parser.add_argument("--all", action="store_true", help="every scenario there is")
    parser.add_argument("--clean", action="store_true", help="without a bug")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    chosen = [bug for bug in BUGS if given.name in (None, bug.name)]
    if not given.clean:
        if given.name is None:
            parser.error("name a bug: " + ", ".join(bug.name for bug in BUGS))
        plant(chosen[0])
    runs = list(dict.fromkeys(run for bug in chosen for run in bug.runs))
    if given.all:
        runs = [str(file.relative_to(SCENARIOS)) for file in sorted(SCENARIOS.rglob("*.yaml"))]
    found = []
    for each in said(runs):
        found.append(each)
        if not given.json:
            print(f"{each.standing:16} {each.run}", flush=True)  # noqa: T201
            for checker, words in each.off.items():
                print(f"    {checker}: {words}", flush=True)  # noqa: T201
    if given.json:
        print(msgspec.json.encode(found).decode())  # noqa: T201
    return 1 if any(each.standing == "not as expected" for each in found) else 0


if __name__ == "__main__":
    sys.path[:0] = [str(ROOT)]
    sys.exit(main())
