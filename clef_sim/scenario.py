"""A scenario file: an app, the topologies it runs on, a workload, faults, and the verdict that is expected.

One page of YAML, opened by what it shows. Unknown keys, wrong types and values out of range are errors with
file, line and column; nothing of a wrong file is run.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

from clef_runtime.deploy.document import read_document
from clef_runtime.errors import BadInput, ClefError
from clef_runtime.model import Record
from clef_sim.scenario_words import explain, not_finite

_Positive: TypeAlias = Annotated[float, Meta(gt=0)]
_NotNegative: TypeAlias = Annotated[float, Meta(ge=0)]
_Chance: TypeAlias = Annotated[float, Meta(ge=0, le=1)]
_Count: TypeAlias = Annotated[int, Meta(ge=1)]
_Name: TypeAlias = Annotated[str, Meta(min_length=1)]
Expected: TypeAlias = Literal["valid", "invalid", "unknown", "not exercised"]

# --- workload ----------------------------------------------------------------------------------


class Client(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a client behaves: it repeats a request that failed (5xx, 429, no answer) under the same request id.

    `timeout_s`: how long it waits for an answer. `pause_s`: before the next attempt, doubled each time.
    """

    attempts: _Count = 6
    pause_s: _Positive = 1.0
    timeout_s: _Positive = 29.0


class Load(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind"):
    """What all workloads have: `mix` holds weights by the request set's template names (the set's own
    weights, where none is given)."""

    mix: dict[str, _NotNegative] = {}
    client: Client = Client()


class Fixed(Load, frozen=True, kw_only=True, tag="fixed"):
    """`count` requests, `every_s` apart."""

    count: _Count
    every_s: _NotNegative = 1.0


class Poisson(Load, frozen=True, kw_only=True, tag="poisson"):
    """Independent arrivals: `rate_per_s` on average, for `duration_s`."""

    rate_per_s: _Positive
    duration_s: _Positive


class Bursts(Load, frozen=True, kw_only=True, tag="bursts"):
    """`count` bursts of `size` requests at one instant, `every_s` apart."""

    size: _Count
    count: _Count
    every_s: _Positive


class Ramp(Load, frozen=True, kw_only=True, tag="ramp"):
    """Independent arrivals whose rate goes from `from_per_s` to `to_per_s` in `duration_s`."""

    from_per_s: _NotNegative
    to_per_s: _NotNegative
    duration_s: _Positive


class Recorded(Load, frozen=True, kw_only=True, tag="recorded"):
    """A JSONL log: one `{"at_s", "method", "path", "headers"?, "body"?}` a line, times from its start.

    `file` is relative to the scenario's file. `speed`: 2 plays it twice as fast.
    """

    file: str
    speed: _Positive = 1.0


Workload: TypeAlias = Fixed | Poisson | Bursts | Ramp | Recorded

# --- faults ------------------------------------------------------------------------------------


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind"):
    """When a fault strikes: from `from_s` to `until_s` (virtual seconds of the workload), each time with
    `chance`, at most `times`, after `skip` chances that passed by."""

    chance: _Chance = 1.0
    times: _Count | None = 1
    skip: Annotated[int, Meta(ge=0)] = 0
    from_s: _NotNegative = 0.0
    until_s: _Positive | None = None


class AtCall(Fault, frozen=True, kw_only=True):
    """A fault at an SDK call.

    `call`: `dynamodb.PutItem`, `sqs.SendMessageBatch`, `http.POST`; `dynamodb.*` for any of a service.
    `target`: the table, queue or path it must go to, by a part of its name. `function`: the function (or
    `engine`) that makes it, by a part of its name.
    """

    call: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9]*\.(\*|[A-Za-z0-9]+)$")]
    target: str = ""
    function: str = ""


class Crash(AtCall, frozen=True, kw_only=True, tag="crash"):
    """The instance dies before the call, at it (applied, the answer lost), or right after its answer."""

    when: Literal["before", "at", "after"]


class Freeze(AtCall, frozen=True, kw_only=True, tag="freeze"):
    """The instance stands still for `for_s` after the call, and then goes on as if nothing had been."""

    for_s: _Positive


class Throttle(AtCall, frozen=True, kw_only=True, tag="throttle"):
    """The service refuses the call for its rate."""


class AppliedThenTimeout(AtCall, frozen=True, kw_only=True, tag="applied_then_timeout"):
    """The service does it, and the caller sees a time-out."""


class Delay(AtCall, frozen=True, kw_only=True, tag="delay"):
    """The call takes `for_s` longer."""

    for_s: _Positive


class PartlyRefused(AtCall, frozen=True, kw_only=True, tag="partly_refused"):
    """The queue takes the first half of a batch's messages and refuses the others, in an answer that says which."""


class Conflict(AtCall, frozen=True, kw_only=True, tag="conflict"):
    """The service aborts the transaction because another was at it; nothing was done."""


class StaleRead(Fault, frozen=True, kw_only=True, tag="stale_read"):
    """Writes to tables whose name holds `table` reach the replicas `lag_s` late. It strikes where a read meets such
    a write: an eventually consistent one does not see it; a strongly consistent one does, which is the answer
    to this fault, and counts as a strike too."""

    table: str
    lag_s: _Positive


class Duplicate(Fault, frozen=True, kw_only=True, tag="duplicate"):
    """The queue delivers a message twice, the copy `after_s` later; the copy has no copies."""

    queue: str
    after_s: _NotNegative = 0.0


class Reorder(Fault, frozen=True, kw_only=True, tag="reorder"):
    """The queue (a standard one) delivers a message up to `places` later than its turn."""

    queue: str
    places: _Count


class LateDelivery(Fault, frozen=True, kw_only=True, tag="late_delivery"):
    """A batch that was received reaches its function only after `for_s`; past the visibility time-out, another
    copy is on its way by then."""

    queue: str
    for_s: _Positive


class ClockSkew(Fault, frozen=True, kw_only=True, tag="clock_skew"):
    """An instance of the function (or of `engine`) has a clock that is ahead by `skew_s` (behind, where negative):
    decided for those that are there at the start, and for each new one. It stays wrong."""

    function: str
    skew_s: float


class EngineRestart(Fault, frozen=True, kw_only=True, tag="engine_restart"):
    """The persistent engine dies at `at_s` and is started again."""

    at_s: _NotNegative


class Redrive(Fault, frozen=True, kw_only=True, tag="redrive"):
    """What lies in the dead-letter queues goes back to its queue at `at_s`."""

    at_s: _NotNegative


FaultSpec: TypeAlias = (
    Crash
    | Freeze
    | Throttle
    | AppliedThenTimeout
    | Delay
    | PartlyRefused
    | Conflict
    | StaleRead
    | Duplicate
    | Reorder
    | LateDelivery
    | ClockSkew
    | EngineRestart
    | Redrive
)

# --- scenario ----------------------------------------------------------------------------------


class Variant(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The scenario under other manifest settings, with its own expectation."""

    name: _Name
    settings: Record = {}
    expect: Expected | dict[str, Expected] = "valid"
    topologies: tuple[str, ...] = ()


class HandlerTime(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How long an action computes, besides its SDK calls: lognormal with this median and spread."""

    median_ms: _NotNegative = 2.0
    sigma: _NotNegative = 0.3


class Scenario(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A scenario file as read.

    `requests`: the module whose `REQUESTS` the clients send. `topologies`: templates or manifest files.
    `settings`: manifest overrides, `guard.protocol: once`.
    `expect`: a verdict for all checkers, or by checker's name (the others must be valid).
    `targets`: `eager_chain_ms_p95: 500`, checked as `latency`. `settle_s`: virtual seconds in which
    everything must come to rest once the faults have stopped.
    """

    shows: _Name
    app: _Name
    requests: _Name
    topologies: Annotated[tuple[_Name, ...], Meta(min_length=1)]
    settings: Record = {}
    workload: Workload
    faults: tuple[FaultSpec, ...] = ()
    targets: dict[str, _Positive] = {}
    expect: Expected | dict[str, Expected] = "valid"
    variants: tuple[Variant, ...] = ()
    handler: HandlerTime = HandlerTime()
    settle_s: _Positive = 900.0
    file: str = ""

    @property
    def name(self) -> str:
        """The file's name, without its suffix."""
        return Path(self.file).stem


SUFFIX = ".yaml"


def load_scenario(path: Path) -> Scenario:
    """Reads one scenario file; its name is the file's.

    Raises:
        BadInput: cannot be read, is not YAML, or does not fit; with file, line, column and what is allowed.
    """
    document = read_document(path, what="scenario")
    wrong = not_finite(document)
    if wrong:
        raise BadInput(wrong)
    try:
        if "file" in document.record:
            raise msgspec.ValidationError("Object contains unknown field `file`")
        found = msgspec.convert(document.record, Scenario)
    except msgspec.ValidationError as error:
        raise BadInput(explain(document, Scenario, str(error))) from error
    return msgspec.structs.replace(found, file=str(path))


def find_scenarios(paths: Iterable[Path]) -> list[Scenario]:
    """All scenarios of files and folders (`*.yaml`, but no `*.deploy.yaml`), each once, by path.

    Raises:
        BadInput: a path that does not exist, a folder without scenarios, any file that is wrong; all wrong
            files are named.
    """
    files: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            inside = sorted(
                (each for each in path.rglob(f"*{SUFFIX}") if ".deploy" not in each.suffixes), key=_natural
            )
            if not inside:
                raise BadInput(f"path(={str(path)!r}) holds no scenario (*{SUFFIX})")
            files.update(dict.fromkeys(inside))
        elif path.is_file():
            files[path] = None
        else:
            raise BadInput(f"path(={str(path)!r}) does not exist; give a scenario file or a folder of them")
    found: list[Scenario] = []
    wrong: list[str] = []
    for file in files:
        try:
            found.append(load_scenario(file))
        except ClefError as error:
            wrong.append(str(error))
    if wrong:
        raise BadInput("\n".join(wrong))
    return found


def _natural(path: Path) -> list[tuple[int, str]]:
    """`2-lost-join` before `10-whole-batch-retry`."""
    parts = re.split(r"(\d+)", str(path))
    return [(int(part), "") if part.isdigit() else (0, part) for part in parts]
