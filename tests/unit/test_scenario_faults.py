"""Faults armed from a scenario: their names, when they strike, and that they stop."""

from __future__ import annotations

from clef_sim.faults import Armed, Faults
from clef_sim.faults_tables import TableFaults
from clef_sim.history import History
from clef_sim.kernel.choices import Seeded
from clef_sim.kernel.threads import Kernel
from clef_sim.scenario import ClockSkew, Duplicate, FaultSpec, StaleRead, Throttle
from clef_sim.services.dynamodb import DynamoDB


def armed(*specs: FaultSpec) -> tuple[Kernel, Faults]:
    kernel = Kernel()
    faults = Faults(specs, kernel, Seeded(1))
    faults.begin(0.0)
    return kernel, faults


def strikes(fault: Armed, times: int) -> list[bool]:
    return [fault.strikes() for _ in range(times)]


def test_faults_of_one_kind_and_place_have_names_of_their_own() -> None:
    _, faults = armed(Duplicate(queue="mail"), Duplicate(queue="mail", after_s=1.0), Duplicate(queue="web"))
    assert [each.name for each in faults.armed] == ["duplicate on mail", "duplicate on mail (2)", "duplicate on web"]


def test_fault_strikes_after_skip_for_times() -> None:
    _, faults = armed(Throttle(call="dynamodb.PutItem", skip=2, times=2))
    assert strikes(faults.armed[0], 6) == [False, False, True, True, False, False]


def test_fault_strikes_between_from_and_until() -> None:
    kernel, faults = armed(Throttle(call="dynamodb.PutItem", times=None, from_s=1.0, until_s=2.0))
    found = []
    for until_s in (0.5, 1.0, 1.9, 2.0):
        kernel.run(until=until_s)
        found.append(faults.armed[0].strikes())
    assert found == [False, True, True, False]


def test_fault_without_end_stops_with_all_others() -> None:
    _, faults = armed(Throttle(call="dynamodb.PutItem", times=None))
    assert faults.armed[0].strikes()
    faults.stop()
    assert not faults.armed[0].strikes()


def test_clock_skew_leaves_its_trace() -> None:
    kernel, faults = armed(ClockSkew(function="evaluator", skew_s=-5.0))
    history = History(kernel)
    assert faults.skew_s("orders-web", history) == 0.0
    assert [faults.skew_s("orders-evaluator", history) for _ in range(2)] == [-5.0, 0.0]
    assert [event.name for event in history] == ["clock skew in evaluator"]


# ---- stale reads


class Shop:
    """One table and a fault on it."""

    def __init__(self, times: int | None) -> None:
        self.kernel, self.faults = armed(StaleRead(table="log", lag_s=2.0, times=times))
        self.history = History(self.kernel)
        self.dynamodb = DynamoDB(lambda: self.kernel.now)
        for table in ("shop-log", "shop-state"):
            self.dynamodb.create_table(
                TableName=table,
                KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
                AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
                BillingMode="PAY_PER_REQUEST",
            )
        self.tables = TableFaults(self.faults, self.history, self.dynamodb)
        self.tables.begin()

    def put(self, table: str = "shop-log") -> None:
        self.dynamodb.put_item(TableName=table, Item={"pk": {"S": "a"}})

    def sees(self, table: str = "shop-log", *, consistent: bool = False) -> bool:
        return "Item" in self.dynamodb.get_item(TableName=table, Key={"pk": {"S": "a"}}, ConsistentRead=consistent)

    @property
    def told(self) -> list[str]:
        return [event.data["does"] for event in self.history]


def test_stale_read_hides_young_writes_from_eventual_reads_alone() -> None:
    shop = Shop(times=None)
    shop.put()
    assert (shop.sees(), shop.sees(consistent=True)) == (False, True)
    assert shop.told == ["stale", "read past it"]
    shop.kernel.run(until=2.5)
    assert shop.sees()
    assert len(shop.told) == 2


def test_stale_read_strikes_as_often_as_asked_and_only_its_table() -> None:
    shop = Shop(times=1)
    shop.put()
    shop.put("shop-state")
    assert [shop.sees("shop-state"), shop.sees(), shop.sees()] == [True, False, True]
    assert shop.told == ["stale"]


def test_stale_read_is_over_when_faults_stop() -> None:
    shop = Shop(times=None)
    shop.put()
    shop.faults.stop()
    shop.tables.stop()
    shop.put()
    assert shop.sees()
    assert shop.told == []
