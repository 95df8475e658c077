"""Queries: equality and `in` over text, truth values and null, in the order of names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from google.cloud.firestore_v1.field_path import FieldPath
from google.cloud.firestore_v1.types.document import Document
from google.cloud.firestore_v1.types.query import StructuredQuery

from clef_sim.services.firestore.documents import Documents, check_name
from clef_sim.services.sdk import Unmodelled

_MODELLED = frozenset({"select", "from_", "where", "order_by", "start_at", "limit"})
_COMPARED = ("string_value", "boolean_value", "null_value")
_Document = Document.pb()
_FilterOp = StructuredQuery.FieldFilter.Operator


def run(documents: Documents, parent: str, query: Any) -> list[Any]:
    """The documents that a structured query finds.

    Raises:
        Unmodelled: for whatever else a query may ask.
    """
    unknown = [field.name for field, _ in query.ListFields() if field.name not in _MODELLED]
    if unknown:
        raise Unmodelled(f"RunQuery: {', '.join(unknown)} is not modelled")
    found = _candidates(documents, parent, query)
    for keep in _filters(query):
        found = filter(keep, found)
    if query.HasField("limit"):
        found = islice(found, query.limit.value)
    if not query.HasField("select"):
        return list(found)
    names = [_top(field.field_path) for field in query.select.fields]
    return [_selected(document, names) for document in found]


def _candidates(documents: Documents, parent: str, query: Any) -> Iterator[Any]:
    (source,) = query.from_
    check_name(source.collection_id)
    for order in query.order_by:
        if order.field.field_path != "__name__" or order.direction == StructuredQuery.Direction.DESCENDING:
            raise Unmodelled(f"RunQuery: the order by {order.field.field_path!r} is not modelled; only __name__")
    after = ""
    if query.HasField("start_at"):
        (value,) = query.start_at.values
        if query.start_at.before or not query.order_by:
            raise Unmodelled("RunQuery: a cursor that includes its document, or without an order, is not modelled")
        after = value.reference_value
    if source.all_descendants:
        if parent.count("/") != 4:
            raise Unmodelled("RunQuery: a collection group below a document is not modelled")
        return documents.everywhere(source.collection_id, after)
    return documents.under(f"{parent}/{source.collection_id}", after)


def _filters(query: Any) -> Iterator[Callable[[Any], bool]]:
    if not query.HasField("where"):
        return
    where = query.where
    if where.HasField("composite_filter"):
        if where.composite_filter.op != StructuredQuery.CompositeFilter.Operator.AND:
            raise Unmodelled("RunQuery: a filter with `or` is not modelled")
        for each in where.composite_filter.filters:
            yield _filter(each)
    else:
        yield _filter(where)


def _filter(wanted: Any) -> Callable[[Any], bool]:
    kind = wanted.WhichOneof("filter_type")
    if kind == "unary_filter" and wanted.unary_filter.op == StructuredQuery.UnaryFilter.Operator.IS_NULL:
        parts = _parts(wanted.unary_filter.field.field_path)
        return lambda document: _is_null(_value(document, parts))
    if kind != "field_filter":
        raise Unmodelled(f"RunQuery: a filter of kind {kind} is not modelled")
    parts, op, value = _parts(wanted.field_filter.field.field_path), wanted.field_filter.op, wanted.field_filter.value
    if op == _FilterOp.EQUAL:
        alternatives = [value]
    elif op == _FilterOp.IN:
        alternatives = list(value.array_value.values)
    else:
        raise Unmodelled(f"RunQuery: the operator {_FilterOp(op).name} is not modelled")
    for each in alternatives:
        if each.WhichOneof("value_type") not in _COMPARED:
            raise Unmodelled(f"RunQuery: a filter by {each.WhichOneof('value_type')} is not modelled")
    return lambda document: _value(document, parts) in alternatives


def _parts(path: str) -> tuple[str, ...]:
    return tuple(FieldPath.from_api_repr(path).parts)


def _top(path: str) -> str:
    parts = _parts(path)
    if len(parts) > 1:
        raise Unmodelled(f"RunQuery: the selection of the nested field {path!r} is not modelled")
    return parts[0]


def _value(document: Any, parts: tuple[str, ...]) -> Any | None:
    """The value at a field's path, None where there is none."""
    fields = document.fields
    value = None
    for part in parts:
        if fields is None or part not in fields:
            return None
        value = fields[part]
        fields = value.map_value.fields if value.HasField("map_value") else None
    return value


def _is_null(value: Any | None) -> bool:
    return value is not None and value.WhichOneof("value_type") == "null_value"


def _selected(document: Any, names: list[str]) -> Any:
    chosen = _Document(name=document.name, create_time=document.create_time, update_time=document.update_time)
    for name in names:
        if name in document.fields:
            chosen.fields[name].CopyFrom(document.fields[name])
    return chosen
