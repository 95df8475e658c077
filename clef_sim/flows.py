"""One flow of a history, for people: which is the worst, what happened when, what caused what."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from clef_runtime.model import Completion, Firing, Invocation, concept_name
from clef_sim.history import Event, EventOutcome


class Span(msgspec.Struct, frozen=True):
    """Something that took from `start` to `end` (virtual seconds; equal for what happens at once)."""

    who: str
    name: str
    start: float
    end: float
    kind: str
    outcome: EventOutcome


class Node(msgspec.Struct):
    """An invocation of a flow's tree: the sync that caused it, how it ended (None: it did not), what it caused.

    It hangs under the last of the completions that it matched; `matched` names all of them.
    """

    invocation: str
    name: str
    sync: str | None
    matched: tuple[str, ...]
    variant: str | None = None
    at: float | None = None
    children: list[Node] = []


def flow_of(event: Event) -> str | None:
    """The flow that an event speaks of, where it says so."""
    data = event.data
    match event.kind:
        case "appended" | "published":
            record: Completion | Invocation = data["record"]
            return record.flow
        case "claim":
            firing: Firing = data["firing"]
            return firing.flow
        case "loaded":
            return event.name
        case "sent":
            invocations: tuple[Invocation, ...] = data["invocations"]
            return invocations[0].flow if invocations else None
    flow = data.get("flow")
    return flow if isinstance(flow, str) else None


def worst_flow(history: Iterable[Event]) -> str | None:
    """The flow that took longest, one with an invocation that never completed before all others; None where
    there is no flow."""
    first: dict[str, float] = {}
    last: dict[str, float] = {}
    waiting: dict[str, set[str]] = {}
    for event in history:
        flow = flow_of(event)
        if not flow:
            continue
        first.setdefault(flow, event.at)
        last[flow] = event.at
        if event.kind == "sent":
            waiting.setdefault(flow, set()).update(each.id for each in event.data["invocations"])
    for event in history:
        if event.kind == "appended" and event.outcome == "ok" and event.name == "completion":
            waiting.get(event.data["record"].flow, set()).discard(event.data["record"].parent)
    return max(first, key=lambda flow: (bool(waiting.get(flow)), last[flow] - first[flow]), default=None)


# ---- timeline

_UNTOLD = frozenset({"sdk", "waited", "facts", "asked", "acquire", "fired", "stored", "delivery", "fault"})
"""Kinds that name no flow: they belong to the flow that their caller speaks of next, or spoke of last."""


def timeline(history: Iterable[Event], flow: str) -> list[Span]:
    """What was done for the flow, by start. An action that never returned ends where its flow does."""
    history = list(history)
    events = list(_about(history, flow))
    end = max((event.at for event in events), default=0.0)
    spans: list[Span] = []
    open_: dict[tuple[str, str, str], int] = {}
    for event in events:
        pair = {"returned": "started", "response": "request"}.get(event.kind)
        if pair is not None:
            place = open_.pop((pair, event.who if pair == "started" else "", event.name), None)
            if place is not None:
                spans[place] = msgspec.structs.replace(spans[place], end=event.at, outcome=event.outcome)
            continue
        start, until = _times(event)
        if event.kind in ("started", "request"):
            open_[(event.kind, event.who if event.kind == "started" else "", event.name)] = len(spans)
            until = end
        spans.append(Span(event.who, _name(event), start, until, event.kind, event.outcome))
    if events:
        spans += _cold_starts(history, {event.instance for event in events}, events[0].at, end)
    return sorted(spans, key=lambda span: (span.start, span.end))


def _cold_starts(history: Iterable[Event], instances: set[str], since: float, until: float) -> Iterator[Span]:
    """Those of the instances that worked for a flow, begun while it ran: what it waited for."""
    for event in history:
        if event.kind == "instance" and event.name == "cold" and since <= event.at <= until:
            instance = event.data.get("instance")
            if instance in instances:
                end = event.at + float(event.data["ms"]) / 1000
                yield Span(instance, "cold start", event.at, end, event.kind, event.outcome)


def _about(history: Iterable[Event], flow: str) -> Iterator[Event]:
    """The flow's events; those that name no flow are held back until their caller names one."""
    held: dict[str, list[Event]] = {}
    current: dict[str, str] = {}
    kept: list[tuple[int, Event]] = []
    for number, event in enumerate(history):
        named = flow_of(event)
        if named:
            if named == flow:
                kept += [(-1, each) for each in held.get(event.who, ())] + [(number, event)]
            held.pop(event.who, None)
            current[event.who] = named
        elif event.kind in _UNTOLD:
            held.setdefault(event.who, []).append(event)
    for who, events in held.items():  # the caller fell silent: killed, perhaps
        if current.get(who) == flow:
            kept += [(-1, event) for event in events]
    yield from sorted((event for _, event in kept), key=lambda event: event.at)


def _times(event: Event) -> tuple[float, float]:
    if "ms" in event.data:
        return event.at - float(event.data["ms"]) / 1000, event.at
    return float(event.data.get("began", event.at)), event.at


def _name(event: Event) -> str:
    match event.kind:
        case "started":
            return concept_name(event.name)
        case "appended" | "published":
            record = event.data["record"]
            what = {"appended": "append", "published": "publish"}[event.kind]
            return f"{what} {concept_name(record.concept)}/{record.action}"
        case "loaded":
            return f"load flow ({len(event.data.get('ids', ()))} completions)"
        case "claim":
            return f"claim {event.name}: {event.data['state'] or 'no answer'}"
        case "acquire":
            return f"acquire {event.name}: {'won' if event.data['won'] else 'not won'}"
        case "sent":
            names = [f"{concept_name(each.concept)}/{each.action}" for each in event.data["invocations"]]
            return f"send {', '.join(names[:3])}" + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        case "edge" | "fired" | "stored" | "facts" | "asked":
            return f"{event.kind} {concept_name(event.name)}"
    return event.name


# ---- tree


def tree(history: Iterable[Event], flow: str) -> list[Node]:
    """The flow's provenance: the outside invocations, and under each what it caused."""
    nodes: dict[str, Node] = {}
    invocation_of: dict[str, str] = {}
    ended: dict[str, float] = {}
    for event in history:
        if flow_of(event) != flow:
            continue
        match event.kind:
            case "started":
                data = event.data
                name = concept_name(event.name)
                node = nodes.setdefault(
                    data["invocation"], Node(data["invocation"], name, data["sync"], data["matched"])
                )
                node.at = event.at if node.at is None else node.at
            case "sent":
                for each in event.data["invocations"]:
                    name = f"{concept_name(each.concept)}/{each.action}"
                    nodes.setdefault(each.id, Node(each.id, name, each.sync, each.matched_ids))
            case "returned" if event.outcome == "ok" and event.data["invocation"] in nodes:
                node = nodes[event.data["invocation"]]
                node.variant = node.variant or event.data["variant"]
            case "appended" | "published" if isinstance(event.data["record"], Completion):
                record = event.data["record"]
                invocation_of[record.id] = record.parent or ""
                ended.setdefault(record.id, event.at)
    roots: list[Node] = []
    for node in nodes.values():
        known = [each for each in node.matched if invocation_of.get(each) in nodes]
        if known:
            last = max(known, key=lambda each: ended[each])
            nodes[invocation_of[last]].children.append(node)
        else:
            roots.append(node)
    return roots
