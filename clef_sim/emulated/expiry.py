"""Expiry of DynamoDB's items in virtual time: what the service would remove by its wall clock, the world removes."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from clef_sim.services.sdk import Unmodelled

Item: TypeAlias = dict[str, Any]
_Key: TypeAlias = tuple[Any, ...]


class _Watched:
    """One table. `heap`: (when, number, key, expiry); an entry comes up twice, as in the model's table."""

    def __init__(self, attribute: str, key_names: tuple[str, ...]) -> None:
        self.attribute, self.key_names = attribute, key_names
        self.heap: list[tuple[float, int, _Key, float]] = []
        self.expiry: dict[_Key, float] = {}

    def key_of(self, item: Item) -> _Key:
        return tuple(next(iter(item[name].items())) for name in self.key_names)

    def key_item(self, key: _Key) -> Item:
        return {name: {kind: value} for name, (kind, value) in zip(self.key_names, key, strict=True)}


class Expiries:
    """What expires when, from the writes that went by.

    Args:
        delay_s: drawn for each expired item: how long (s) it stays after its expiry.
        sdk: what removes an item.
    """

    def __init__(self, delay_s: Callable[[], float], sdk: Any) -> None:
        self._delay_s, self._sdk = delay_s, sdk
        self._tables: dict[str, _Watched] = {}
        self._count = 0

    @property
    def watched(self) -> bool:
        return bool(self._tables)

    def watch(self, table: str, attribute: str, key_names: tuple[str, ...]) -> None:
        """Items of the empty `table` go some time after the epoch second in `attribute`."""
        self._tables[table] = _Watched(attribute, key_names)

    def sweep(self, request: Item, now: float) -> None:
        """Removes what is due in the tables that a call is for, before it is made."""
        for name in _tables_of(request):
            table = self._tables.get(name)
            if table is not None and table.heap and table.heap[0][0] <= now:
                self._sweep(name, table, now)

    def _sweep(self, name: str, table: _Watched, now: float) -> None:
        while table.heap and table.heap[0][0] <= now:
            due, number, key, expiry = heapq.heappop(table.heap)
            if table.expiry.get(key) != expiry:
                continue
            if number > 0:
                heapq.heappush(table.heap, (due + self._delay_s(), -number, key, expiry))
            else:
                del table.expiry[key]
                self._sdk.delete_item(TableName=name, Key=table.key_item(key))

    def note(self, method: str, request: Item) -> None:
        """Looks at a call that has been made.

        Raises:
            Unmodelled: it changes an expiry by an expression, which is not followed.
        """
        for name, kind, write in _writes_of(method, request):
            table = self._tables.get(name)
            if table is None:
                continue
            if kind == "put":
                self._note_put(table, write)
            elif kind == "delete":
                table.expiry.pop(table.key_of(write), None)
            elif _names(write, table.attribute):
                raise Unmodelled(f"update of {table.attribute!r}, the expiry of table {name!r}, is not followed here")

    def _note_put(self, table: _Watched, item: Item) -> None:
        key, value = table.key_of(item), item.get(table.attribute)
        if value is None or "N" not in value:
            table.expiry.pop(key, None)
            return
        expiry = float(value["N"])
        if table.expiry.get(key) != expiry:
            table.expiry[key] = expiry
            self._count += 1
            heapq.heappush(table.heap, (expiry, self._count, key, expiry))


def _tables_of(request: Item) -> Iterator[str]:
    if "TableName" in request:
        yield request["TableName"]
    for item in request.get("TransactItems", ()):
        for part in item.values():
            yield part["TableName"]
    yield from request.get("RequestItems", ())


def _writes_of(method: str, request: Item) -> Iterator[tuple[str, str, Item]]:
    """(table, put | delete | update, item, key or request)."""
    if method == "put_item":
        yield request["TableName"], "put", request["Item"]
    elif method == "delete_item":
        yield request["TableName"], "delete", request["Key"]
    elif method == "update_item":
        yield request["TableName"], "update", request
    elif method == "transact_write_items":
        for part in request["TransactItems"]:
            for kind, write in part.items():
                if kind == "Put":
                    yield write["TableName"], "put", write["Item"]
                elif kind == "Delete":
                    yield write["TableName"], "delete", write["Key"]
                elif kind == "Update":
                    yield write["TableName"], "update", write
    elif method == "batch_write_item":
        for table, parts in request["RequestItems"].items():
            for part in parts:
                if "PutRequest" in part:
                    yield table, "put", part["PutRequest"]["Item"]
                else:
                    yield table, "delete", part["DeleteRequest"]["Key"]


def _names(update: Item, attribute: str) -> bool:
    words = update.get("UpdateExpression", "").replace(",", " ").replace("=", " ").split()
    return attribute in words or attribute in update.get("ExpressionAttributeNames", {}).values()
