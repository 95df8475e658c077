"""SDK calls over the network: latency, crash points, time-outs, throttles, history."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from clef_runtime.errors import BadInput
from clef_sim.history import History
from clef_sim.kernel.choices import Replay, Seeded
from clef_sim.kernel.instance import Instance
from clef_sim.kernel.threads import Kernel, Killed
from clef_sim.network import Action, Call, Kind, Network, Place, operation_name
from clef_sim.profiles import profile
from clef_sim.services.sdk import Refusal, Unmodelled, client_error


class Model:
    """A table of one item; says when it was called."""

    exceptions = "the model's own"

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.applied_at: list[float] = []

    def put_item(self, **kwargs: Any) -> dict[str, Any]:
        if kwargs.get("fail"):
            raise client_error(Refusal("ConditionalCheckFailedException", "no"), "PutItem")
        self.applied_at.append(self.kernel.now)
        return {"n": len(self.applied_at)}

    def frobnicate(self) -> None: ...


class Strike:
    """Strikes the n-th PutItem at one place."""

    def __init__(self, place: Place, action: Action, number: int = 1) -> None:
        self.place, self.action, self.number = place, action, number
        self.seen: list[tuple[Place, int, bool, str]] = []

    def watches(self, service: str, operation: str) -> bool:
        return (service, operation) == ("dynamodb", "PutItem")

    def _at(self, place: Place, call: Call) -> Action | None:
        self.seen.append((place, call.number, call.applied, call.error))
        return self.action if (place, call.number) == (self.place, self.number) else None

    def before(self, call: Call) -> Action | None:
        return self._at("before", call)

    def at(self, call: Call) -> Action | None:
        return self._at("at", call)

    def after(self, call: Call) -> Action | None:
        return self._at("after", call)


class World:
    def __init__(self, faults: Any = None, choices: Any = None) -> None:
        self.kernel = Kernel()
        self.history = History(self.kernel)
        self.choices = choices or Seeded(3)
        self.network = Network(self.kernel, self.choices, self.history, profile("aws"), faults)
        self.instance = Instance("i1", memory_mb=256)
        self.model = Model(self.kernel)
        self.client = self.network.client("dynamodb", self.model, self.instance)
        self.ended: list[Any] = []

    def run(self, body: Callable[[], Any]) -> None:
        def ends() -> None:
            try:
                self.ended.append(body())
            except BaseException as error:
                self.ended.append(error)
                raise

        self.kernel.spawn(ends, who="i1:1", instance=self.instance)
        self.kernel.run()

    def events(self, kind: str) -> list[tuple[str, str, dict[str, Any]]]:
        return [(e.name, e.outcome, e.data) for e in self.history if e.kind == kind]


def test_call_is_applied_halfway_and_recorded_with_its_latency() -> None:
    world = World()
    world.run(lambda: world.client.put_item(Item=1))
    [(name, outcome, data)] = world.events("sdk")
    assert (name, outcome, data["error"], data["applied"]) == ("dynamodb.PutItem", "ok", "", True)
    drawn_ms = world.choices.log.values[0]
    assert data["ms"] == pytest.approx(drawn_ms + 10.0, abs=0.001)  # 256 MB: 10 ms of client CPU
    assert world.model.applied_at == [pytest.approx(data["ms"] / 2000, abs=1e-6)]
    assert world.ended == [{"n": 1}]


def test_call_of_an_operation_without_a_latency_is_refused_by_name() -> None:
    world = World()
    with pytest.raises(BadInput, match=r"'aws' has no latency 'dynamodb.Frobnicate'"):
        world.client.frobnicate  # noqa: B018  the attribute is what is asked for
    assert world.client.exceptions == "the model's own"
    with pytest.raises(AttributeError):
        world.client.put_itme  # noqa: B018


def test_refused_call_is_recorded_as_failed_and_raises_the_services_error() -> None:
    world = World()

    def body() -> str:
        with pytest.raises(ClientError) as caught:
            world.client.put_item(fail=True)
        return str(caught.value.response["Error"]["Code"])

    world.run(body)
    assert world.ended == ["ConditionalCheckFailedException"]
    [(_, outcome, data)] = world.events("sdk")
    assert (outcome, data["error"], data["applied"]) == ("failed", "ConditionalCheckFailedException", False)


def test_same_seed_has_the_same_digest_and_a_replay_too() -> None:
    def digest(choices: Any) -> str:
        world = World(choices=choices)
        world.run(lambda: [world.client.put_item() for _ in range(20)])
        return world.history.digest

    first = Seeded(5)
    digests = [digest(first), digest(Seeded(5)), digest(Replay(first.log))]
    assert len(set(digests)) == 1
    assert digest(Seeded(6)) not in digests


@pytest.mark.parametrize(("place", "applied"), [("before", False), ("at", True), ("after", True)])
def test_crash_kills_the_instance_at_its_place(place: Place, applied: bool) -> None:
    world = World(Strike(place, Action("dies", "crash")))
    world.run(lambda: world.client.put_item())
    assert bool(world.model.applied_at) is applied
    assert not world.instance.alive
    assert isinstance(world.ended[0], Killed)
    [(name, outcome, data)] = world.events("sdk")
    assert (outcome, data["error"], data["applied"]) == ("unknown", "Killed", applied)
    [(name, _, data)] = world.events("fault")
    assert (name, data["does"], data["place"], data["target"]) == ("dies", "crash", place, "dynamodb.PutItem")


def test_kill_between_apply_and_answer_is_recorded_as_unknown_and_applied() -> None:
    world = World()
    world.model.put_item = lambda: world.kernel.call_later(0.0, lambda: world.instance.kill("host"))
    world.run(lambda: world.client.put_item())
    [(_, outcome, data)] = world.events("sdk")
    assert (outcome, data["applied"]) == ("unknown", True)


def test_throttle_is_not_applied_and_raises_the_services_code() -> None:
    world = World(Strike("at", Action("slow down", "throttle"), number=2))

    def body() -> None:
        world.client.put_item()
        with pytest.raises(ClientError, match="ProvisionedThroughputExceeded"):
            world.client.put_item()
        world.client.put_item()

    world.run(body)
    assert len(world.model.applied_at) == 2


def test_applied_then_timeout_applies_and_raises_after_the_clients_timeout() -> None:
    world = World(Strike("at", Action("lost answer", "applied_then_timeout", 2.0)))

    def body() -> float:
        with pytest.raises(ReadTimeoutError):
            world.client.put_item()
        return world.kernel.now

    world.run(body)
    assert world.ended == [pytest.approx(2.0)]
    assert len(world.model.applied_at) == 1
    [(_, outcome, data)] = world.events("sdk")
    assert (outcome, data["applied"]) == ("unknown", True)


@pytest.mark.parametrize("kind", ["freeze", "delay"])
def test_freeze_and_delay_before_a_call_hold_it_back(kind: Kind) -> None:
    world = World(Strike("before", Action("held", kind, 5.0)))
    world.run(lambda: world.client.put_item())
    half_s = (world.choices.log.values[0] + 10.0) / 2000.0
    assert world.model.applied_at == [pytest.approx(5.0 + half_s)]
    assert not world.instance.frozen
    events = ["frozen", "thawed"] if kind == "freeze" else []
    assert [name for name, _, _ in world.events("instance")] == events


def test_conflict_refuses_a_write_with_the_services_own_error() -> None:
    world = World(Strike("at", Action("held", "conflict")))

    def body(items: dict[str, Any]) -> Any:
        with pytest.raises(ClientError) as caught:
            world.client.put_item(**items)
        return caught.value.response

    world.run(lambda: body({}))
    assert world.ended[0]["Error"]["Code"] == "TransactionConflictException"
    world = World(Strike("at", Action("held", "conflict")))
    world.run(lambda: body({"TransactItems": [{"Put": {}}, {"Put": {}}]}))
    assert world.ended[0]["Error"]["Code"] == "TransactionCanceledException"
    assert [r["Code"] for r in world.ended[0]["CancellationReasons"]] == ["TransactionConflict", "None"]
    assert world.model.applied_at == []


def test_unmodelled_call_ends_the_run_whatever_the_handler_catches() -> None:
    world = World()

    def refuses(**_: Any) -> None:
        raise Unmodelled("PutItem: Frob is not modelled")

    world.model.put_item = refuses

    def body() -> None:
        try:
            world.client.put_item(Frob=1)
        except Exception:
            pytest.fail("swallowed")

    with pytest.raises(Unmodelled, match="Frob is not modelled"):
        world.run(body)


def test_plan_sees_each_place_with_what_is_known_there() -> None:
    plan = Strike("after", Action("dies", "crash"), number=99)
    world = World(plan)

    def body() -> None:
        world.client.put_item()
        with pytest.raises(ClientError):
            world.client.put_item(fail=True)

    world.run(body)
    assert plan.seen == [
        ("before", 1, False, ""),
        ("at", 1, False, ""),
        ("after", 1, True, ""),
        ("before", 2, False, ""),
        ("at", 2, False, ""),
        ("after", 2, False, "ConditionalCheckFailedException"),
    ]


@pytest.mark.parametrize(("place", "kind"), [("before", "throttle"), ("at", "delay"), ("after", "conflict")])
def test_action_at_a_place_where_it_cannot_strike_is_refused(place: Place, kind: Kind) -> None:
    world = World(Strike(place, Action("odd", kind)))
    with pytest.raises(BadInput, match=rf"kind\(='{kind}'\) cannot strike {place}"):
        world.run(lambda: world.client.put_item())


def test_operation_name_of_sdk_methods() -> None:
    assert [operation_name(m) for m in ("put_item", "send_message_batch", "get_queue_url")] == [
        "PutItem",
        "SendMessageBatch",
        "GetQueueUrl",
    ]
