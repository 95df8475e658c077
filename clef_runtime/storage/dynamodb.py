"""Storage on DynamoDB.

Two layouts. *Single table* (`table=`): partition key `pk` = concept and relation, sort key `sk` = key;
`find` is a Query, ordered by key. *Prefixed tables* (`prefix=`): a table `<prefix><concept>.<relation>` for
each relation, partition key `pk` = key; writes spread over partitions, `find` is a Scan.

An item holds the row as JSON text (`json`: exact for every JSON value, where DynamoDB's numbers are not),
its version (`ver`), and short text and booleans once more as attributes of their own (`f:<field>`), by
which the service can filter. That costs those bytes twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import msgspec

from clef_runtime import aws
from clef_runtime.aws import Item
from clef_runtime.context import Clock
from clef_runtime.errors import BadInput, Conflict, TooLarge
from clef_runtime.model import Record, concept_name
from clef_runtime.retry import Retry
from clef_runtime.storage.base import Criteria, Is, Write
from clef_runtime.storage.criteria import KEY, arrange, check_bounds, meets
from clef_runtime.storage.rows import check_key, decode_row, encode_row

FILTERABLE_LENGTH = 128
"""Text up to so many characters gets an attribute to filter by; longer text is compared after reading."""

STAGED_WRITES = 99
"""DynamoDB takes 100 actions in a transaction; the completion is one of them."""

_DELETE_TRIES = 10

_RELATION = re.compile(r"[A-Za-z0-9_-]+")


class _Place(msgspec.Struct, frozen=True):
    """Where the rows of one relation are."""

    table: str
    partition: dict[str, str] | None  # the single table's partition key; None where each key is its own partition

    def key(self, key: str) -> Item:
        check_key(key)
        return {"pk": self.partition, "sk": {"S": key}} if self.partition else {"pk": {"S": key}}


class DynamoDBStorage:
    """One concept's rows.

    Args:
        client: a DynamoDB low-level client, made with `aws.client_config()`.
        table: the single table, as `single_table(name)` describes it; or
        prefix: what the names of the relations' own tables start with (`prefixed_table`).
        concept: whose rows; a name or a URN.
        retry: bounds of retries; every operation is idempotent, so that all are repeated.
    """

    transactional = True

    def __init__(
        self,
        client: Any,
        *,
        concept: str,
        clock: Clock,
        table: str | None = None,
        prefix: str | None = None,
        retry: Retry = Retry(),  # noqa: B008 - frozen
    ) -> None:
        if (table is None) == (prefix is None):
            raise BadInput(f"give one of table(={table!r}) and prefix(={prefix!r})")
        self._client, self._call = client, aws.caller(clock, retry).__call__
        self._concept, self._table, self._prefix = concept_name(concept), table, prefix
        self._clock = clock
        self._writes = 0
        self._places: dict[str, _Place] = {}

    def put(self, relation: str, key: str, value: Record) -> None:
        place = self._place(relation)
        item = self._item(place, key, value)
        self._call(self._client.put_item, {"TableName": place.table, "Item": item})

    def get(self, relation: str, key: str) -> Record | None:
        return self.get_versioned(relation, key)[0]

    def get_versioned(self, relation: str, key: str) -> tuple[Record | None, int]:
        place = self._place(relation)
        answer = self._call(
            self._client.get_item, {"TableName": place.table, "Key": place.key(key), "ConsistentRead": True}
        )
        item = answer.get("Item")
        return (decode_row(item["json"]["S"]), int(item["ver"]["N"])) if item else (None, 0)

    def find(
        self,
        relation: str,
        criteria: Criteria | None = None,
        *,
        sort: str | None = None,
        limit: int | None = None,
        offset: int = 0,
    ) -> list[Record]:
        check_bounds(limit, offset)
        # A Query comes in the order of the keys: without a sort, it may end at the last row that is asked for.
        most = offset + limit if limit is not None and sort is None and self._table else None
        found: list[Record] = []
        if most != 0:
            for row, _ in self._rows(relation, criteria or {}, most):
                found.append(row)
                if len(found) == most:
                    break
        return arrange(found, sort, limit, offset)

    def delete(self, relation: str, key: str) -> None:
        place = self._place(relation)
        self._call(self._client.delete_item, {"TableName": place.table, "Key": place.key(key)})

    def delete_many(self, relation: str, criteria: Criteria) -> int:
        return sum(
            self._delete_if(relation, row, version, criteria) for row, version in self._rows(relation, criteria)
        )

    def stage(self, writes: Sequence[Write]) -> list[dict[str, Any]]:
        """Raises TooLarge for more than `STAGED_WRITES` writes."""
        if len(writes) > STAGED_WRITES:
            raise TooLarge(
                f"an action changed {len(writes)} rows; a transaction takes {STAGED_WRITES}: change fewer in "
                f"one action, or deliver `recorded`"
            )
        return [self._staged(write) for write in writes]

    def write(self, write: Write) -> None:
        """Makes one write now, on its version. Raises Conflict where the row has another."""
        ((kind, arguments),) = self._staged(write).items()
        self._call(self._client.put_item if kind == "Put" else self._client.delete_item, arguments)

    def _staged(self, write: Write) -> dict[str, Any]:
        place = self._place(write.relation)
        fields: dict[str, Any] = {"TableName": place.table}
        if write.version is not None:
            fields.update(_condition(write.version))
        if write.value is None:
            return {"Delete": {**fields, "Key": place.key(write.key)}}
        return {"Put": {**fields, "Item": self._item(place, write.key, write.value)}}

    def _delete_if(self, relation: str, row: Record, version: int, criteria: Criteria) -> bool:
        """Deletes the row if it still meets the criteria, read again where it has changed meanwhile."""
        place, key = self._place(relation), row[KEY]
        for _ in range(_DELETE_TRIES):
            arguments = {"TableName": place.table, "Key": place.key(key), **_condition(version)}
            try:
                self._call(self._client.delete_item, arguments)
                return True
            except Conflict as conflict:
                value, version = self.get_versioned(relation, key)
                if value is None:
                    return conflict.after_doubt  # gone by our own attempt that got no answer, or by another's
                if not meets({**value, KEY: key}, criteria):
                    return False
        raise Conflict(f"{relation}/{key} changed in each of {_DELETE_TRIES} tries to delete it; delete again")

    def _rows(self, relation: str, criteria: Criteria, most: int | None = None) -> Iterator[tuple[Record, int]]:
        """The rows that meet the criteria, with their versions."""
        wanted_key = criteria.get(KEY)
        if isinstance(wanted_key, str):
            value, version = self.get_versioned(relation, wanted_key) if wanted_key else (None, 0)
            row = {**value, KEY: wanted_key} if value is not None else None
            if row is not None and meets(row, criteria):
                yield row, version
            return
        place = self._place(relation)
        arguments, rest = _search(place, criteria)
        if most is not None and not criteria:
            arguments["Limit"] = most
        method = self._client.query if place.partition else self._client.scan
        key_attribute = "sk" if place.partition else "pk"
        for page in aws.pages(self._call, method, arguments):
            for item in page:
                row = decode_row(item["json"]["S"])
                row[KEY] = item[key_attribute]["S"]
                if not rest or meets(row, rest):
                    yield row, int(item["ver"]["N"])

    def _item(self, place: _Place, key: str, value: Record) -> Item:
        text = encode_row(value)
        item = place.key(key)
        item["json"] = {"S": text.decode()}
        item["ver"] = {"N": str(self._new_version(text))}
        for field, each in value.items():
            attribute = _attribute(each)
            if attribute is not None and field != KEY:
                item["f:" + field] = attribute
        return item

    def _new_version(self, text: bytes) -> int:
        """Unlike the version of any other write: this storage's count tells its own apart, the instant and the
        content those of others. Two that agree in all three wrote the same."""
        self._writes += 1
        salt = b"%d.%d." % (self._writes, int(self._clock.now() * 1e6))
        return int.from_bytes(blake2b(salt + text, digest_size=7).digest()) or 1

    def _place(self, relation: str) -> _Place:
        place = self._places.get(relation)
        if place is None:
            if self._table is not None:
                concept = self._concept
                # The length keeps a concept `a#b` with relation `c` apart from `a` with `b#c`.
                place = _Place(self._table, {"S": f"{len(concept)}#{concept}#{relation}"})
            else:
                place = _Place(prefixed_name(self._prefix or "", self._concept, relation), None)
            self._places[relation] = place
        return place


def single_table(name: str) -> dict[str, Any]:
    """The arguments of `create_table` for the single-table layout."""
    return aws.table(name, "pk", "sk")


def prefixed_name(prefix: str, concept: str, relation: str) -> str:
    """The name of a relation's own table.

    Raises:
        BadInput: a relation that no table name can hold.
    """
    if not _RELATION.fullmatch(relation):
        raise BadInput(f"relation(={relation!r}) must be letters, digits, _ or - to name a table by it")
    return f"{prefix}{concept_name(concept)}.{relation}"


def prefixed_table(prefix: str, concept: str, relation: str) -> dict[str, Any]:
    """The arguments of `create_table` for one relation in the prefixed layout."""
    return aws.table(prefixed_name(prefix, concept, relation), "pk")


def _attribute(value: Any) -> dict[str, Any] | None:
    """The attribute by which the service can compare `value` exactly, or None: numbers are left out, since
    DynamoDB keeps 38 digits of them."""
    if isinstance(value, str):
        return {"S": value} if len(value) <= FILTERABLE_LENGTH else None
    return {"BOOL": value} if isinstance(value, bool) else None


def _condition(version: int) -> dict[str, Any]:
    if version == 0:
        return {"ConditionExpression": "attribute_not_exists(pk)"}
    return {"ConditionExpression": "ver = :was", "ExpressionAttributeValues": {":was": {"N": str(version)}}}


def _search(place: _Place, criteria: Criteria) -> tuple[dict[str, Any], Record]:
    """The arguments of a Query or Scan, and the criteria that are left for afterwards."""
    arguments: dict[str, Any] = {"TableName": place.table, "ConsistentRead": True}
    values: dict[str, Any] = {}
    if place.partition:
        arguments["KeyConditionExpression"] = "pk = :pk"
        values[":pk"] = place.partition
    rest: Record = {}
    fields: list[tuple[str, int]] = []
    for field, wanted in criteria.items():
        alternatives = _pushed(wanted) if field != KEY else None
        if alternatives is None:
            rest[field] = wanted
            continue
        for number, each in enumerate(alternatives):
            values[f":{len(fields)}_{number}"] = each
        fields.append((field, len(alternatives)))
    if fields:
        arguments["FilterExpression"], arguments["ExpressionAttributeNames"] = _filter(tuple(fields))
    if values:
        arguments["ExpressionAttributeValues"] = values
    return arguments, rest


def _pushed(wanted: Any) -> list[dict[str, Any]] | None:
    """The attributes one of which the service must find, where it can compare exactly."""
    if not isinstance(wanted, Is):
        attribute = _attribute(wanted)
        return None if attribute is None else [attribute]
    if wanted.op not in ("eq", "in"):
        return None
    each_wanted = [wanted.value] if wanted.op == "eq" else list(wanted.value)
    attributes = [_attribute(each) for each in each_wanted]
    # IN takes 1 to 100 values.
    return attributes if None not in attributes and 0 < len(attributes) <= 100 else None  # type: ignore[return-value] # no None in it


@lru_cache(maxsize=1024)
def _filter(fields: tuple[tuple[str, int], ...]) -> tuple[str, dict[str, str]]:
    """A filter over fields, each with so many alternatives. Kept, since an app asks a few questions often."""
    terms = []
    for place, (_, alternatives) in enumerate(fields):
        values = [f":{place}_{number}" for number in range(alternatives)]
        terms.append(f"#{place} = {values[0]}" if alternatives == 1 else f"#{place} IN ({', '.join(values)})")
    return " AND ".join(terms), {f"#{place}": "f:" + field for place, (field, _) in enumerate(fields)}
