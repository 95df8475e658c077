"""The exchange form: the JSON that Clef's own compiler writes for a sync, and that others read.

It keeps less than a compiled sync does. The rest goes into further keys, which other readers ignore:
`value` and `text` of a condition, `literals` and `ask` of a query, `expr` of a field, `invariants` and
`source`; and `repeated`, the actions of loops with their `place` in *then*, which Clef leaves out.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from clef_runtime.errors import BadInput
from clef_runtime.language import clef_form
from clef_runtime.language.clef_reading import Lost, read_tokens
from clef_runtime.language.compiled import (
    Bind,
    CompiledSync,
    Expr,
    Filter,
    ListOf,
    Literal,
    RecordOf,
    ThenAction,
    ThenField,
)
from clef_runtime.language.functions import BUILTINS
from clef_runtime.model import Record

_ALIAS = "__as"
_KIND = re.compile(r"(guard|any)\((.*)\)", re.DOTALL)
_CALLED = re.compile(r"([A-Za-z_][\w-]*)\s*\(", re.ASCII)


def to_exchange(sync: CompiledSync) -> Record:
    """The exchange form of a sync; absent keys are absent."""
    record: Record = msgspec.json.decode(msgspec.json.encode(sync))
    for entry in record["where"]:
        if entry["type"] == "query" and "ask" not in entry:
            _mark_aliases(entry)
    actions = list(enumerate(record["then"]))
    record["then"] = [action for _, action in actions if "loops" not in action]
    repeated = [{"place": place, **action} for place, action in actions if "loops" in action]
    if repeated:
        record["repeated"] = repeated
    return record


def _mark_aliases(query: Record) -> None:
    """`field: ?v as ?w` binds a field twice; Clef writes the second one as `field__as`."""
    seen = {literal["field"] for literal in query.get("literals", ())}
    for binding in query["bindings"]:
        field = binding["field"]
        if field in seen:
            binding["field"] = field + _ALIAS
        elif field != "__key":
            seen.add(field)


def from_exchange(record: Record) -> CompiledSync:
    """Reads the exchange form, ours or that of Clef's own compiler.

    Clef keeps of an expression only a row of tokens, without quotes and operators. Those are parsed as well
    as they can be; the parser is loaded only for them.

    Raises:
        BadInput: not the exchange form, or an expression that cannot be read; names the place in it. Definite.
    """
    if not isinstance(record, dict):
        raise BadInput(f"sync(={str(record)[:80]!r}) must be a JSON object in the exchange form")
    try:
        return _complete(msgspec.convert(_joined(record), CompiledSync))
    except msgspec.ValidationError as error:
        raise BadInput(f"sync {record.get('name')!r}: not the exchange form: {error}") from error
    except RecursionError:
        raise BadInput(f"sync {record.get('name')!r}: nested too deep") from None


def _joined(record: Record) -> Record:
    """With the actions of loops at their places among the others, and aliases under their field."""
    joined = dict(record)
    repeated = joined.pop("repeated", [])
    then = joined.get("then")
    if repeated and isinstance(then, list) and isinstance(repeated, list):
        joined["then"] = then = list(then)
        for action in repeated:
            place = action.get("place") if isinstance(action, dict) else None
            if not isinstance(place, int):
                raise BadInput(f"sync {record.get('name')!r}: repeated: each needs its `place` in `then`")
            then.insert(place, {name: value for name, value in action.items() if name != "place"})
    if isinstance(joined.get("where"), list):
        joined["where"] = [_unmarked(entry) for entry in joined["where"]]
    return joined


def _unmarked(entry: Any) -> Any:
    if not (isinstance(entry, dict) and entry.get("type") == "query" and isinstance(entry.get("bindings"), list)):
        return entry
    return {**entry, "bindings": [_without_mark(binding) for binding in entry["bindings"]]}


def _without_mark(binding: Any) -> Any:
    field = binding.get("field") if isinstance(binding, dict) else None
    return {**binding, "field": field.removesuffix(_ALIAS)} if isinstance(field, str) else binding


def _complete(sync: CompiledSync) -> CompiledSync:
    """With the expressions that Clef's compiler left as text."""
    where = tuple(
        _parsed(entry, f"where[{number}].expr", sync)
        if isinstance(entry, Bind | Filter) and entry.value is None
        else entry
        for number, entry in enumerate(sync.where)
    )
    then = tuple(_action(action, f"then[{number}]", sync) for number, action in enumerate(sync.then))
    return msgspec.structs.replace(sync, where=where, then=then)


def _parsed(entry: Bind | Filter, path: str, sync: CompiledSync) -> Bind | Filter:
    kind = _KIND.fullmatch(entry.expr) if isinstance(entry, Filter) else None
    if isinstance(entry, Bind):
        value = _read(entry.expr, path, sync)
    elif kind and kind[1] == "guard":
        try:
            value = read_tokens(kind[2])
        except Lost:
            value = _read_condition("guard", kind[2], path, sync)
    else:
        name, text = (kind[1], kind[2]) if kind else ("filter", entry.expr)
        value = _read_condition(name, text, path, sync)
    return msgspec.structs.replace(entry, value=value)


def _action(action: ThenAction, path: str, sync: CompiledSync) -> ThenAction:
    if all(field.expr is not None for field in action.fields):
        return action
    fields = tuple(
        _field(field, f"{path}.fields[{number}].value", sync) for number, field in enumerate(action.fields)
    )
    return msgspec.structs.replace(action, fields=fields)


def _field(field: ThenField, path: str, sync: CompiledSync) -> ThenField:
    if field.expr is not None or not isinstance(field.value, Literal):
        return field
    expr = _computed(field.value.value, path, sync)
    return field if expr is None else msgspec.structs.replace(field, expr=expr)


def _computed(value: Any, path: str, sync: CompiledSync) -> Expr | None:
    """The expression of a literal that stands for a call or a list, or holds one; None where none does."""
    if isinstance(value, dict) and value.keys() != {"__set"}:
        items = {name: _computed(item, f"{path}.{name}", sync) for name, item in value.items()}
        if all(item is None for item in items.values()):
            return None
        return RecordOf(tuple((name, items[name] or clef_form.implied(item)) for name, item in value.items()))
    if not clef_form.looks_computed(value):
        return None
    called = _CALLED.match(value)
    if called:
        # Nothing tells a call of an app's function from a text such as "retry(once)".
        return _read(value, path, sync) if called[1] in BUILTINS else None
    try:
        listed = [_listed(item) for item in value[1:-1].split(", ") if item != "\n"]
    except Lost:
        return None  # a text in square brackets
    return ListOf(tuple(listed))


def _listed(item: str) -> Expr:
    quoted = len(item) > 1 and item[0] == item[-1] == '"'
    return clef_form.template(item[1:-1]) if quoted else read_tokens(item)


def _read(text: str, path: str, sync: CompiledSync) -> Expr:
    try:
        return read_tokens(text)
    except Lost as error:
        raise _unreadable(text, path, sync, error) from None


def _read_condition(kind: str, text: str, path: str, sync: CompiledSync) -> Expr:
    from clef_runtime.language.expression_rules import Unreadable
    from clef_runtime.language.parser import read_condition

    try:
        return read_condition(kind, text)
    except Unreadable as error:
        raise _unreadable(text, path, sync, error) from None


def _unreadable(text: str, path: str, sync: CompiledSync, error: Exception) -> BadInput:
    return BadInput(
        f"sync {sync.name!r}: {path}(={text!r:.120}) cannot be read: {error.args[0]};"
        " compile the sync from its .sync file instead"
    )
