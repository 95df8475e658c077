"""Where items lie: by partition key, and within a partition in the order of the sort key."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from hashlib import blake2b
from typing import Any, TypeAlias

from clef_sim.services.dynamodb.values import Item

Stored: TypeAlias = tuple[Item, int]
"""An item and its size in bytes."""

SortKeys: TypeAlias = list[Any]
NO_SORT_KEY = ""


class Partition:
    """The items of one partition key; `order` is sorted."""

    __slots__ = ("items", "order")

    def __init__(self, items: dict[Any, Stored] | None = None) -> None:
        self.items: dict[Any, Stored] = items or {}
        self.order: SortKeys = sorted(self.items)

    def span(self, low: Any, with_low: bool, high: Any, with_high: bool) -> tuple[int, int]:
        """The places of the sort keys from `low` to `high`; None is unbounded."""
        start, stop = 0, len(self.order)
        if low is not None:
            start = bisect_left(self.order, low) if with_low else bisect_right(self.order, low)
        if high is not None:
            stop = bisect_right(self.order, high) if with_high else bisect_left(self.order, high)
        return start, max(start, stop)


NOTHING = Partition()


class Rows:
    """The items of one table. Tables without sort key keep the items themselves, without a partition."""

    __slots__ = ("_fresh", "_ranked", "bytes", "count", "partitions", "single", "singles")

    def __init__(self, *, single: bool) -> None:
        self.single = single
        self.singles: dict[Any, Stored] = {}
        self.partitions: dict[Any, Partition] = {}
        self.bytes = 0
        self.count = 0
        self._ranked: list[tuple[bytes, Any]] | None = None
        self._fresh: list[Any] = []

    def get(self, pk: Any, sk: Any) -> Stored | None:
        if self.single:
            return self.singles.get(pk)
        partition = self.partitions.get(pk)
        return None if partition is None else partition.items.get(sk)

    def partition(self, pk: Any) -> Partition:
        """The items under `pk`; not to be changed."""
        if self.single:
            stored = self.singles.get(pk)
            return NOTHING if stored is None else Partition({NO_SORT_KEY: stored})
        return self.partitions.get(pk, NOTHING)

    def replace(self, pk: Any, sk: Any, old: Stored | None, new: Stored | None) -> None:
        """Puts `new` where `old` is; None stands for no item."""
        if old is not None:
            self.bytes -= old[1]
            self.count -= 1
        if new is not None:
            self.bytes += new[1]
            self.count += 1
            if old is not None and self.single:
                self.singles[pk] = new
            else:
                self._put(pk, sk, new)
        elif old is not None:
            self._remove(pk, sk)

    def _put(self, pk: Any, sk: Any, stored: Stored) -> None:
        if self.single:
            if self._ranked is not None and pk not in self.singles:
                self._fresh.append(pk)
            self.singles[pk] = stored
            return
        partition = self.partitions.get(pk)
        if partition is None:
            partition = self.partitions[pk] = Partition()
            if self._ranked is not None:
                self._fresh.append(pk)
        if sk not in partition.items:
            order = partition.order
            if order and sk < order[-1]:
                insort(order, sk)
            else:
                order.append(sk)
        partition.items[sk] = stored

    def _remove(self, pk: Any, sk: Any) -> None:
        if self.single:
            del self.singles[pk]
            return
        partition = self.partitions[pk]
        del partition.items[sk]
        if partition.items:
            del partition.order[bisect_left(partition.order, sk)]
        else:
            del self.partitions[pk]

    def scan_order(self, after: Any | None, also: Iterator[Any]) -> Iterator[Any]:
        """Partition keys from `after` (included) on, in the order of a scan: by hash, so by no order that a
        caller could rely on. `also`: keys that have no item now and are to be visited all the same."""
        live: dict[Any, Any] = self.singles if self.single else self.partitions
        if self._ranked is None or len(self._ranked) > 2 * len(live) + 64:
            self._ranked, self._fresh = [], list(live)
        known = self._ranked
        if self._fresh:
            known.extend((scan_rank(pk), pk) for pk in dict.fromkeys(self._fresh))
            known.sort(key=_by_rank)
            self._fresh = []
        extra = [(scan_rank(pk), pk) for pk in also if pk not in live]
        ranked = (
            sorted({rank: (rank, pk) for rank, pk in [*known, *extra]}.values(), key=_by_rank) if extra else known
        )
        start = 0 if after is None else bisect_left(ranked, scan_rank(after), key=_by_rank)
        last = b""
        for place in range(start, len(ranked)):
            rank, pk = ranked[place]
            if rank != last and (pk in live or extra):
                yield pk
            last = rank


def scan_rank(pk: Any) -> bytes:
    """Where a scan has the items of a partition key; bytes, text or a number."""
    return blake2b(pk if isinstance(pk, bytes) else str(pk).encode(), digest_size=8).digest()


def _by_rank(ranked: tuple[bytes, Any]) -> bytes:
    return ranked[0]
