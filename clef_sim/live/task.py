"""What the host of a live run is told, and which processes it keeps up."""

from __future__ import annotations

from pathlib import Path

import msgspec

from clef_runtime.deploy.names import Names
from clef_runtime.model import concept_urn
from clef_sim.live.instance import Place
from clef_sim.prepared import Prepared

BOARD, URLS = "board", "urls.json"
"""Files in the folder of a run."""


class Crew(msgspec.Struct, frozen=True):
    """How much runs at once. `processes`: of each function, >= 1. `threads`: of each process that a queue feeds,
    >= 1; a request over HTTP has a thread of its own."""

    processes: int = 2
    threads: int = 2


class Task(msgspec.Struct, frozen=True):
    """One run.

    `zero_s`: the machine's monotonic clock at second 0 of the run. `project`: Google Cloud's, fresh for each run.
    `cwd`: where the command was given.
    """

    file: str
    variant: str
    topology: str
    seed: int
    zero_s: float
    crew: Crew
    project: str
    cwd: str


class Slot(msgspec.Struct, frozen=True):
    """A process that is kept up: another is started where it dies. `concepts`: URNs of what it runs; none for the
    evaluator and the engine. `queue`: what feeds it."""

    function: str
    row: int
    concepts: tuple[str, ...] = ()
    queue: str = ""
    http: bool = False

    def place(self, number: int) -> Place:
        return Place(self.function, number, self.row)


def slots_of(prepared: Prepared, processes: int) -> list[Slot]:
    """Every process of the run, in order: those of each function, and the one engine of option A."""
    manifest, app = prepared.manifest, prepared.app
    names = Names(manifest, app.name)
    topology = manifest.topology
    kinds: list[tuple[str, tuple[str, ...], str, bool]] = []
    for function, concepts in names.functions(concept.name for concept in app.catalogue).items():
        queue = names.queue_of(function) if topology == "C" else ""
        http = topology != "C" or function == names.function("Web")
        kinds.append((function, tuple(map(concept_urn, concepts)), queue, http))
    if topology == "C":
        kinds.append((names.evaluator, (), names.completion_queue, False))
    every = [kind for kind in kinds for _ in range(processes)]
    if topology == "A":
        every.append((names.engine, (), "", True))
    return [Slot(function, row, concepts, queue, http) for row, (function, concepts, queue, http) in enumerate(every)]


def board_path(folder: Path) -> Path:
    return folder / BOARD
