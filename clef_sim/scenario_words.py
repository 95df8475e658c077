"""What is wrong with a scenario file, in words: the place, the key, its value, and what may stand there."""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import msgspec
from msgspec import inspect

from clef_runtime.deploy.document import Document
from clef_runtime.language.findings import did_you_mean

Steps: TypeAlias = tuple[str, ...]

_AT = re.compile(r"^(?P<words>.*?)(?: - at `\$?(?P<path>[^`]*)`)?$", re.DOTALL)
_FIELD = re.compile(r"Object (?P<what>contains unknown|missing required) field `(?P<name>[^`]+)`")
_KNOWN_BY_THE_FILE = ("file",)


def explain(document: Document, struct: type[msgspec.Struct], message: str) -> str:
    """One line about what msgspec found wrong when it converted the document to `struct`."""
    found = _AT.match(message)
    assert found is not None
    steps = _steps(document, struct, found["path"] or "")
    field = _FIELD.search(found["words"])
    if field is None:
        return _line(document, steps, _misfit(document, struct, steps) or found["words"])
    name, inside = field["name"], _type_at(struct, document.record, steps)
    if field["what"] == "missing required":
        kind = _type_at(struct, document.record, (*steps, name))
        return _line(document, (*steps, name), f"is missing; it {expected(kind)}")
    known = [each for each in _keys(inside, _value_at(document.record, steps)) if each not in _KNOWN_BY_THE_FILE]
    words = f"no such key `{name}`{did_you_mean(name, known)}; allowed: {', '.join(known)}"
    return _line(document, (*steps, name), words)


def _steps(document: Document, struct: type[msgspec.Struct], path: str) -> Steps:
    """The keys of msgspec's path, `.faults[0].when`; it leaves open which entry of a mapping it means: `[...]`."""
    steps: Steps = ()
    for name, number, entry in re.findall(r"\.(\w+)|\[(\d+)\]|(\[\.\.\.\])", path):
        steps = (*steps, _wrong_entry(document, struct, steps) if entry else name or number)
    return steps


def _wrong_entry(document: Document, struct: type[msgspec.Struct], steps: Steps) -> str:
    """The entry of the mapping at `steps` without which nothing is wrong there."""
    for name in _value_at(document.record, steps):
        record = copy.deepcopy(document.record)
        mapping = _value_at(record, steps)
        for other in [each for each in mapping if each != name]:
            del mapping[other]
        try:
            msgspec.convert(record, struct)
        except msgspec.ValidationError:
            return str(name)
    return "?"


def not_finite(document: Document) -> str:
    """One line about the first number that is none (`.nan`, `.inf`), or nothing."""
    for steps, value in _leaves(document.record, ()):
        if isinstance(value, float) and not math.isfinite(value):
            return _line(document, steps, f"{steps[-1]}(={value}) must be a finite number")
    return ""


def _line(document: Document, steps: Steps, words: str) -> str:
    places = document.places
    place = next((places[steps[:n]] for n in range(len(steps), 0, -1) if steps[:n] in places), None)
    at = f"{document.file}:{place[0]}:{place[1]}" if place else document.file
    return f"{at}: {'.'.join(steps) or 'scenario'}: {words}"


def _misfit(document: Document, struct: type[msgspec.Struct], steps: Steps) -> str:
    kind, value = _type_at(struct, document.record, steps), _value_at(document.record, steps)
    if kind is None or not steps:
        return ""
    hint = did_you_mean(value, _literals(kind)) if isinstance(value, str) else ""
    return f"{steps[-1]}(={value!r:.60}) {expected(kind)}{hint}"


# ---- types


def expected(kind: inspect.Type | None) -> str:
    """What a key must hold: `must be one of before, at, after`."""
    return f"must be {' or '.join(_kinds(kind))}" if kind is not None else "must fit"


def _kinds(kind: inspect.Type) -> list[str]:
    match kind:
        case inspect.Metadata(type=inner):
            return _kinds(inner)
        case inspect.UnionType(types=types):
            tags = _tags(types)
            if tags:
                return [f"a mapping whose kind is one of {', '.join(tags)}"]
            return [words for each in types for words in _kinds(each)]
        case inspect.LiteralType(values=values):
            return [f"one of {', '.join(map(str, values))}"]
        case inspect.IntType() | inspect.FloatType():
            what = "a whole number" if isinstance(kind, inspect.IntType) else "a number"
            bounds = ((">", kind.gt), (">=", kind.ge), ("<=", kind.le))
            limits = " and ".join(f"{sign} {limit:g}" for sign, limit in bounds if limit is not None)
            return [f"{what} {limits}".rstrip()]
        case inspect.StrType(pattern=pattern):
            return ["a call such as dynamodb.PutItem, sqs.*, http.POST" if pattern else "a text"]
        case inspect.VarTupleType(min_length=least):
            return ["a list with at least one entry" if least else "a list"]
        case inspect.NoneType():
            return ["null"]
        case inspect.BoolType():
            return ["true or false"]
        case inspect.DictType(value_type=inspect.LiteralType() as held):
            return [f"a mapping to {_kinds(held)[0]}"]
    return ["a mapping"]


def _literals(kind: inspect.Type) -> list[str]:
    match kind:
        case inspect.UnionType(types=types):
            return [each for one in types for each in _literals(one)]
        case inspect.LiteralType(values=values):
            return [str(value) for value in values]
    return []


def _tags(types: Sequence[inspect.Type]) -> list[str]:
    return [str(each.tag) for each in types if isinstance(each, inspect.StructType) and each.tag]


def _type_at(struct: type[msgspec.Struct], record: Any, steps: Steps) -> inspect.Type | None:
    """The type of what stands at a place; None where nothing may stand."""
    kind: inspect.Type | None = inspect.type_info(struct)
    value = record
    for step in steps:
        kind = _inside(kind, step, value)
        value = _value_at(value, (step,))
    return kind


def _inside(kind: inspect.Type | None, step: str, value: Any) -> inspect.Type | None:
    match kind:
        case inspect.Metadata(type=inner):
            return _inside(inner, step, value)
        case inspect.VarTupleType(item_type=item):
            return item
        case inspect.DictType(value_type=held):
            return held
        case inspect.UnionType(types=types):
            chosen = _chosen(types, value)
            if step == "kind" and _tags(types):
                return inspect.LiteralType(tuple(_tags(types)))
            return _inside(chosen, step, value)
        case inspect.StructType(fields=fields):
            return next((each.type for each in fields if each.encode_name == step), None)
    return None


def _chosen(types: Sequence[inspect.Type], value: Any) -> inspect.Type | None:
    """Of a union, what `value` is meant to be: the struct of its kind, or the mapping."""
    tag = value.get("kind") if isinstance(value, dict) else None
    structs = [each for each in types if isinstance(each, inspect.StructType) and each.tag == tag]
    mappings = [each for each in types if isinstance(each, inspect.DictType)]
    return next(iter(structs or mappings), None)


def _keys(kind: inspect.Type | None, value: Any) -> list[str]:
    if isinstance(kind, inspect.UnionType):
        return _keys(_chosen(kind.types, value), value)
    if not isinstance(kind, inspect.StructType):
        return []
    return [*(["kind"] if kind.tag else []), *(field.encode_name for field in kind.fields)]


# ---- values


def _value_at(value: Any, steps: Steps) -> Any:
    for step in steps:
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    return value


def _leaves(value: Any, steps: Steps) -> Iterator[tuple[Steps, Any]]:
    if isinstance(value, dict | list):
        entries = value.items() if isinstance(value, dict) else enumerate(value)
        for step, inner in entries:
            yield from _leaves(inner, (*steps, str(step)))
    else:
        yield steps, value
