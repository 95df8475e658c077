"""A run again from its decision log: the same draws in the same order, whatever the seeds do."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

import msgspec

from clef_runtime.errors import BadInput
from clef_sim.emulated.backends import Backends
from clef_sim.kernel.choices import Diverged, Replay
from clef_sim.kernel.decision_log import DecisionLog
from clef_sim.prepared import Prepared
from clef_sim.results import RunResult
from clef_sim.runner import blamed, prepared_for, run_once, there, world_of


class Replayed(msgspec.Struct, frozen=True):
    """What a replay showed: the run again, or where the code went another way.

    `changed` says that all decisions were the same and yet the history is another one.
    """

    result: RunResult | None
    diverged: str = ""
    changed: str = ""


def recorded_run(log: DecisionLog, path: Path, world: str) -> Prepared:
    """The run that a decision log, read from `path`, is of.

    Raises:
        BadInput: its scenario is gone, or it is of another world.
    """
    try:
        about = {name: str(log.about[name]) for name in ("file", "variant", "topology")}
    except KeyError as error:
        raise BadInput(f"decision log {path}: does not say {error}; record the run again") from error
    recorded = log.about.get("world", "model")
    if recorded != world:
        raise BadInput(f"decision log {path}: is of the {recorded} world, not of {world}; give --world {recorded}")
    return prepared_for(**about)


def replay(
    path: Path, progress: Callable[[float], None] | None = None, *, backends: Backends | None = None
) -> Replayed:
    """Runs what a decision log recorded, draw by draw.

    Raises:
        BadInput: not a decision log, of another world than that of `backends`, or its scenario is gone.
    """
    log = DecisionLog.load(path)
    prepared = recorded_run(log, path, world_of(backends))
    choices = Replay(log)
    try:
        result, _ = run_once(prepared, choices, log.seed, progress, backends=backends)
        if result.verdict != "unknown" or result.checkers[0].checker != "backend":
            choices.check_finished()
        result = blamed(result, prepared, Replay(log), backends)
    except Diverged as diverged:
        return Replayed(None, str(diverged))
    recorded = log.about.get("digest", result.history_digest)
    changed = (
        ""
        if recorded == result.history_digest
        else (
            f"same decisions, another history (digest {result.history_digest}, recorded {recorded}): the code or the"
            " scenario has changed since; what follows is the run of today"
        )
    )
    again = shlex.join(["clef-sim", "replay", str(path), *there(result.world, result.backends)])
    return Replayed(msgspec.structs.replace(result, replay=again), changed=changed)
