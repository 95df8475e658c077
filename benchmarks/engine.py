"""How many completions a second the engine evaluates on one core, and whether that stays flat.

A completion here costs `FlowState.add`, `matches`, and `prepare` of every match into a firing with its
invocations. The app has 100 syncs, five for each of 20 concepts, and a flow is what they make of it: request,
create, pay and reserve, ship, send, respond; seven completions, five firings, six invocations. Two of the five
syncs are joins, one queries a fact, one binds an id and filters.

Only the engine is timed, in CPU seconds of this process, garbage collections that its objects cause included;
making the completions is not. Finished flows are dropped. Facts come from a dictionary.
"""

from __future__ import annotations

import argparse
import gc
import platform
import statistics
import time
from collections.abc import Iterator
from itertools import islice
from typing import Any

from clef_runtime.context import SystemClock, SystemIds
from clef_runtime.engine.flow import FlowState
from clef_runtime.engine.index import SyncIndex
from clef_runtime.engine.prepare import prepare
from clef_runtime.language.compiled import (
    Bind,
    Call,
    CompiledSync,
    Expr,
    FieldPattern,
    Filter,
    Lit,
    Literal,
    Pattern,
    Query,
    QueryBinding,
    Template,
    ThenAction,
    ThenField,
    Var,
    Variable,
)
from clef_runtime.model import Completion, Outcome, Record, concept_urn, derive_id

TARGET_PER_S = 50_000
TARGET_FLATNESS = 1.3
CONCEPTS = 20
SIZES = (1_000, 10_000, 100_000, 1_000_000)
LONG_FLOW = 10_000
CHUNK_FLOWS = 100
USERS = 100
ROUNDS = 3


def run(argv: list[str]) -> dict[str, Any]:
    """Measures both shapes at all sizes."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks engine")
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)), help="completions, comma between")
    sizes = [int(size) for size in parser.parse_args(argv).sizes.split(",")]
    index = SyncIndex(sync for number in range(CONCEPTS) for sync in syncs_of(number))
    shapes = {
        "short_flows": _measure(index, sizes, items_per_flow=1),
        "long_flow": _measure(index, sizes, items_per_flow=LONG_FLOW // 7),
    }
    rates = [each["completions_per_s"] for shape in shapes.values() for each in shape["sizes"]]
    flatness = max(shape["flatness"] for shape in shapes.values())
    return {
        "benchmark": "engine",
        "python": platform.python_version(),
        "syncs": len(index.programs),
        "completions_per_s_min": min(rates),
        "flatness_max": flatness,
        "target": {"completions_per_s": TARGET_PER_S, "flatness": TARGET_FLATNESS},
        "met": min(rates) >= TARGET_PER_S and flatness <= TARGET_FLATNESS,
        "shapes": shapes,
    }


def _measure(index: SyncIndex, sizes: list[int], *, items_per_flow: int) -> dict[str, Any]:
    """Rates at each size, and how far their medians are apart. The sizes take turns, so that a slow spell of
    the machine does not fall on one of them alone."""
    _one_run(index, 1_000, items_per_flow)  # warms up caches and the interpreter
    runs: dict[int, list[int]] = {size: [] for size in sizes}
    invocations: dict[int, int] = {}
    for _ in range(ROUNDS):
        for size in sizes:
            for _ in range(max(1, min(9, 70_000 // size))):
                cpu_s, invocations[size] = _one_run(index, size, items_per_flow)
                runs[size].append(round(size / cpu_s))
    medians = {size: round(statistics.median(runs[size])) for size in sizes}
    return {
        "completions_per_flow": min(items_per_flow * 7, max(sizes)),
        "flatness": round(max(medians.values()) / min(medians.values()), 3),
        "sizes": [
            {
                "completions": size,
                "completions_per_s": medians[size],
                "us_per_completion": round(1e6 / medians[size], 2),
                "invocations": invocations[size],
                "runs": len(runs[size]),
                "slowest_per_s": min(runs[size]),
                "fastest_per_s": max(runs[size]),
            }
            for size in sizes
        ],
    }


def _one_run(index: SyncIndex, completions: int, items_per_flow: int) -> tuple[float, int]:
    """CPU seconds and invocations of evaluating so many completions."""
    flows = _flows(completions, items_per_flow)
    clock, ids, facts = SystemClock(), SystemIds(), Users()
    cpu_s, invocations = 0.0, 0
    gc.collect()
    while chunk := list(islice(flows, CHUNK_FLOWS if items_per_flow == 1 else 1)):
        start_s = time.process_time()
        for flow in chunk:
            state = FlowState(index)
            for completion in flow:
                state.add(completion)
                for match in state.matches(completion):
                    invocations += len(prepare(match, facts, clock, ids).invocations)
        cpu_s += time.process_time() - start_s
    return cpu_s, invocations


# --- the app ------------------------------------------------------------------------------------------


class Users:
    """Facts of a concept `User`, found by name."""

    def __init__(self) -> None:
        self._rows = {
            f"user{n}": [{"__key": f"u{n}", "name": f"user{n}", "address": f"user{n}@example.org"}]
            for n in range(USERS)
        }

    def query(self, concept: str, criteria: Record) -> list[Record]:
        assert concept == concept_urn("User")
        return self._rows.get(criteria["name"], [])

    def ask(self, concept: str, action: str, input: Record) -> Outcome:
        raise NotImplementedError(f"{concept}/{action}: no sync here asks")


def _match(text: str) -> Literal | Variable:
    return Variable(text[1:]) if text.startswith("?") else Literal(text)


def _pattern(concept: str, action: str, inputs: dict[str, str], outputs: dict[str, str]) -> Pattern:
    return Pattern(
        concept_urn(concept),
        action,
        tuple(FieldPattern(name, _match(text)) for name, text in inputs.items()),
        tuple(FieldPattern(name, _match(text)) for name, text in outputs.items()),
    )


def _then(concept: str, action: str, **fields: Expr) -> ThenAction:
    return ThenAction(
        concept_urn(concept),
        action,
        tuple(ThenField(name, Literal(None), expr) for name, expr in fields.items()),
    )


def syncs_of(number: int) -> list[CompiledSync]:
    """The five syncs of one of the concepts."""
    name, route = f"Item{number}", f"create_item{number}"
    request = {"route": route, "request": "?request"}
    create = CompiledSync(
        name=f"{name}Create",
        annotations=("eager",),
        when=(_pattern("Web", "request", {**request, "body": "?body"}, {}),),
        where=(
            Bind("uuid()", "id", Call("uuid", ())),
            Filter("?body.count > 0", Call(">", (Var("body", ("count",)), Lit(0)))),
        ),
        then=(_then(name, "create", id=Var("id"), title=Var("body", ("title",)), request=Var("request")),),
    )
    work = CompiledSync(
        name=f"{name}Work",
        annotations=("eager",),
        when=(_pattern(name, "create", {}, {"variant": "ok", "id": "?id"}),),
        where=(),
        then=(_then(name, "pay", id=Var("id")), _then(name, "reserve", id=Var("id"))),
    )
    ship = CompiledSync(
        name=f"{name}Ship",
        annotations=("eager",),
        when=(
            _pattern(name, "pay", {}, {"variant": "ok", "id": "?id"}),
            _pattern(name, "reserve", {}, {"variant": "ok", "id": "?id", "shelf": "?shelf"}),
        ),
        where=(),
        then=(_then(name, "ship", id=Var("id"), shelf=Var("shelf")),),
    )
    tell = CompiledSync(
        name=f"{name}Tell",
        annotations=("eager",),
        when=(_pattern(name, "ship", {}, {"variant": "ok", "id": "?id", "owner": "?owner"}),),
        where=(
            Query(
                concept_urn("User"),
                (
                    QueryBinding("user", "__key"),
                    QueryBinding("owner", "name"),
                    QueryBinding("address", "address"),
                ),
            ),
        ),
        then=(
            _then(
                "Mail", "send", to=Var("address"), text=Template((Var("id"), Lit(" is on its way to "), Var("user")))
            ),
        ),
    )
    answer = CompiledSync(
        name=f"{name}Answer",
        annotations=("eager",),
        when=(
            _pattern("Web", "request", request, {}),
            _pattern(name, "ship", {}, {"variant": "ok", "id": "?id", "request": "?request"}),
        ),
        where=(),
        then=(_then("Web", "respond", request=Var("request"), status=Lit(200), body=Var("id")),),
    )
    return [create, work, ship, tell, answer]


def _flows(completions: int, items_per_flow: int) -> Iterator[list[Completion]]:
    """Flows with `items_per_flow` items each (seven completions an item), `completions` in all."""
    item = 0
    while completions > 0:
        flow = derive_id("flow", str(item))
        made: list[Completion] = []
        for _ in range(items_per_flow):
            made += _item(item, flow)
            item += 1
        yield made[:completions]
        completions -= len(made)


def _item(item: int, flow: str) -> list[Completion]:
    """What the five syncs make of one request, as it would come in."""
    name, request, key = f"Item{item % CONCEPTS}", f"request{item}", derive_id("item", str(item))
    body = {"title": "A title of usual length", "count": 1 + item % 9}
    owner, at = f"user{item % USERS}", "2026-01-01T00:00:00.000Z"

    def completion(concept: str, action: str, input: Record, **output: Any) -> Completion:
        return Completion(
            id=derive_id(key, concept, action),
            concept=concept_urn(concept),
            action=action,
            input=input,
            variant="ok",
            output=output,
            flow=flow,
            timestamp=at,
        )

    asked = {"route": f"create_item{item % CONCEPTS}", "request": request, "method": "POST", "body": body}
    return [
        completion("Web", "request", asked),
        completion(name, "create", {"id": key, **body}, id=key),
        completion(name, "pay", {"id": key}, id=key),
        completion(name, "reserve", {"id": key}, id=key, shelf="s1"),
        completion(name, "ship", {"id": key, "shelf": "s1"}, id=key, owner=owner, request=request),
        completion("Mail", "send", {"to": owner, "text": "on its way"}),
        completion("Web", "respond", {"request": request, "status": 200, "body": key}),
    ]
