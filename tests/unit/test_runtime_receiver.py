"""What each delivery promises when an invocation comes twice, or an action fails."""

from __future__ import annotations

import pytest

from clef_runtime.action_log.memory import MemoryActionLog
from clef_runtime.concept import Catalogue, Concept, Tools
from clef_runtime.context import SystemClock, SystemIds
from clef_runtime.errors import BadInput, Indeterminate, NotFound
from clef_runtime.model import Invocation, Outcome, Record, completion_id, ok
from clef_runtime.receiver import Delivery, Receiver
from clef_runtime.storage.memory import MemoryStorage

INVOCATION = Invocation(
    id="i1",
    concept="urn:clef/Counter",
    action="add",
    input={"by": 2},
    flow="f",
    timestamp="2026-01-01T00:00:00.000Z",
)


class Setting:
    def __init__(self, delivery: Delivery) -> None:
        self.storage = MemoryStorage()
        self.log = MemoryActionLog(SystemClock())
        self.failure: Exception | None = None
        self.meanwhile = 0
        counter = Concept("Counter")

        @counter.action
        def add(record: Record, tools: Tools) -> Outcome:
            if self.failure:
                raise self.failure
            count = (tools.storage.get("count", "it") or {"n": 0})["n"]
            if self.meanwhile:
                self.meanwhile -= 1
                self.storage.put("count", "it", {"n": 100})
            tools.storage.put("count", "it", {"n": count + record["by"]})
            return ok(n=count + record["by"])

        self.receiver = Receiver(
            Catalogue([counter]), lambda _: self.storage, self.log, SystemClock(), SystemIds(), delivery
        )

    @property
    def count(self) -> int:
        return int((self.storage.get("count", "it") or {"n": 0})["n"])


@pytest.mark.parametrize(("delivery", "count"), [("plain", 4), ("recorded", 2), ("transactional", 2)])
def test_receiver_when_an_invocation_comes_twice_takes_effect_as_its_delivery_says(
    delivery: Delivery, count: int
) -> None:
    setting = Setting(delivery)
    first, second = setting.receiver.run(INVOCATION), setting.receiver.run(INVOCATION)
    assert setting.count == count
    assert first.id == second.id == completion_id("i1")
    assert (first == second) == (delivery != "plain")


def test_receiver_transactional_when_a_row_changed_meanwhile_runs_again_on_the_new_value() -> None:
    setting = Setting("transactional")
    setting.meanwhile = 1
    assert setting.receiver.run(INVOCATION).output == {"n": 102}
    assert setting.count == 102


@pytest.mark.parametrize("delivery", ["plain", "recorded", "transactional"])
def test_receiver_when_an_action_raises_completes_with_the_error_variant(delivery: Delivery) -> None:
    setting = Setting(delivery)
    setting.failure = ValueError("boom")
    completion = setting.receiver.run(INVOCATION)
    assert (completion.variant, completion.output) == ("error", {"message": "ValueError: boom"})


@pytest.mark.parametrize("delivery", ["plain", "recorded", "transactional"])
def test_receiver_when_a_service_fails_lets_the_invocation_come_again(delivery: Delivery) -> None:
    setting = Setting(delivery)
    setting.failure = Indeterminate("no answer")
    with pytest.raises(Indeterminate):
        setting.receiver.run(INVOCATION)
    assert setting.log.get("f", completion_id("i1")) is None
    setting.failure = None
    assert setting.receiver.run(INVOCATION).variant == "ok"


def test_receiver_of_an_unknown_action_completes_with_an_error_that_names_the_known_ones() -> None:
    completion = Setting("plain").receiver.run(
        Invocation(id="i", concept="urn:clef/Counter", action="sub", input={}, flow="f", timestamp="t")
    )
    assert completion.output == {"message": "Counter has no action 'sub'; it has add"}


def test_receiver_of_an_unknown_concept_raises() -> None:
    with pytest.raises(NotFound, match="urn:clef/Nobody"):
        Setting("plain").receiver.run(
            Invocation(id="i", concept="urn:clef/Nobody", action="x", input={}, flow="f", timestamp="t")
        )


def test_receiver_with_a_delivery_that_needs_a_log_and_none_is_refused() -> None:
    with pytest.raises(BadInput, match="needs an action log"):
        Receiver(Catalogue([]), lambda _: MemoryStorage(), None, SystemClock(), SystemIds(), "recorded")
