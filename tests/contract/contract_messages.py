"""Messages for the contract suite."""

from __future__ import annotations

from typing import Any

from clef_runtime.context import iso
from clef_runtime.model import Completion, Firing, Invocation, SyncEdge, firing_id, invocation_id

START_S = 1_800_000_000.0


def completion(id_: str, *, flow: str = "f1", at_s: float = 0.0, user: Any = "ann", **extra: Any) -> Completion:
    return Completion(
        id=id_,
        concept="urn:clef/User",
        action="register",
        input={"name": "Ann", "n": 0.1},
        variant="ok",
        output={"user": user, "none": None},
        flow=flow,
        timestamp=iso(START_S + at_s),
        parent="i" + id_,
        extra=extra,
    )


def invocation(
    id_: str, *, flow: str = "f1", at_s: float = 0.0, concept: str = "User", body: Any = "", **extra: Any
) -> Invocation:
    return Invocation(
        id=id_,
        concept="urn:clef/" + concept,
        action="register",
        input={"body": body},
        flow=flow,
        timestamp=iso(START_S + at_s),
        sync="S",
        matched_ids=("c1", "c2"),
        extra=extra,
    )


def firing(sync: str = "S", matched: tuple[str, ...] = ("c1", "c2"), *, user: str = "ann") -> Firing:
    id_ = firing_id(sync, matched)
    sent = tuple(invocation(invocation_id(id_, 0, number), body=user, x=number) for number in range(2))
    return Firing(id=id_, sync=sync, flow="f1", matched_ids=matched, invocations=sent)


def edge(sync: str = "S", matched: tuple[str, ...] = ("c1", "c2"), *, flow: str = "f1") -> SyncEdge:
    return SyncEdge(sync=sync, matched_ids=matched, invocation_ids=("i1", "i2"), flow=flow)
