"""What the emulated world costs over bare boto3: one run on moto, and its SDK calls alone.

A run of the app `orders` (option C, 20 orders) on moto's server, history and decision log kept, no checkers. Each of
its SDK calls is written down, then all are made again by bare boto3, with the receipt handles of their own run. Wall
seconds; run and replay take turns, and of each the quickest counts. `world_share` is measured in the run itself: what
of its time was not spent in boto3.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import msgspec

from clef_sim.emulated import aws_sdk
from clef_sim.emulated.backends import Backends, backends_for
from clef_sim.kernel.choices import Seeded
from clef_sim.prepared import Prepared, prepare
from clef_sim.run import Run
from clef_sim.scenario import Fixed, Scenario

WAY = "moto"
ORDERS = 20
ROUNDS = 3
TARGET_OVERHEAD = 0.20


class Made(msgspec.Struct):
    """One call that a run made, and the receipt handles that it brought."""

    service: str
    method: str
    request: dict[str, Any]
    handles: list[str]


class Recorder:
    """Writes down the calls that go through the emulated world's clients, and how long they take."""

    def __init__(self) -> None:
        self.made: list[Made] = []
        self.seconds = 0.0
        self._client = aws_sdk.client

    def __enter__(self) -> Recorder:
        aws_sdk.client = self.client  # type: ignore[assignment]  # put back below
        return self

    def __exit__(self, *_: object) -> None:
        aws_sdk.client = self._client

    def client(self, service: str, url: str) -> Any:
        return _Recorded(self, service, self._client(service, url))


class _Recorded:
    def __init__(self, recorder: Recorder, service: str, client: Any) -> None:
        self._recorder, self._service, self._client = recorder, service, client
        self.exceptions = client.exceptions

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method, recorder = getattr(self._client, name), self._recorder

        def call(**request: Any) -> Any:
            start = time.perf_counter()
            answer: Any = {}
            try:
                answer = method(**request)
            finally:
                recorder.seconds += time.perf_counter() - start
                recorder.made.append(Made(self._service, name, request, handles_of(answer)))
            return answer

        self.__dict__[name] = call
        return call


def handles_of(answer: Any) -> list[str]:
    return [message["ReceiptHandle"] for message in answer.get("Messages", ())]


def scenario() -> Prepared:
    (prepared,) = prepare(
        [
            Scenario(
                shows="A benchmark.",
                app="scenarios.apps.orders",
                requests="scenarios.requests.orders",
                topologies=("aws-event-driven",),
                workload=Fixed(count=ORDERS, every_s=1.0, mix={"order": 1.0}),
                file="benchmark",
            )
        ]
    )
    return prepared


def run_world(prepared: Prepared, backends: Backends) -> tuple[float, Recorder]:
    """Wall seconds of one run, set-up included."""
    with Recorder() as recorder:
        start = time.perf_counter()
        Run(prepared, Seeded(1), backends).run()
        return time.perf_counter() - start, recorder


def run_bare(made: list[Made], backends: Backends) -> float:
    """Wall seconds of the same calls, made one after another by bare boto3."""
    methods = {
        (each.service, each.method): getattr(aws_sdk.client(each.service, backends[each.service].url), each.method)
        for each in made
    }
    fresh: dict[str, str] = {}
    start = time.perf_counter()
    for each in made:
        try:
            answer = methods[each.service, each.method](**_with_handles(each.request, fresh))
        except Exception:
            continue
        fresh.update(zip(each.handles, handles_of(answer), strict=False))
    return time.perf_counter() - start


def _with_handles(request: dict[str, Any], fresh: dict[str, str]) -> dict[str, Any]:
    if "ReceiptHandle" in request:
        return {**request, "ReceiptHandle": fresh[request["ReceiptHandle"]]}
    if "Entries" in request and "ReceiptHandle" in request["Entries"][0]:
        entries = [{**each, "ReceiptHandle": fresh[each["ReceiptHandle"]]} for each in request["Entries"]]
        return {**request, "Entries": entries}
    return request


def run(_argv: list[str]) -> dict[str, Any]:
    """The figures; `met` says whether the overhead is within its target."""
    prepared = scenario()
    worlds: list[float] = []
    bares: list[float] = []
    shares: list[float] = []
    calls = 0
    with backends_for([prepared.manifest], [WAY]) as backends:
        for _ in range(ROUNDS):
            seconds, recorder = run_world(prepared, backends)
            worlds.append(seconds)
            shares.append(1.0 - recorder.seconds / seconds)
            calls = len(recorder.made)
            bares.append(run_bare(recorder.made, backends))
    overhead = min(worlds) / min(bares) - 1.0
    return {
        "way": WAY,
        "orders": ORDERS,
        "calls": calls,
        "world_s": round(min(worlds), 3),
        "bare_s": round(min(bares), 3),
        "world_ms_per_call": round(1000.0 * min(worlds) / calls, 3),
        "bare_ms_per_call": round(1000.0 * min(bares) / calls, 3),
        "world_share": round(min(shares), 4),
        "overhead": round(overhead, 3),
        "target_overhead": TARGET_OVERHEAD,
        "met": max(overhead, min(shares)) < TARGET_OVERHEAD,
    }
