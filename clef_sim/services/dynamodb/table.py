"""One table: its items, what eventual reads still see of the past, expiry, throttling."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from clef_sim.services.dynamodb.rates import Consumed, Delay, Limits, Meter, no_delay
from clef_sim.services.dynamodb.rows import NO_SORT_KEY, Partition, Rows, Stored
from clef_sim.services.dynamodb.values import Item, Value, canonical_number, invalid, number_of
from clef_sim.services.sdk import Refusal

_PK_BYTES_MAX = 2048
_SK_BYTES_MAX = 1024
_TTL_AGE_S_MAX = 5 * 365 * 86400  # what expired longer ago is not removed (Developer Guide, "TTL")
_ON_DEMAND_MESSAGE = (
    "Throughput exceeds the current capacity of your table or index. DynamoDB is automatically scaling your "
    "table or index so please try again shortly. If exceptions persist, check if you have a hot key."
)
_PROVISIONED_MESSAGE = (
    "The level of configured provisioned throughput for the table was exceeded. Consider increasing your "
    "provisioning level with the UpdateTable API."
)
_TABLE = "\0table"


class Schema(msgspec.Struct, frozen=True):
    """A table's name and keys, as create_table was given them."""

    name: str
    pk_name: str
    pk_kind: str
    sk_name: str | None = None
    sk_kind: str = "S"
    on_demand: bool = True
    created_at: float = 0.0

    @property
    def key_names(self) -> tuple[str, ...]:
        return (self.pk_name,) if self.sk_name is None else (self.pk_name, self.sk_name)


class Table:
    """State and rules of one table; knows nothing of requests.

    Args:
        lag_s: drawn once per write: how long eventual reads do not see it.
        ttl_delay_s: drawn once per expired item: how long it stays after its expiry.

    `expiries` is a heap of what `sweep` has to look at: (when, number, partition key, sort key, expiry).

    The hook `on_lag`, None by default, is asked by each read of items that eventual reads may miss (True: by a
    consistent read, which does not), and says whether this one misses them.
    """

    def __init__(
        self, schema: Schema, limits: Limits, *, lag_s: Delay = no_delay, ttl_delay_s: Delay = no_delay
    ) -> None:
        self.schema = schema
        self.name = schema.name
        self._keys = tuple(zip(schema.key_names, (schema.pk_kind, schema.sk_kind), strict=False))
        self.rows = Rows(single=schema.sk_name is None)
        self.consumed = Consumed()
        self.forced_lag_s: float | None = None
        self.on_lag: Callable[[bool], bool] | None = None
        self.ttl_name: str | None = None
        self._lag_s, self._ttl_delay_s = lag_s, ttl_delay_s
        self._write_meters = _meters(limits.partition_wru_s, limits.table_wru_s)
        self._read_meters = _meters(limits.partition_rru_s, limits.table_rru_s)
        self._past: dict[Any, dict[Any, list[tuple[float, Stored | None]]]] = {}
        self._past_ends: list[tuple[float, int, Any, Any]] = []
        self.expiries: list[tuple[float, int, Any, Any, float]] = []
        self._replaced = 0  # entries of expiries whose item has been replaced since
        self._count = 0

    # keys

    def key_of(self, item: Item) -> tuple[Any, Any]:
        """The partition and sort key in a form that sorts and compares as the service does."""
        schema = self.schema
        try:
            pk = item[schema.pk_name][schema.pk_kind]
            sk = NO_SORT_KEY if schema.sk_name is None else item[schema.sk_name][schema.sk_kind]
        except KeyError:
            raise self._bad_key(item) from None
        if schema.pk_kind != "S" or len(pk) > 512 or not pk:
            pk = self.key_value(schema.pk_name, schema.pk_kind, pk, _PK_BYTES_MAX)
        if schema.sk_name is not None and (schema.sk_kind != "S" or len(sk) > 256 or not sk):
            sk = self.key_value(schema.sk_name, schema.sk_kind, sk, _SK_BYTES_MAX)
        return pk, sk

    def exact_key(self, key: Item) -> tuple[Any, Any]:
        """As `key_of`, for a `Key` parameter: it must hold the key attributes and nothing else."""
        if len(key) != len(self._keys):
            raise invalid("The provided key element does not match the schema")
        for name, kind in self._keys:
            if name not in key or kind not in key[name]:
                raise invalid("The provided key element does not match the schema")
        return self.key_of(key)

    def key_value(self, name: str, kind: str, content: Any, bytes_max: int) -> Any:
        if kind == "N":
            return number_of(canonical_number(content))
        if not content:
            what = "string" if kind == "S" else "binary"
            raise invalid(
                "One or more parameter values are not valid. The AttributeValue for a key attribute cannot "
                f"contain an empty {what} value. Key: {name}"
            )
        size = len(content.encode()) if kind == "S" else len(content)
        if size > bytes_max:
            part = "hashkey" if bytes_max == _PK_BYTES_MAX else "rangekey"
            raise invalid(
                f"One or more parameter values were invalid: Size of {part} has exceeded the maximum size "
                f"limit of {bytes_max} bytes"
            )
        return content if kind == "S" else bytes(content)

    def partition_value(self, value: Value) -> Any:
        """A partition key that a condition names."""
        schema = self.schema
        return self.key_value(schema.pk_name, schema.pk_kind, value[schema.pk_kind], _PK_BYTES_MAX)

    def sort_value(self, value: Value) -> Any:
        """A sort key that a condition names."""
        assert self.schema.sk_name is not None
        return self.key_value(self.schema.sk_name, self.schema.sk_kind, value[self.schema.sk_kind], _SK_BYTES_MAX)

    def _bad_key(self, item: Item) -> Refusal:
        for name, kind in zip(self.schema.key_names, (self.schema.pk_kind, self.schema.sk_kind), strict=False):
            if name not in item:
                return invalid(f"One or more parameter values were invalid: Missing the key {name} in the item")
            if kind not in item[name]:
                return invalid(
                    f"One or more parameter values were invalid: Type mismatch for key {name} "
                    f"expected: {kind} actual: {next(iter(item[name]))}"
                )
        raise AssertionError(item)

    def key_item(self, item: Item) -> Item:
        return {name: item[name] for name in self.schema.key_names}

    # throughput

    def charge_write(self, pk: Any, units: float, now: float) -> None:
        """Raises Refusal where the partition or the table is over its rate; nothing is charged then."""
        meter, whole = self._write_meters
        if (meter is not None and not meter.admit(pk, units, now)) or (
            whole is not None and not whole.admit(_TABLE, units, now)
        ):
            raise self._throttled()
        self.consumed.wru += units

    def owe_write(self, pk: Any, units: float, now: float) -> None:
        """Adds to the cost of a write that was let in."""
        meter, whole = self._write_meters
        if meter is not None:
            meter.owe(pk, units, now)
        if whole is not None:
            whole.owe(_TABLE, units, now)
        self.consumed.wru += units

    def charge_read(self, pk: Any, units: float, now: float) -> None:
        """As `charge_write`; a scan, spread over all partitions, has the key None."""
        meter, whole = self._read_meters
        if not (meter is None or pk is None or meter.admit(pk, units, now)) or not (
            whole is None or whole.admit(_TABLE, units, now)
        ):
            raise self._throttled()
        self.consumed.rru += units

    def _throttled(self) -> Refusal:
        if self.schema.on_demand:
            return Refusal("ThrottlingException", _ON_DEMAND_MESSAGE)
        return Refusal("ProvisionedThroughputExceededException", _PROVISIONED_MESSAGE)

    # writes

    def commit(self, pk: Any, sk: Any, old: Stored | None, new: Stored | None, now: float) -> None:
        """Replaces `old`, which is what is there, by `new`; None stands for no item."""
        lag_s = self._lag_s() if self.forced_lag_s is None else self.forced_lag_s
        if lag_s > 0.0:
            self._remember(pk, sk, old, now, lag_s)
        elif self._past and pk in self._past:
            self._past[pk].pop(sk, None)
        self.rows.replace(pk, sk, old, new)
        if self.ttl_name is not None:
            self._note_expiry(pk, sk, old, new)

    # eventual reads

    def _remember(self, pk: Any, sk: Any, old: Stored | None, now: float, lag_s: float) -> None:
        self._forget(now)
        until = now + lag_s
        seen = self._past.setdefault(pk, {}).setdefault(sk, [])
        # A replica applies writes in their order: where it shows this one, it shows the earlier ones too.
        seen[:] = [(min(end, until), before) for end, before in seen if end > now]
        seen.append((until, old))
        self._count += 1
        heapq.heappush(self._past_ends, (until, self._count, pk, sk))

    def _forget(self, now: float) -> None:
        while self._past_ends and self._past_ends[0][0] <= now:
            _, _, pk, sk = heapq.heappop(self._past_ends)
            seen = self._past.get(pk, {}).get(sk, [])
            seen[:] = [entry for entry in seen if entry[0] > now]
            if not seen and pk in self._past:
                self._past[pk].pop(sk, None)
                if not self._past[pk]:
                    del self._past[pk]

    def _misses(self, consistent: bool) -> bool:
        """Whether a read of lagging items sees them as they were."""
        shows = self.on_lag is None or self.on_lag(consistent)
        return shows and not consistent

    def get(self, pk: Any, sk: Any, consistent: bool, now: float) -> Stored | None:
        if self._past and (self.on_lag is not None or not consistent):
            self._forget(now)
            seen = self._past.get(pk, {}).get(sk)
            if seen and self._misses(consistent):
                return seen[0][1]
        return self.rows.get(pk, sk)

    def partition(self, pk: Any, consistent: bool, now: float) -> Partition:
        """The partition as a read sees it; not to be changed."""
        partition = self.rows.partition(pk)
        if not self._past or (consistent and self.on_lag is None):
            return partition
        self._forget(now)
        if pk not in self._past or not self._misses(consistent):
            return partition
        items = dict(partition.items)
        for sk, seen in self._past[pk].items():
            before = seen[0][1] if seen else items.get(sk)
            if before is None:
                items.pop(sk, None)
            else:
                items[sk] = before
        return Partition(items)

    def scan_order(self, after: Any | None) -> Iterator[Any]:
        return self.rows.scan_order(after, iter(self._past))

    # expiry

    def enable_ttl(self, name: str) -> None:
        """Items whose number in attribute `name` (epoch seconds) has passed are removed, late."""
        self.ttl_name = name
        self.expiries, self._replaced = [], 0
        rows = self.rows
        for pk in list(rows.singles if rows.single else rows.partitions):
            for sk, stored in rows.partition(pk).items.items():
                self._note_expiry(pk, sk, None, stored)

    def disable_ttl(self) -> None:
        self.ttl_name = None
        self.expiries, self._replaced = [], 0

    def _expiry(self, stored: Stored | None) -> float | None:
        value = None if stored is None or self.ttl_name is None else stored[0].get(self.ttl_name)
        return float(value["N"]) if value is not None and "N" in value else None

    def _note_expiry(self, pk: Any, sk: Any, old: Stored | None, new: Stored | None) -> None:
        value = None if new is None else new[0].get(self.ttl_name)  # type: ignore[arg-type]  # asked where it is set
        expiry = float(value["N"]) if value is not None and "N" in value else None
        before = None if old is None else self._expiry(old)
        if before == expiry:
            return
        if before is not None:
            self._replaced += 1
            if self._replaced > 64 and self._replaced > len(self.expiries) // 2:
                self._compact()
        if expiry is not None:
            self._count += 1
            heapq.heappush(self.expiries, (expiry, self._count, pk, sk, expiry))

    def _compact(self) -> None:
        kept = [each for each in self.expiries if self._expiry(self.rows.get(each[2], each[3])) == each[4]]
        self.expiries = kept
        heapq.heapify(kept)
        self._replaced = 0

    def sweep(self, now: float) -> None:
        """Removes what is due. An entry comes up twice: at expiry, when its delay is drawn, and after it."""
        while self.expiries and self.expiries[0][0] <= now:
            due, number, pk, sk, expiry = heapq.heappop(self.expiries)
            stored = self.rows.get(pk, sk)
            if self._expiry(stored) != expiry or now - expiry > _TTL_AGE_S_MAX:
                continue
            if number > 0:
                heapq.heappush(self.expiries, (due + self._ttl_delay_s(), -number, pk, sk, expiry))
            else:
                self.commit(pk, sk, stored, None, now)
                self._replaced = max(0, self._replaced - 1)


def _meters(*rates_s: float | None) -> list[Meter | None]:
    return [None if rate_s is None else Meter(rate_s) for rate_s in rates_s]
