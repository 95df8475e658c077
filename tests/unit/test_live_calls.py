"""Calls of a live process: what is written of each, and what a fault does to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from clef_sim.history import Event
from clef_sim.live.calls import LiveNetwork
from clef_sim.live.history import Here, WrittenHistory, read_events
from clef_sim.live.instance import Crashed
from clef_sim.network import Action, Call, NoFaults, Place
from clef_sim.profiles import profile


class Instance:
    """As a process that dies, but for its death."""

    def __init__(self) -> None:
        self.dying = ""

    def check(self) -> None:
        if self.dying:
            raise Crashed

    def crash(self, reason: str) -> NoReturn:
        self.dying = reason
        raise Crashed


class Plan(NoFaults):
    def __init__(self, place: Place, action: Action) -> None:
        self._place, self._action = place, action

    def watches(self, service: str, operation: str) -> bool:
        return operation == "PutItem"

    def before(self, call: Call) -> Action | None:
        return self._action if self._place == "before" else None

    def at(self, call: Call) -> Action | None:
        return self._action if self._place == "at" else None

    def after(self, call: Call) -> Action | None:
        return self._action if self._place == "after" else None


class Real:
    """A service's client."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []
        self.failure: Exception | None = None

    def put_item(self, **kwargs: Any) -> str:
        self.calls.append(kwargs)
        if self.failure is not None:
            raise self.failure
        return "answer"


class Rig:
    def __init__(self, folder: Path, plan: Any = None) -> None:
        self._path = folder / "p.jsonl"
        self.real, self.instance = Real(), Instance()
        history = WrittenHistory(Here(0.0, "p-1"), self._path)
        self.network = LiveNetwork(self.instance, history, plan or NoFaults(), profile("aws"))  # type: ignore[arg-type]
        self.network.sleep = lambda _: None
        self.client = self.network.client("dynamodb", self.real)

    def calls(self) -> list[Event]:
        return [event for event in read_events(self._path) if event.kind == "sdk"]


def test_call_is_answered_and_written(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    assert rig.client.put_item(TableName="t") == "answer"
    (event,) = rig.calls()
    assert (event.name, event.outcome, event.data["applied"]) == ("dynamodb.PutItem", "ok", True)


def test_call_whose_answer_the_service_lost_is_written_as_doubt(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.real.failure = ReadTimeoutError(endpoint_url="x")
    with pytest.raises(ReadTimeoutError):
        rig.client.put_item(TableName="t")
    (event,) = rig.calls()
    assert (event.outcome, event.data["doubt"]) == ("unknown", True)


def test_call_that_is_refused_is_no_doubt(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.real.failure = ClientError({"Error": {"Code": "ConditionalCheckFailedException"}}, "PutItem")
    with pytest.raises(ClientError):
        rig.client.put_item(TableName="t")
    (event,) = rig.calls()
    assert (event.outcome, event.data["error"]) == ("failed", "ConditionalCheckFailedException")
    assert "doubt" not in event.data


def test_lost_answer_is_done_and_raises_a_time_out_that_is_no_doubt(tmp_path: Path) -> None:
    rig = Rig(tmp_path, Plan("at", Action("lost", "applied_then_timeout", 5.0)))
    with pytest.raises(ReadTimeoutError):
        rig.client.put_item(TableName="t")
    (event,) = rig.calls()
    assert len(rig.real.calls) == 1
    assert (event.outcome, event.data["applied"]) == ("unknown", True)
    assert "doubt" not in event.data


def test_throttled_call_never_reaches_the_service(tmp_path: Path) -> None:
    rig = Rig(tmp_path, Plan("at", Action("slow down", "throttle")))
    with pytest.raises(ClientError, match="ProvisionedThroughputExceeded"):
        rig.client.put_item(TableName="t")
    (event,) = rig.calls()
    assert (rig.real.calls, event.outcome, event.data["applied"]) == ([], "failed", False)


@pytest.mark.parametrize(("place", "applied"), [("before", False), ("at", True), ("after", True)])
def test_crash_says_whether_the_call_was_done_and_no_call_follows(
    tmp_path: Path, place: Place, applied: bool
) -> None:
    rig = Rig(tmp_path, Plan(place, Action("die", "crash")))
    done: list[str] = []
    rig.network.applied = lambda name, _: done.append(name)
    for _ in range(2):
        with pytest.raises(Crashed):
            rig.client.put_item(TableName="t")
    (event,) = rig.calls()
    assert (event.outcome, event.data["error"], event.data["applied"]) == ("unknown", "Killed", applied)
    assert len(rig.real.calls) == len(done) == int(applied)
