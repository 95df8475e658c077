"""DynamoDB, as boto3's low-level client shows it: the part that the runtime calls, in memory.

Modelled: conditional writes, transactions, batches, paged queries and scans, eventual reads that lag,
throttling of a hot partition and of the table, expiry that is late, sizes and limits, capacity units.
Left out, and refused by name: indexes, streams, legacy conditions, PartiQL, parallel scans, backups,
consumed capacity in answers (see `consumed`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from clef_sim.services.dynamodb import batches, transactions
from clef_sim.services.dynamodb.expressions import plan_of
from clef_sim.services.dynamodb.rates import Consumed, Delay, Limits, no_delay, read_units
from clef_sim.services.dynamodb.reads import query, scan
from clef_sim.services.dynamodb.schema import describe, schema_from
from clef_sim.services.dynamodb.table import Table
from clef_sim.services.dynamodb.values import Item, invalid
from clef_sim.services.dynamodb.writes import Write, check_returns, returned
from clef_sim.services.sdk import METADATA, Answer, Exceptions, Refusal, Request, Unmodelled, operation

_WRITE = (
    "ConditionExpression",
    "ExpressionAttributeNames",
    "ExpressionAttributeValues",
    "ReturnValues",
    "ReturnValuesOnConditionCheckFailure",
)
_READ = (
    "ConsistentRead",
    "ExclusiveStartKey",
    "ExpressionAttributeNames",
    "ExpressionAttributeValues",
    "FilterExpression",
    "Limit",
    "ProjectionExpression",
    "Select",
)
_CONFLICT = "Transaction is ongoing for the item"


class DynamoDB:
    """An in-memory account. Every call is atomic; none blocks.

    Args:
        clock_now: epoch seconds.
        limits: throughput, in units a second.
        lag_s: how long (s) eventual reads miss a write, drawn per write; see `ReplicaLag`. Default: never.
        ttl_delay_s: how long (s) an expired item stays, drawn per item; see `TtlDelay`. Default: it goes at
            the first call to its table after its expiry.
    """

    exceptions = Exceptions()

    def __init__(
        self,
        clock_now: Callable[[], float],
        *,
        limits: Limits | None = None,
        lag_s: Delay = no_delay,
        ttl_delay_s: Delay = no_delay,
    ) -> None:
        self._now = clock_now
        self._limits = limits or Limits()
        self._lag_s, self._ttl_delay_s = lag_s, ttl_delay_s
        self._tables: dict[str, Table] = {}
        self._tokens = transactions.Tokens()
        self.conflict: Callable[[str, str, Item], bool] | None = None
        """Asked before each write and each read in a transaction, with (operation, table, key): True
        makes it collide with a transaction that is under way."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise Unmodelled(f"DynamoDB.{name} is not modelled")

    # for the simulator

    @property
    def tables(self) -> tuple[str, ...]:
        """Their names, in the order of their creation."""
        return tuple(self._tables)

    def consumed(self, table: str) -> Consumed:
        """The table's cost so far, in read and write units."""
        return self._table(table).consumed

    def stored(self, table: str) -> tuple[int, int]:
        """(items, bytes) in the table."""
        rows = self._table(table).rows
        return rows.count, rows.bytes

    def force_lag(self, table: str, lag_s: float | None, on_lag: Callable[[bool], bool] | None = None) -> None:
        """From now on eventual reads of `table` miss every write for `lag_s` (s, >= 0); None: as drawn.

        Args:
            on_lag: see `Table`.
        """
        found = self._table(table)
        found.forced_lag_s, found.on_lag = lag_s, on_lag

    def _table(self, name: str) -> Table:
        return self._table_at(name, self._now())

    def _table_at(self, name: str, now: float) -> Table:
        table = self._tables.get(name)
        if table is None:
            raise Refusal("ResourceNotFoundException", "Requested resource not found")
        if table.expiries and table.expiries[0][0] <= now:
            table.sweep(now)
        return table

    # tables

    @operation(
        "CreateTable",
        required=("TableName", "KeySchema", "AttributeDefinitions"),
        optional=("BillingMode", "ProvisionedThroughput"),
    )
    def create_table(self, request: Request) -> Answer:
        """Creates a table, ready at once."""
        schema, rates = schema_from(request, self._limits, self._now())
        if schema.name in self._tables:
            raise Refusal("ResourceInUseException", f"Table already exists: {schema.name}")
        table = Table(schema, rates, lag_s=self._lag_s, ttl_delay_s=self._ttl_delay_s)
        self._tables[schema.name] = table
        return {"TableDescription": describe(table), "ResponseMetadata": METADATA}

    @operation("DescribeTable", required=("TableName",))
    def describe_table(self, request: Request) -> Answer:
        """The keys, the status and the size."""
        name = request["TableName"]
        if name not in self._tables:
            raise Refusal("ResourceNotFoundException", f"Requested resource not found: Table: {name} not found")
        return {"Table": describe(self._table(name)), "ResponseMetadata": METADATA}

    @operation("UpdateTimeToLive", required=("TableName", "TimeToLiveSpecification"))
    def update_time_to_live(self, request: Request) -> Answer:
        """Names the attribute that holds an item's expiry, or switches expiry off; in force at once."""
        table = self._table(request["TableName"])
        wanted = request["TimeToLiveSpecification"]
        if wanted["Enabled"]:
            if table.ttl_name is not None:
                raise invalid("TimeToLive is already enabled")
            table.enable_ttl(wanted["AttributeName"])
        else:
            if table.ttl_name is None:
                raise invalid("TimeToLive is already disabled")
            table.disable_ttl()
        return {"TimeToLiveSpecification": dict(wanted), "ResponseMetadata": METADATA}

    # single items

    def _write(self, kind: str, name: str, request: Request) -> Answer:
        now = self._now()
        write = Write(self._table_at(request["TableName"], now), kind, request)
        returns = request.get("ReturnValues", "NONE")
        if returns != "NONE":
            check_returns(write, returns)
        if self.conflict is not None and self.conflict(name, write.table.name, write.key_item()):
            raise Refusal("TransactionConflictException", _CONFLICT)
        write.charge(now)
        write.check()
        if kind == "update":
            write.compute(now)
        old, new = write.old, write.new
        if old is not None or new is not None:
            write.table.commit(write.pk, write.sk, old, new, now)
        if returns != "NONE":
            attributes = returned(write, returns)
            if attributes is not None:
                return {"Attributes": attributes, "ResponseMetadata": METADATA}
        return {"ResponseMetadata": METADATA}

    @operation("PutItem", required=("TableName", "Item"), optional=_WRITE)
    def put_item(self, request: Request) -> Answer:
        """Stores an item in place of the one with its key."""
        return self._write("put", "PutItem", request)

    @operation("DeleteItem", required=("TableName", "Key"), optional=_WRITE)
    def delete_item(self, request: Request) -> Answer:
        """Removes an item, if it is there."""
        return self._write("delete", "DeleteItem", request)

    @operation("UpdateItem", required=("TableName", "Key"), optional=(*_WRITE, "UpdateExpression"))
    def update_item(self, request: Request) -> Answer:
        """Changes attributes of an item; creates it where it is not there."""
        return self._write("update", "UpdateItem", request)

    @operation(
        "GetItem",
        required=("TableName", "Key"),
        optional=("ConsistentRead", "ExpressionAttributeNames", "ProjectionExpression"),
    )
    def get_item(self, request: Request) -> Answer:
        """The item; without `ConsistentRead`, possibly an older one."""
        now = self._now()
        table = self._table_at(request["TableName"], now)
        plan = plan_of(request, ("ProjectionExpression",))
        names, _ = plan.bind(request)
        pk, sk = table.exact_key(request["Key"])
        consistent = request.get("ConsistentRead", False)
        stored = table.get(pk, sk, consistent, now)
        units = 1 if stored is None else read_units(stored[1])
        table.charge_read(pk, units if consistent else units / 2, now)
        if stored is None:
            return {"ResponseMetadata": METADATA}
        return {"Item": plan.project(stored[0], names), "ResponseMetadata": METADATA}

    # many items

    @operation("Query", required=("TableName", "KeyConditionExpression"), optional=(*_READ, "ScanIndexForward"))
    def query(self, request: Request) -> Answer:
        """One page of a partition, by sort key."""
        now = self._now()
        return query(self._table_at(request["TableName"], now), request, now)

    @operation("Scan", required=("TableName",), optional=_READ)
    def scan(self, request: Request) -> Answer:
        """One page of a table, in no order that means anything."""
        return scan(self._table(request["TableName"]), request, self._now())

    @operation("BatchGetItem", required=("RequestItems",))
    def batch_get_item(self, request: Request) -> Answer:
        """Up to 100 items; what is throttled or over 16 MB comes back as `UnprocessedKeys`."""
        return batches.get(self._table, request, self._now())

    @operation("BatchWriteItem", required=("RequestItems",))
    def batch_write_item(self, request: Request) -> Answer:
        """Up to 25 puts and deletes, not atomic; what is throttled comes back as `UnprocessedItems`."""
        return batches.write(self._table, request, self._now())

    @operation("TransactWriteItems", required=("TransactItems",), optional=("ClientRequestToken",))
    def transact_write_items(self, request: Request) -> Answer:
        """Up to 100 writes and checks: all or none. With a token, the same request is done once in 10 min."""
        return transactions.write(self._table_at, self._tokens, self.conflict, request, self._now())

    @operation("TransactGetItems", required=("TransactItems",))
    def transact_get_items(self, request: Request) -> Answer:
        """Up to 100 items as they are at one instant."""
        return transactions.get(self._table, self.conflict, request, self._now())
