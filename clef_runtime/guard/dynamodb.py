"""The firing guard on DynamoDB: one item a firing, changed only by conditional writes.

The partition key is derived with length prefixes, so that no two matches share one. `try_acquire` and
`claim` keep separate items. Attributes of a claim: `json` (the prepared firing), `owner`, `fencing`,
`until` (when the lease ends, epoch seconds by the holder's clock), `state` (`claimed` or `fired`); of
both, `ttl` where they are to go by themselves. The service deletes those days late: a lease it is not.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from clef_runtime import aws
from clef_runtime.aws import ConditionFailed, Item
from clef_runtime.context import Clock
from clef_runtime.errors import BadInput, Indeterminate
from clef_runtime.guard.base import Claim, ClaimState
from clef_runtime.guard.memory import check_lease, fenced_off
from clef_runtime.model import Firing, firing_id
from clef_runtime.retry import Retry

_ONCE, _LEASE = "once#", "lease#"

_NEW = {"ConditionExpression": "attribute_not_exists(pk)", "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}

_TAKE = {
    "ConditionExpression": "#state = :claimed AND #owner = :was AND fencing = :old AND #until = :ended",
    "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    "UpdateExpression": "SET #owner = :me, fencing = :new, #until = :until",
    "ExpressionAttributeNames": {"#state": "state", "#owner": "owner", "#until": "until"},
}

_MARK = {
    "ConditionExpression": "#owner = :me AND fencing = :fencing",
    "UpdateExpression": "SET #state = :fired",
    "ExpressionAttributeNames": {"#state": "state", "#owner": "owner"},
}

_TAKE_TRIES = 5
"""Others that took the claim over in between, before the caller is told to come again."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Firing).decode


class DynamoDBFiringGuard:
    """`claim` and `mark_fired` are repeated within `retry` when their answer is lost; `try_acquire`, whose item
    does not say who holds it, only where it was surely not done.

    Args:
        table: as `guard_table(name)` describes it.
        ttl_s: after so many seconds (> 0) the service may delete an item, and the same match may then fire
            again: longer than any message may live, dead-letter redrive included. None keeps all.
    """

    def __init__(
        self,
        client: Any,
        table: str,
        clock: Clock,
        *,
        ttl_s: float | None = None,
        retry: Retry = Retry(),  # noqa: B008 - frozen
    ) -> None:
        if ttl_s is not None and ttl_s <= 0:
            raise BadInput(f"ttl_s(={ttl_s}) must be > 0")
        self._client, self._call = client, aws.caller(clock, retry).__call__
        self._table, self._clock, self._ttl_s = table, clock, ttl_s

    def try_acquire(self, completion_ids: Iterable[str], sync: str) -> bool:
        item = self._item(_ONCE + firing_id(sync, completion_ids), self._clock.now())
        try:
            self._call(self._client.put_item, {"TableName": self._table, "Item": item, **_NEW}, idempotent=False)
        except ConditionFailed:
            return False
        return True

    def claim(self, firing: Firing, *, owner: str, lease_s: float) -> Claim:
        """As the port has it. Raises TooLarge for a firing over 400 KB."""
        check_lease(lease_s)
        now_s = self._clock.now()
        until_s = now_s + lease_s
        item = self._item(_LEASE + firing.id, now_s)
        item["json"] = {"S": _encode(firing).decode()}
        item["owner"] = {"S": owner}
        item["fencing"] = {"N": "1"}
        item["until"] = {"N": repr(until_s)}
        item["state"] = {"S": "claimed"}
        try:
            self._call(self._client.put_item, {"TableName": self._table, "Item": item, **_NEW})
            return Claim("won", firing, owner, 1, until_s)
        except ConditionFailed as conflict:
            there = _stored(conflict)
        for _ in range(_TAKE_TRIES):
            answer = _answer(there, owner, now_s)
            if answer is not None:
                return answer
            try:
                return self._take(there, owner, until_s)
            except ConditionFailed as conflict:
                there = _stored(conflict)
        raise Indeterminate(f"firing {firing.id}: taken over by others {_TAKE_TRIES} times; claim again")

    def mark_fired(self, claim: Claim) -> None:
        values = {
            ":me": {"S": claim.owner},
            ":fencing": {"N": str(claim.fencing)},
            ":fired": {"S": "fired"},
        }
        try:
            self._update(_LEASE + claim.firing.id, _MARK, values)
        except ConditionFailed as conflict:
            raise fenced_off(claim) from conflict

    def _take(self, there: Item, owner: str, until_s: float) -> Claim:
        """Takes an expired claim over, with the firing that is stored; its owner renews it."""
        was = int(there["fencing"]["N"])
        fencing = was if there["owner"]["S"] == owner else was + 1
        values = {
            ":claimed": {"S": "claimed"},
            ":was": there["owner"],
            ":old": there["fencing"],
            ":ended": there["until"],  # else its owner may have renewed it meanwhile
            ":me": {"S": owner},
            ":new": {"N": str(fencing)},
            ":until": {"N": repr(until_s)},
        }
        self._update(there["pk"]["S"], _TAKE, values)
        return Claim("won", _decode(there["json"]["S"]), owner, fencing, until_s)

    def _update(self, key: str, expressions: dict[str, Any], values: dict[str, Any]) -> None:
        arguments = {
            "TableName": self._table,
            "Key": {"pk": {"S": key}},
            "ExpressionAttributeValues": values,
            **expressions,
        }
        self._call(self._client.update_item, arguments)

    def _item(self, key: str, now_s: float) -> Item:
        item: Item = {"pk": {"S": key}}
        if self._ttl_s is not None:
            item["ttl"] = {"N": str(int(now_s + self._ttl_s))}
        return item


def guard_table(name: str) -> dict[str, Any]:
    """The arguments of `create_table` for a guard; its time to live, if wanted, is on `ttl`."""
    return aws.table(name, "pk")


def _stored(conflict: ConditionFailed) -> Item:
    item = conflict.items[0]
    if not item:
        # Deleted between the two calls (time to live): nothing is known of it.
        raise Indeterminate(f"{conflict}; the claim is gone: claim again") from conflict
    return item


def _answer(there: Item, owner: str, now_s: float) -> Claim | None:
    """What the stored claim answers; None where it has expired and may be taken."""
    until_s = float(there["until"]["N"])
    state: ClaimState
    if there["state"]["S"] == "fired":
        state = "fired"
    elif until_s <= now_s:
        return None
    else:
        state = "won" if there["owner"]["S"] == owner else "held"
    return Claim(state, _decode(there["json"]["S"]), there["owner"]["S"], int(there["fencing"]["N"]), until_s)
