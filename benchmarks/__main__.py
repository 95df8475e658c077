"""`python -m benchmarks NAME [--json]`: runs one benchmark; exit code 1 where it misses its target."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from typing import Any

NAMES = ("emulated", "engine", "simulator")
"""Modules of this package, each with `run(argv) -> dict`; its `met` says whether the target was reached."""


def main(argv: list[str]) -> int:
    if not argv or argv[0] not in NAMES:
        given = argv[0] if argv else ""
        print(f"benchmark(={given!r}) must be one of {', '.join(NAMES)}", file=sys.stderr)
        return 2
    name, *rest = argv
    as_json = "--json" in rest
    result: dict[str, Any] = importlib.import_module(f"benchmarks.{name}").run(
        [word for word in rest if word != "--json"]
    )
    print(json.dumps(result) if as_json else "\n".join(_lines(result)))
    return 0 if result.get("met", True) else 1


def _lines(value: Any, indent: str = "") -> Iterator[str]:
    """Nested values as indented lines; a list of records as one line each."""
    for name, item in value.items():
        if isinstance(item, dict):
            yield f"{indent}{name}:"
            yield from _lines(item, indent + "  ")
        elif isinstance(item, list) and item and isinstance(item[0], dict):
            yield f"{indent}{name}:"
            yield from (f"{indent}  " + "  ".join(f"{k} {v}" for k, v in row.items()) for row in item)
        else:
            yield f"{indent}{name}: {item}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
