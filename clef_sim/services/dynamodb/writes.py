"""Single-item writes: from a request to what is stored, in steps that transactions share.

prepare -> (read the old item) -> conflict? -> throttled? -> condition? -> new item -> commit
"""

from __future__ import annotations

from typing import Any

from clef_sim.services.dynamodb.expressions import NOTHING_BOUND, Plan, write_plan_of
from clef_sim.services.dynamodb.rates import write_units
from clef_sim.services.dynamodb.rows import Stored
from clef_sim.services.dynamodb.table import Table
from clef_sim.services.dynamodb.values import Item, invalid, measure
from clef_sim.services.sdk import Refusal, Request, Unmodelled

CONDITION_FAILED = "The conditional request failed"
_RETURNS = {
    "put": frozenset({"NONE", "ALL_OLD"}),
    "delete": frozenset({"NONE", "ALL_OLD"}),
    "update": frozenset({"NONE", "ALL_OLD", "UPDATED_OLD", "ALL_NEW", "UPDATED_NEW"}),
}


class Write:
    """One prepared write of one item. `kind`: put, update, delete or check (a condition alone)."""

    __slots__ = ("key", "kind", "names", "new", "old", "pk", "plan", "request", "sk", "table", "units", "values")

    def __init__(self, table: Table, kind: str, request: Request) -> None:
        self.table, self.kind, self.request = table, kind, request
        self.plan = plan = write_plan_of(request)
        if plan.bare and "ExpressionAttributeNames" not in request and "ExpressionAttributeValues" not in request:
            self.names = self.values = NOTHING_BOUND
        else:
            self.names, self.values = plan.bind(request)
        self.new: Stored | None = None
        self.key: Item = {}
        if kind == "put":
            self.new = measure(request["Item"])
            self.pk, self.sk = table.key_of(self.new[0])
        else:
            self.key = request["Key"]
            self.pk, self.sk = table.exact_key(self.key)
            if kind == "update":
                _keep_keys(table, plan, self.names)
        self.old = table.rows.get(self.pk, self.sk)
        self.units = 0

    def key_item(self) -> Item:
        return self.table.key_item(self.new[0]) if self.new is not None else self.key

    def charge(self, now: float, times: int = 1) -> None:
        """Pays for the write, by the larger of what is there and what is put. Raises Refusal where throttled."""
        size = 0 if self.old is None else self.old[1]
        if self.new is not None and self.new[1] > size:
            size = self.new[1]
        self.units = -(-size // 1024) or 1
        self.table.charge_write(self.pk, times * self.units, now)

    def check(self) -> None:
        """Raises Refusal (ConditionalCheckFailedException) where the condition does not hold."""
        condition = self.plan.condition
        old = self.old
        if condition is None or condition({} if old is None else old[0], self.names, self.values):
            return
        extra: dict[str, Any] = {}
        if old is not None and self.request.get("ReturnValuesOnConditionCheckFailure", "NONE") == "ALL_OLD":
            extra["Item"] = old[0].copy()
        raise Refusal("ConditionalCheckFailedException", CONDITION_FAILED, **extra)

    def compute(self, now: float, times: int = 1) -> None:
        """Finds the new item of an update, and pays for its growth. Raises Refusal where it cannot be applied.
        Other kinds have none to find."""
        base = self.key if self.old is None else self.old[0]
        update = self.plan.update
        self.new = measure(base if update is None else update(base, self.names, self.values))
        growth = write_units(self.new[1]) - self.units
        if growth > 0:
            self.table.owe_write(self.pk, times * growth, now)

    def commit(self, now: float) -> None:
        if self.kind != "check" and not (self.old is None and self.new is None):
            self.table.commit(self.pk, self.sk, self.old, self.new, now)


def _keep_keys(table: Table, plan: Plan, names: Any) -> None:
    schema = table.schema
    for root in plan.roots:
        name = names.get(root, root)
        if name == schema.pk_name or name == schema.sk_name:
            raise invalid(
                "One or more parameter values were invalid: "
                f"Cannot update attribute {name}. This attribute is part of the key"
            )


def check_returns(write: Write, wanted: str) -> None:
    if wanted not in _RETURNS[write.kind]:
        raise invalid("Return values set to invalid value")
    if wanted.startswith("UPDATED") and any(len(path) > 1 for path in write.plan.targets):
        raise Unmodelled(
            f"UpdateItem: ReturnValues={wanted} of a nested path is not modelled; use ALL_NEW or ALL_OLD"
        )


def returned(write: Write, wanted: str) -> Item | None:
    """What `ReturnValues` asks for; None where the answer has no attributes."""
    stored = write.new if wanted.endswith("NEW") else write.old
    if stored is None or wanted == "NONE":
        return None
    if wanted.startswith("ALL"):
        return stored[0].copy()
    roots = [write.names.get(root, root) for root in write.plan.roots]
    return {name: stored[0][name] for name in roots if name in stored[0]} or None
