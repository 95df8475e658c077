"""What a run of a scenario yields: one flat record per scenario, variant, topology and seed."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from clef_sim.checkers import Verdict
from clef_sim.checkers.verdict import Result
from clef_sim.flows import Span
from clef_sim.metrics import Metrics

WorldName: TypeAlias = Literal["model", "emulated", "live"]

Standing: TypeAlias = Literal["as expected", "not as expected", "undecided"]

EXIT_CODES: dict[Standing, int] = {"as expected": 0, "not as expected": 1, "undecided": 3}


class WorstFlow(msgspec.Struct, frozen=True):
    """The flow that took longest, as a timeline."""

    flow: str
    spans: tuple[Span, ...]


class Measured(msgspec.Struct, frozen=True):
    """How long one operation's calls took, in ms, as measured and as the profile has it (0: it has no such row)."""

    operation: str
    count: int
    p50_ms: float
    p99_ms: float
    modelled_p50_ms: float
    modelled_p99_ms: float


class RunResult(msgspec.Struct, frozen=True, kw_only=True):
    """One run.

    `verdict` is the worst of the checkers'. `expected` is what the scenario expects of each checker, or of
    all together under `*`. `virtual_s` is simulated time, `wall_s` this machine's (not part of any
    comparison). `replay` is the command that shows the same run again; in the live world, another run of the same.
    `backends`: in the worlds of real services, the way by which each was got. `measured`: in the live world, how long
    calls took. `blame`: whose fault it is that the verdict is invalid, or that there is none: `runtime`, `model`,
    `backend` and its way, several with `or`, or `undecided`; `because` says why.
    """

    name: str
    shows: str
    app: str
    topology: str
    manifest: str
    cloud: str
    guard: str
    delivery: str
    seed: int
    verdict: Result
    expected: dict[str, str]
    standing: Standing
    checkers: tuple[Verdict, ...]
    metrics: Metrics
    faults: dict[str, int]
    virtual_s: float
    wall_s: float
    history_digest: str
    replay: str
    worst: WorstFlow | None = None
    world: WorldName = "model"
    backends: dict[str, str] = {}
    measured: tuple[Measured, ...] = ()
    blame: str = ""
    because: str = ""

    @property
    def world_words(self) -> str:
        """`emulated (dynamodb by moto, sqs by moto)`."""
        ways = ", ".join(f"{service} by {way}" for service, way in self.backends.items())
        return f"{self.world} ({ways})" if ways else self.world

    @property
    def offenders(self) -> tuple[Verdict, ...]:
        """The checkers that did not say what was expected of them."""
        return tuple(each for each in self.checkers if not meets(each, self.expected))


def meets(verdict: Verdict, expected: dict[str, str]) -> bool:
    """Whether a checker said what was expected of it; under `*` only all together are judged."""
    return "*" in expected or verdict.verdict == expected.get(verdict.checker, "valid")


def standing_of(verdict: Result, checkers: tuple[Verdict, ...], expected: dict[str, str]) -> Standing:
    """How a run stands against what is expected of it."""
    if "*" in expected:
        if verdict == expected["*"]:
            return "as expected"
        return "undecided" if verdict in ("unknown", "not exercised") else "not as expected"
    off = [each.verdict for each in checkers if not meets(each, expected)]
    if not off:
        return "as expected"
    # A fault that never struck, or a checker without an answer, explains a missing loss; it does not excuse one.
    undecided = any(each.verdict in ("unknown", "not exercised") for each in checkers)
    return "undecided" if undecided and "invalid" not in off else "not as expected"


def exit_code(results: list[RunResult]) -> int:
    """0 where all is as expected, 1 where something is not, else 3."""
    codes = {EXIT_CODES[each.standing] for each in results}
    return 1 if 1 in codes else max(codes, default=0)
