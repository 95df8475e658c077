"""Faults: a scenario's specifications, decided call by call. Every fault says when it struck; `stop` heals all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from clef_runtime.aws import client_config
from clef_runtime.errors import BadInput
from clef_sim.history import History, Where
from clef_sim.kernel.choices import Choices
from clef_sim.network import Action, Call, Place
from clef_sim.scenario import (
    AppliedThenTimeout,
    AtCall,
    ClockSkew,
    Conflict,
    Crash,
    Delay,
    Fault,
    FaultSpec,
    Freeze,
    PartlyRefused,
    Throttle,
)
from clef_sim.sdk_errors import GOOGLE

Spec = TypeVar("Spec", bound=Fault)


def fault_name(spec: Fault) -> str:
    """What the fault is called in histories and reports: `crash after dynamodb.PutItem on guard`."""
    kind = str(spec.__struct_config__.tag)
    words = [kind.replace("_", " ")]
    if isinstance(spec, Crash):
        words.append(spec.when)
    if isinstance(spec, AtCall):
        words.append(spec.call)
    for field, joint in (("target", "on"), ("table", "on"), ("queue", "on"), ("function", "in")):
        value = getattr(spec, field, "")
        if value:
            words += [joint, value]
    return " ".join(words)


class Armed:
    """One fault of a run: whether its time has come, and how often it struck."""

    def __init__(self, spec: Fault, number: int, where: Where, choices: Choices) -> None:
        self.spec, self.name = spec, fault_name(spec)
        self._where = where
        self._stream = choices.stream(f"fault.{number}.{spec.__struct_config__.tag}")
        self._passed = 0
        self.struck = 0
        self.origin_s = 0.0
        self.stopped = False

    def strikes(self) -> bool:
        """Decides one chance to strike, and counts it."""
        spec = self.spec
        now_s = self._where.now - self.origin_s
        if self.stopped or now_s < spec.from_s or (spec.until_s is not None and now_s >= spec.until_s):
            return False
        if spec.times is not None and self.struck >= spec.times:
            return False
        if self._passed < spec.skip:
            self._passed += 1
            return False
        if spec.chance < 1.0 and not self._stream.chance(spec.chance):
            return False
        self.struck += 1
        return True

    def below(self, n: int) -> int:
        return self._stream.below(n)

    @property
    def kind(self) -> str:
        return str(self.spec.__struct_config__.tag)


class Faults:
    """The fault plan of a run (`network.FaultPlan`), and what else a scenario breaks.

    Args:
        specs: in the order of the file; where two would strike one call, the first does.
        arm: makes one of a spec, its number, `where` and `choices`.
    """

    def __init__(
        self,
        specs: Sequence[FaultSpec],
        where: Where,
        choices: Choices,
        arm: Callable[[Fault, int, Where, Choices], Armed] = Armed,
    ) -> None:
        self.armed = [arm(spec, number, where, choices) for number, spec in enumerate(specs)]
        _number_namesakes(self.armed)
        self._at_calls = [each for each in self.armed if isinstance(each.spec, AtCall)]

    def of(self, kind: type[Spec]) -> list[tuple[Armed, Spec]]:
        """The faults of one kind."""
        return [(each, each.spec) for each in self.armed if isinstance(each.spec, kind)]

    def begin(self, origin_s: float) -> None:
        """The workload starts: `from_s`, `until_s` and `at_s` count from here."""
        for each in self.armed:
            each.origin_s = origin_s
            each.stopped = False

    def stop(self) -> None:
        """No fault strikes any more."""
        for each in self.armed:
            each.stopped = True

    def skew_s(self, function: str, history: History) -> float:
        """How far the clock of an instance of `function` is ahead."""
        skew_s = 0.0
        for each, spec in self.of(ClockSkew):
            if spec.function in function and each.strikes():
                history.add("fault", each.name, target=function, does="skew", seconds=spec.skew_s)
                skew_s += spec.skew_s
        return skew_s

    # ---- the network's fault plan

    def watches(self, service: str, operation: str) -> bool:
        return any(_names(each.spec, service, operation) for each in self._at_calls)

    def before(self, call: Call) -> Action | None:
        return self._decide(call, "before")

    def at(self, call: Call) -> Action | None:
        return self._decide(call, "at")

    def after(self, call: Call) -> Action | None:
        return self._decide(call, "after")

    def _decide(self, call: Call, place: Place) -> Action | None:
        for each in self._at_calls:
            spec = each.spec
            if _place_of(spec) == place and _fits(spec, call) and each.strikes():
                return _action(each.name, spec)
        return None


def _number_namesakes(armed: Sequence[Armed]) -> None:
    """Each fault has a name of its own, so that one that never struck is not hidden by another."""
    seen: dict[str, int] = {}
    for each in armed:
        count = seen[each.name] = seen.get(each.name, 0) + 1
        if count > 1:
            each.name += f" ({count})"


def _place_of(spec: Any) -> Place:
    if isinstance(spec, Crash):
        return spec.when
    if isinstance(spec, Freeze):
        return "after"
    return "before" if isinstance(spec, Delay) else "at"


def _action(name: str, spec: Any) -> Action:
    if isinstance(spec, Crash):
        return Action(name, "crash")
    if isinstance(spec, Freeze):
        return Action(name, "freeze", spec.for_s)
    if isinstance(spec, Delay):
        return Action(name, "delay", spec.for_s)
    if isinstance(spec, Throttle):
        return Action(name, "throttle")
    if isinstance(spec, AppliedThenTimeout):
        # An HTTP request brings its own time-out along; that of Google's clients is the profile's.
        aws = spec.call.partition(".")[0] not in ("http", *GOOGLE)
        return Action(name, "applied_then_timeout", client_config()["read_timeout"] if aws else 0.0)
    if isinstance(spec, PartlyRefused):
        return Action(name, "partly_refused")
    if isinstance(spec, Conflict):
        return Action(name, "conflict")
    raise BadInput(f"fault {name!r} cannot strike an SDK call")


def _names(spec: Any, service: str, operation: str) -> bool:
    wanted_service, _, wanted = spec.call.partition(".")
    return wanted_service == service and wanted in ("*", operation.partition(" ")[0])


def _fits(spec: Any, call: Call) -> bool:
    if not _names(spec, call.service, call.operation):
        return False
    if spec.function and spec.function not in call.who.partition(":")[0]:
        return False
    return not spec.target or any(spec.target in target for target in targets_of(call))


def targets_of(call: Call) -> list[str]:
    """What a call goes to: tables, a queue's URL, a bucket, documents, topics, Redis keys, a request's URL."""
    kwargs = call.kwargs
    found = [str(kwargs[name]) for name in ("TableName", "QueueUrl", "Bucket", "bucket", "url") if name in kwargs]
    for item in kwargs.get("TransactItems", ()):
        found += [str(part["TableName"]) for part in item.values()]
    found += [str(table) for table in kwargs.get("RequestItems", ())]
    if call.service in GOOGLE:
        found += google_targets(kwargs.get("request", {}))
    if "statement" in kwargs:
        found.append(_table_of(kwargs["statement"]))
    if "command" in kwargs:
        command = kwargs["command"]
        found.append(command[3] if command[0] == "EVAL" else command[1])  # the key
    return [*found, call.operation.partition(" ")[2]]


def _table_of(statement: Any) -> str:
    from clef_sim.services.sql.statements import table_of  # where there are statements, there is SQLAlchemy

    return table_of(statement)


def google_targets(request: Any) -> list[str]:
    """What a request to Google's services is about."""
    found = [str(request[name]) for name in ("topic", "subscription") if name in request]
    found += [str(name) for name in request.get("documents", ())]
    found += [str(write._pb.update.name or write._pb.delete) for write in request.get("writes", ())]
    if "structured_query" in request:
        sources = request["structured_query"]._pb.from_
        found += [f"{request['parent']}/{source.collection_id}" for source in sources]
    return found
