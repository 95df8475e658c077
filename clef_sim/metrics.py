"""Numbers of a run, from its history: counts, and latency as percentiles.

`sync_step_ms` goes from a concept's handler returning (the last of the matched completions) to the caused
action's handler starting. `eager_chain_ms` goes from the request reaching the platform to the last completion
that the flow's eager syncs caused. What comes before the phase `workload` prepares the run and is not counted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Protocol

import msgspec
from ddsketch import DDSketch

from clef_runtime.language.compiled import CompiledSync
from clef_runtime.model import Completion, completion_id
from clef_sim.flows import Node, Span, timeline, tree, worst_flow
from clef_sim.history import Event

__all__ = [
    "Meter",
    "Metrics",
    "Node",
    "Percentiles",
    "Span",
    "measure",
    "timeline",
    "tree",
    "worst_flow",
]

SKETCH_ACCURACY = 0.005
"""Relative error of percentiles where samples are not kept."""

FLOW_KEEP_S = 900.0
"""Virtual seconds without news after which a streaming meter forgets a flow; longer than any retry here."""


class Percentiles(msgspec.Struct, frozen=True):
    """Milliseconds; all 0 where count is 0."""

    p50: float = 0.0
    p95: float = 0.0
    p99: float = 0.0
    max: float = 0.0
    count: int = 0


class Metrics(msgspec.Struct, frozen=True):
    """`duplicate_firings` and `lost_firings` are None until the checkers have counted them."""

    flows: int
    completions: int
    invocations: int
    firings: int
    cold_starts: int
    redeliveries: int
    sdk_calls: int
    sync_step_ms: Percentiles
    eager_chain_ms: Percentiles
    duplicate_firings: int | None = None
    lost_firings: int | None = None


class Samples(Protocol):
    def add(self, value: float) -> None: ...

    def percentiles(self) -> Percentiles: ...


class Exact:
    """Keeps every sample. Percentiles by nearest rank."""

    def __init__(self) -> None:
        self._values: list[float] = []

    def add(self, value: float) -> None:
        self._values.append(value)

    def percentiles(self) -> Percentiles:
        values = sorted(self._values)
        if not values:
            return Percentiles()
        p50, p95, p99 = (values[math.ceil(part * len(values) / 100) - 1] for part in (50, 95, 99))
        return Percentiles(p50, p95, p99, values[-1], len(values))


class Sketch:
    """Keeps a sketch of bounded size; percentiles within `SKETCH_ACCURACY`."""

    def __init__(self) -> None:
        self._sketch = DDSketch(SKETCH_ACCURACY)
        self._max = 0.0

    def add(self, value: float) -> None:
        self._sketch.add(value)
        self._max = max(self._max, value)

    def percentiles(self) -> Percentiles:
        count = int(self._sketch.count)
        if not count:
            return Percentiles()
        p50, p95, p99 = (float(self._sketch.get_quantile_value(part) or 0.0) for part in (0.5, 0.95, 0.99))
        return Percentiles(p50, p95, p99, self._max, count)


class _Flow:
    __slots__ = ("completed", "eager", "firings", "invocations", "last_eager", "request", "returned", "touched")

    def __init__(self) -> None:
        self.request: float | None = None
        self.invocations: set[str] = set()
        self.firings: set[tuple[str, tuple[str, ...]]] = set()
        self.returned: dict[str, float] = {}  # by completion id
        self.completed: set[str] = set()
        self.eager: set[str] = set()  # invocations that eager syncs caused and that started
        self.last_eager: float | None = None
        self.touched = 0.0


class Meter:
    """Counts along with a run: `history.listeners.append(meter.add)`.

    Args:
        streaming: sketches instead of kept samples, and flows forgotten after `FLOW_KEEP_S`: memory is that
            of the flows in flight.
    """

    def __init__(self, syncs: Iterable[CompiledSync], *, streaming: bool = False) -> None:
        self._eventual = {sync.name for sync in syncs if sync.eventual}
        self._streaming = streaming
        self._on: dict[str, Callable[[Event], None]] = {
            "request": self._request,
            "started": self._started,
            "returned": self._on_returned,
            "appended": self._appended,
            "sent": self._sent,
            "instance": self._instance,
            "delivery": self._delivery,
            "phase": self._phase,
        }
        self._reset()

    def _reset(self) -> None:
        streaming = self._streaming
        self._steps: Samples = Sketch() if streaming else Exact()
        self._chains: Samples = Sketch() if streaming else Exact()
        self._flows: dict[str, _Flow] = {}  # least recently touched first
        self._logged = False
        self._flow_count = self._recorded = self._returned = self._invocations = self._firings = 0
        self._cold_starts = self._redeliveries = self._sdk_calls = 0

    def add(self, event: Event) -> None:
        if event.kind == "sdk":
            self._sdk_calls += 1
            return
        handle = self._on.get(event.kind)
        if handle is not None:
            handle(event)

    def metrics(self) -> Metrics:
        """The numbers so far. A flow's chain counts as ended now; call it once, at the end of the run."""
        for flow in self._flows.values():
            self._close(flow)
        self._flows.clear()
        return Metrics(
            flows=self._flow_count,
            completions=self._recorded if self._logged else self._returned,
            invocations=self._invocations,
            firings=self._firings,
            cold_starts=self._cold_starts,
            redeliveries=self._redeliveries,
            sdk_calls=self._sdk_calls,
            sync_step_ms=self._steps.percentiles(),
            eager_chain_ms=self._chains.percentiles(),
        )

    # ---- events

    def _request(self, event: Event) -> None:
        if event.data.get("flow"):
            flow = self._flow(event.data["flow"], event.at)
            if flow.request is None:
                flow.request = event.at

    def _started(self, event: Event) -> None:
        data = event.data
        flow = self._flow(data["flow"], event.at)
        invocation, sync = data["invocation"], data["sync"]
        self._count(flow, invocation)
        if not sync or invocation in flow.eager or completion_id(invocation) in flow.returned:
            return  # only the first start counts
        if sync not in self._eventual:
            flow.eager.add(invocation)
        returned = [flow.returned[each] for each in data["matched"] if each in flow.returned]
        if returned:
            self._steps.add((event.at - max(returned)) * 1000)

    def _on_returned(self, event: Event) -> None:
        if event.outcome != "ok":
            return
        flow = self._flow(event.data["flow"], event.at)
        completion = completion_id(event.data["invocation"])
        if completion not in flow.returned:
            self._returned += 1
        if completion not in flow.completed:
            flow.returned[completion] = event.at
            if not self._logged and event.data["invocation"] in flow.eager:
                flow.last_eager = event.at

    def _appended(self, event: Event) -> None:
        record = event.data["record"]
        if event.outcome != "ok" or not isinstance(record, Completion):
            return
        self._logged = True
        flow = self._flow(record.flow, event.at)
        if record.id in flow.completed:
            return
        flow.completed.add(record.id)
        self._recorded += 1
        if record.parent in flow.eager:
            flow.last_eager = event.at

    def _sent(self, event: Event) -> None:
        for invocation in event.data["invocations"]:
            flow = self._flow(invocation.flow, event.at)
            self._count(flow, invocation.id)
            firing = (invocation.sync or "", invocation.matched_ids)
            if firing not in flow.firings:
                flow.firings.add(firing)
                self._firings += 1

    def _phase(self, event: Event) -> None:
        if event.name == "workload":
            self._reset()

    def _instance(self, event: Event) -> None:
        self._cold_starts += event.name == "cold"

    def _delivery(self, event: Event) -> None:
        self._redeliveries += event.data["count"] > 1

    # ---- flows

    def _flow(self, id: str, at: float) -> _Flow:
        flow = self._flows.get(id)
        if flow is None:
            flow = self._flows[id] = _Flow()
            self._flow_count += 1
        elif self._streaming:
            self._flows[id] = self._flows.pop(id)
        flow.touched = at
        if self._streaming:
            self._forget(at)
        return flow

    def _forget(self, at: float) -> None:
        while self._flows:
            id, flow = next(iter(self._flows.items()))
            if at - flow.touched <= FLOW_KEEP_S:
                return
            self._close(flow)
            del self._flows[id]

    def _count(self, flow: _Flow, invocation: str) -> None:
        if invocation not in flow.invocations:
            flow.invocations.add(invocation)
            self._invocations += 1

    def _close(self, flow: _Flow) -> None:
        if flow.request is not None and flow.last_eager is not None:
            self._chains.add((flow.last_eager - flow.request) * 1000)


def measure(
    history: Iterable[Event],
    syncs: Iterable[CompiledSync] = (),
    *,
    duplicate_firings: int | None = None,
    lost_firings: int | None = None,
) -> Metrics:
    """The exact numbers of a kept history; the counts of firings come from the checkers' verdicts."""
    meter = Meter(syncs)
    for event in history:
        meter.add(event)
    return msgspec.structs.replace(meter.metrics(), duplicate_firings=duplicate_firings, lost_firings=lost_firings)
