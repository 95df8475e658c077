"""What is wrong with a manifest, with its place in the file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

import msgspec

from clef_runtime.errors import ManifestError

Path: TypeAlias = tuple[str, ...]
"""A place in a manifest: `("transport", "kind")`."""

Places: TypeAlias = dict[Path, tuple[int, int]]
"""Where each path stands in the file: line and column, 1-based."""


class Problem(msgspec.Struct, frozen=True):
    """An `error` keeps the manifest from being deployed, a `warning` does not. `line` 0: not in the file."""

    severity: Literal["error", "warning"]
    file: str
    path: str
    message: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{place}: {self.path}: {self.message}" if self.path else f"{place}: {self.message}"


class Problems:
    """Collects the problems of one file."""

    def __init__(self, file: str, places: Places) -> None:
        self._file, self._places = file, places
        self._broken: set[Path] = set()
        self.found: list[Problem] = []

    def error(self, path: Path, message: str) -> None:
        self._add("error", path, message)

    def warn(self, path: Path, message: str) -> None:
        self._add("warning", path, message)

    def broken(self, path: Path) -> None:
        """Nothing can be said of what stands at `path`: it is wrong, or was meant under another name."""
        self._broken.add(path)

    def sound(self, dotted: str) -> bool:
        """Whether nothing at, in or around `dotted` is broken; a `*` in it stands for any one part."""
        pattern = dotted.split(".")
        return not any(
            all(want in ("*", part) for want, part in zip(pattern, path, strict=False)) for path in self._broken
        )

    def _add(self, severity: Literal["error", "warning"], path: Path, message: str) -> None:
        line, column = self._place(path)
        self.found.append(Problem(severity, self._file, ".".join(path), message, line, column))

    def _place(self, path: Path) -> tuple[int, int]:
        """The place of `path`, or of what it would stand in: what is missing has no place of its own."""
        for length in range(len(path), 0, -1):
            if path[:length] in self._places:
                return self._places[path[:length]]
        return (0, 0)

    def warnings(self) -> tuple[Problem, ...]:
        return tuple(problem for problem in self._in_order() if problem.severity == "warning")

    def raise_errors(self) -> None:
        """Raises ManifestError with every error found; does nothing where there is none."""
        raise_all([problem for problem in self._in_order() if problem.severity == "error"])

    def _in_order(self) -> list[Problem]:
        return sorted(self.found, key=lambda problem: (problem.line, problem.column))


def raise_all(errors: Sequence[Problem]) -> None:
    if errors:
        first = errors[0]
        raise ManifestError(
            first.message, file=first.file, path=first.path, text="\n".join(str(error) for error in errors)
        )
