"""The DynamoDB model in time: lagging reads, late expiry, throttling, cost, and memory."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from clef_sim.kernel.choices import Seeded
from clef_sim.services import DynamoDB, Limits, ReplicaLag, TtlDelay

START_S = 1_767_225_600.0


class Clock:
    def __init__(self) -> None:
        self.now_s = START_S

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


def database(clock: Clock, limits: Limits | None = None, **settings: Any) -> DynamoDB:
    db = DynamoDB(clock, limits=limits or Limits.none(), **settings)
    db.create_table(
        TableName="t",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
        BillingMode="PAY_PER_REQUEST",
    )
    return db


def put(db: DynamoDB, sk: str, value: str, pk: str = "p", **more: Any) -> None:
    db.put_item(TableName="t", Item={"pk": {"S": pk}, "sk": {"S": sk}, "v": {"S": value}, **more})


def delete(db: DynamoDB, sk: str, pk: str = "p") -> None:
    db.delete_item(TableName="t", Key={"pk": {"S": pk}, "sk": {"S": sk}})


def get(db: DynamoDB, sk: str, consistent: bool = False) -> str | None:
    key = {"pk": {"S": "p"}, "sk": {"S": sk}}
    item = db.get_item(TableName="t", Key=key, ConsistentRead=consistent).get("Item")
    return item["v"]["S"] if item else None


def query(db: DynamoDB, consistent: bool = False) -> list[str]:
    answer = db.query(
        TableName="t",
        KeyConditionExpression="pk = :p",
        ExpressionAttributeValues={":p": {"S": "p"}},
        ConsistentRead=consistent,
    )
    return [item["sk"]["S"] + item["v"]["S"] for item in answer["Items"]]


def scan(db: DynamoDB, consistent: bool = False) -> list[str]:
    items = db.scan(TableName="t", ConsistentRead=consistent)["Items"]
    return sorted(item["sk"]["S"] + item["v"]["S"] for item in items)


# eventual reads


def test_eventual_reads_show_the_state_before_a_lagging_write_and_strong_ones_never(clock: Clock) -> None:
    db = database(clock)
    put(db, "a", "1")
    put(db, "b", "1")
    db.force_lag("t", 5.0)
    put(db, "a", "2")
    delete(db, "b")
    put(db, "c", "1")
    assert (get(db, "a"), get(db, "b"), get(db, "c")) == ("1", "1", None)
    assert query(db) == scan(db) == ["a1", "b1"]
    assert (get(db, "a", True), get(db, "b", True), get(db, "c", True)) == ("2", None, "1")
    assert query(db, True) == scan(db, True) == ["a2", "c1"]
    clock.now_s += 5.0
    assert (get(db, "a"), get(db, "b"), get(db, "c")) == ("2", None, "1")
    assert query(db) == scan(db) == ["a2", "c1"]


def test_replica_shows_writes_of_an_item_in_their_order(clock: Clock) -> None:
    db = database(clock)
    put(db, "a", "1")
    db.force_lag("t", 10.0)
    put(db, "a", "2")
    clock.now_s += 1
    db.force_lag("t", 3.0)
    put(db, "a", "3")
    assert get(db, "a") == "1"
    clock.now_s += 3
    assert get(db, "a") == "3"
    db.force_lag("t", 10.0)
    put(db, "a", "4")
    db.force_lag("t", None)
    put(db, "a", "5")
    assert get(db, "a") == "5"


def test_eventual_read_of_a_partition_all_of_which_is_new_or_gone(clock: Clock) -> None:
    db = database(clock)
    put(db, "a", "1")
    db.force_lag("t", 5.0)
    delete(db, "a")
    put(db, "z", "1", pk="other")
    assert query(db) == scan(db) == ["a1"]
    assert query(db, True) == []
    assert scan(db, True) == ["z1"]


def test_drawn_lag_strikes_one_write_in_two_hundred(clock: Clock) -> None:
    lag = ReplicaLag(Seeded(7).stream("lag.dynamodb"))
    drawn = [lag() for _ in range(100_000)]
    late = [each for each in drawn if each > 0]
    assert 400 < len(late) < 600
    assert 0.017 < sum(late) / len(late) < 0.023


def test_past_is_forgotten_once_it_is_visible(clock: Clock) -> None:
    db = database(clock, lag_s=lambda: 0.02)
    for number in range(5_000):
        put(db, str(number % 10), str(number), pk=str(number % 100))
        clock.now_s += 0.01
    table = db._table("t")
    assert len(table._past) <= 3
    assert len(table._past_ends) <= 3


# expiry


def test_expired_item_stays_readable_until_its_late_removal(clock: Clock) -> None:
    db = database(clock, ttl_delay_s=lambda: 3600.0)
    db.update_time_to_live(TableName="t", TimeToLiveSpecification={"Enabled": True, "AttributeName": "until"})
    put(db, "a", "1", until={"N": str(int(START_S) + 60)})
    put(db, "b", "1", until={"S": "soon"})
    put(db, "c", "1")
    clock.now_s += 3659
    assert query(db) == ["a1", "b1", "c1"]
    clock.now_s += 1
    assert query(db) == ["b1", "c1"]


def test_expiry_that_was_moved_or_taken_off_does_not_strike(clock: Clock) -> None:
    db = database(clock)
    db.update_time_to_live(TableName="t", TimeToLiveSpecification={"Enabled": True, "AttributeName": "until"})
    soon, later = ({"N": str(int(START_S) + seconds)} for seconds in (60, 120))
    put(db, "moved", "", until=soon)
    put(db, "moved", "", until=later)
    put(db, "kept", "", until=soon)
    put(db, "kept", "")
    put(db, "again", "", until=soon)
    delete(db, "again")
    put(db, "again", "", until=later)
    clock.now_s += 61
    assert query(db) == ["again", "kept", "moved"]
    clock.now_s += 60
    assert query(db) == ["kept"]


def test_expiry_switched_on_later_covers_what_is_there(clock: Clock) -> None:
    db = database(clock)
    put(db, "a", "", until={"N": str(int(START_S) + 60)})
    db.update_time_to_live(TableName="t", TimeToLiveSpecification={"Enabled": True, "AttributeName": "until"})
    clock.now_s += 60
    assert query(db) == []


def test_drawn_delay_is_at_most_two_days() -> None:
    delay = TtlDelay(Seeded(7).stream("ttl.dynamodb"))
    drawn = [delay() for _ in range(1_000)]
    assert 0 <= min(drawn) < 3600 * 2
    assert 46 * 3600 < max(drawn) <= 48 * 3600


def test_rewritten_expiries_are_not_kept(clock: Clock) -> None:
    db = database(clock)
    db.update_time_to_live(TableName="t", TimeToLiveSpecification={"Enabled": True, "AttributeName": "until"})
    for number in range(5_000):
        put(db, str(number % 10), "", until={"N": str(int(START_S) + 1_000_000 + number)})
    assert len(db._table("t").expiries) < 200


# throttling and cost


def code_of(call: Any) -> str | None:
    try:
        call()
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return None


def test_hot_partition_takes_a_thousand_writes_a_second_and_leaves_others_alone(clock: Clock) -> None:
    db = database(clock, Limits(table_wru_s=None, table_rru_s=None))
    taken = 0
    for number in range(4_000):
        clock.now_s = START_S + 1 + number / 2_000  # two seconds of twice the rate
        taken += code_of(lambda: put(db, "a", "")) is None
    assert 2_950 <= taken <= 3_050  # a second's worth was saved up
    assert code_of(lambda: put(db, "a", "")) == "ThrottlingException"
    assert code_of(lambda: put(db, "a", "", pk="cold")) is None
    clock.now_s += 1.0
    assert code_of(lambda: put(db, "a", "")) is None


def test_throttled_write_changes_nothing_and_costs_nothing(clock: Clock) -> None:
    db = database(clock, Limits(partition_wru_s=1, table_wru_s=None))
    put(db, "a", "1")
    assert code_of(lambda: put(db, "a", "2")) == "ThrottlingException"
    assert (get(db, "a", True), db.consumed("t").wru) == ("1", 1)


def test_table_over_its_rate_throttles_every_partition(clock: Clock) -> None:
    db = database(clock, Limits(partition_wru_s=None, table_wru_s=10))
    codes = [code_of(lambda n=n: put(db, "a", "", pk=str(n))) for n in range(20)]
    assert codes.count(None) in (10, 11)  # a tenth of a second is not exact at this epoch


def test_batch_gives_back_what_is_throttled(clock: Clock) -> None:
    db = database(clock, Limits(partition_wru_s=1, table_wru_s=None))
    puts = [{"PutRequest": {"Item": {"pk": {"S": pk}, "sk": {"S": sk}}}} for pk, sk in ("aa", "ab", "bb")]
    assert db.batch_write_item(RequestItems={"t": puts})["UnprocessedItems"] == {"t": [puts[1]]}
    assert code_of(lambda: db.batch_write_item(RequestItems={"t": puts[:2]})) == "ThrottlingException"


def test_throttled_transaction_is_cancelled_with_the_reason(clock: Clock) -> None:
    db = database(clock, Limits(partition_wru_s=1, table_wru_s=None))
    writes = [{"Put": {"TableName": "t", "Item": {"pk": {"S": "p"}, "sk": {"S": sk}}}} for sk in "ab"]
    with pytest.raises(ClientError) as caught:
        db.transact_write_items(TransactItems=writes)
    codes = [reason["Code"] for reason in caught.value.response["CancellationReasons"]]
    assert codes == ["None", "ThrottlingError"]
    assert scan(db) == []


def test_cost_is_counted_by_size_consistency_and_transaction(clock: Clock) -> None:
    db = database(clock)
    cost = db.consumed("t")

    def spent(call: Any) -> tuple[float, float]:
        before = (cost.wru, cost.rru)
        code_of(call)
        return cost.wru - before[0], cost.rru - before[1]

    key = {"pk": {"S": "p"}, "sk": {"S": "a"}}
    large = {**key, "v": {"S": "x" * 4_500}}
    condition = {"ConditionExpression": "attribute_not_exists(pk)"}
    assert spent(lambda: db.put_item(TableName="t", Item=large)) == (5, 0)
    assert spent(lambda: db.put_item(TableName="t", Item=large, **condition)) == (5, 0)
    assert spent(lambda: db.get_item(TableName="t", Key=key)) == (0, 1)
    assert spent(lambda: db.get_item(TableName="t", Key=key, ConsistentRead=True)) == (0, 2)
    assert spent(lambda: db.get_item(TableName="t", Key={**key, "sk": {"S": "none"}})) == (0, 0.5)
    assert spent(lambda: db.transact_get_items(TransactItems=[{"Get": {"TableName": "t", "Key": key}}])) == (0, 4)
    assert spent(lambda: db.transact_write_items(TransactItems=[{"Put": {"TableName": "t", "Item": key}}])) == (10, 0)
    assert spent(lambda: delete(db, "a")) == (1, 0)
    grow = {"UpdateExpression": "SET v = :v", "ExpressionAttributeValues": {":v": {"S": "x" * 2_500}}}
    assert spent(lambda: db.update_item(TableName="t", Key=key, **grow)) == (3, 0)


def test_meters_of_idle_partitions_are_dropped(clock: Clock) -> None:
    db = database(clock, Limits())
    for number in range(10_000):
        put(db, "a", "", pk=str(number))
        delete(db, "a", pk=str(number))
        clock.now_s += 0.01
    meter = db._table("t")._write_meters[0]
    assert meter is not None
    assert len(meter._full_at) <= 1_025
    assert db.stored("t") == (0, 0)
