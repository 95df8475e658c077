"""Offences in words that a reader can follow: ids shortened, what they stand for beside them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from clef_runtime.model import Completion, Invocation, concept_name
from clef_sim.checkers.story import Key, Story
from clef_sim.history import Event

_LISTED = 4

_FATE_S = 5.0
"""Virtual seconds between an execution's last sign of life and what ended it; a handler may compute so long."""


def short(id: str) -> str:
    return id if len(id) <= 10 else id[:6] + ".."


def seconds(at: float) -> str:
    return f"{at:.3f} s"


def listed(items: Iterable[str], sign: str = ", ") -> str:
    """The first few, and how many more."""
    all_items = list(items)
    more = len(all_items) - _LISTED
    return sign.join(all_items[:_LISTED]) + (f"{sign}{more} more" if more > 0 else "")


class Words:
    def __init__(self, story: Story) -> None:
        self._story = story
        self._completions: dict[str, Completion] = {
            id: recorded.completion for flow in story.flows.values() for id, recorded in flow.completions.items()
        }
        self._order = {id: place for place, id in enumerate(self._completions)}

    def completion(self, id: str) -> str:
        found = self._completions.get(id)
        if found is None:
            return f"{short(id)} (not on record)"
        return f"{short(id)} ({concept_name(found.concept)}/{found.action} {found.variant})"

    def invocation(self, invocation: Invocation) -> str:
        return f"invocation {short(invocation.id)} ({concept_name(invocation.concept)}/{invocation.action})"

    def invocation_id(self, id: str) -> str:
        found = self._story.invocations.get(id)
        if found is not None:
            return self.invocation(found)
        runs = self._story.runs.get(id)
        return f"invocation {short(id)} ({concept_name(runs[0].event.name)})" if runs else f"invocation {short(id)}"

    def match(self, key: Key) -> str:
        sync = key[0]
        ids = sorted(key[1], key=lambda id: self._order.get(id, len(self._order)))
        flow = next((self._completions[id].flow for id in ids if id in self._completions), None)
        of_flow = f" of flow {short(flow)}" if flow else ""
        many = "completions" if len(ids) > 1 else "completion"
        return f"sync {sync} on {many} {listed(map(self.completion, ids), ' + ')}{of_flow}"

    def did(self, event: Event) -> str:
        return f"by {event.who} at {seconds(event.at)}"

    def value(self, value: Any) -> str:
        text = repr(value)
        return text if len(text) <= 160 else text[:157] + "..."

    def fate(self, who: str, after: float) -> str:
        """What befell the execution or its instance next: killed, frozen, a fault; empty where nothing did.

        An instance that ended long after the execution's last sign of life did not end it.
        """
        until = self._story.last_at.get(who, after) + _FATE_S
        fault: Event | None = None
        for event in self._story.troubles:
            if not after <= event.at <= until or not _concerns(event, who):
                continue
            if event.kind == "fault":
                fault = event
            elif event.name == "failed":
                return f"the execution failed at {seconds(event.at)}: {event.data.get('error')}"
            else:
                return f"the instance was {event.name} at {seconds(event.at)}{self._because(event, fault)}"
        return f"the fault {fault.name} struck at {seconds(fault.at)}" if fault is not None else ""

    def _because(self, event: Event, fault: Event | None) -> str:
        """Why an instance fell: a reason that is no fault's name is the platform's own."""
        reason = str(event.data.get("reason") or "")
        if fault is None or (reason and reason != fault.name):
            struck = any(each.kind == "fault" and each.name == reason for each in self._story.troubles)
            own = f"fault {reason}" if struck else reason
            after = f"after the fault {fault.name}" if fault is not None else ""
            return f" ({', '.join(filter(None, (own, after)))})" if own or after else ""
        return f" (fault {fault.name})"


def _concerns(event: Event, who: str) -> bool:
    instance = who.partition(":")[0]
    if event.name == "failed":
        return bool(event.data.get("execution") == who)
    if event.kind == "instance" and event.name not in ("killed", "frozen", "restarted"):
        return False
    data = event.data
    named = (data.get("instance"), data.get("target"), data.get("who"))
    if event.kind == "instance" and event.instance == instance:
        return True
    return event.who == who or instance in named or who in named
