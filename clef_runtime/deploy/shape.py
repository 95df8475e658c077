"""The shape of a manifest's file: which keys there are, and what each may hold. Says all that is wrong."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec

from clef_runtime.deploy import manifest
from clef_runtime.deploy.problems import Path, Problems
from clef_runtime.model import Record

_SECTIONS: dict[str, type[msgspec.Struct]] = {
    "storage": manifest.StorageSettings,
    "action_log": manifest.ActionLogSettings,
    "guard": manifest.GuardSettings,
    "transport": manifest.TransportSettings,
}
_REQUIRED: tuple[Path, ...] = (("cloud",), ("runtimes",), ("storage",), ("storage", "default"))
_REQUIRED_OF_RUNTIME = ("kind", "role")
_OTHER_NAMES = {
    "postgres": "sql", "postgresql": "sql", "aurora": "sql", "cloudsql": "sql", "sqlite": "sql",
    "s3": "blob", "gcs": "blob", "fargate": "ecs-fargate", "ecs": "ecs-fargate", "gcf": "cloud-function",
    "functions": "cloud-function", "cloudrun": "cloud-run", "pub/sub": "pubsub", "pub-sub": "pubsub",
}  # fmt: skip
"""What people call things that have another name here."""


def _fields(struct: type[msgspec.Struct]) -> dict[str, Any]:
    return {field.name: field.type for field in msgspec.structs.fields(struct)}


_TOP = {name: kind for name, kind in _fields(manifest.Manifest).items() if name not in ("file", "warnings")}
_RUNTIME = _fields(manifest.Runtime)


def repair(record: Mapping[str, Any], problems: Problems) -> Record:
    """Reports every unknown key, missing key and wrong value, and marks their places as broken.

    Returns:
        The record without them, with something valid where something must stand.
    """
    clean: Record = {}
    for name, value in _known(record, (), _TOP, problems).items():
        if name == "runtimes":
            clean[name] = _runtimes(value, problems)
        elif name in _SECTIONS:
            clean[name] = _section(value, (name,), _fields(_SECTIONS[name]), problems)
        elif _right(value, (name,), _TOP[name], problems):
            clean[name] = value
    for path in _REQUIRED:
        holder = record.get(path[0]) if len(path) == 2 else record
        if isinstance(holder, Mapping) and path[-1] not in holder:
            _wrong(path, f"is missing; {expected(_type_of(path))}", problems)
    clean.setdefault("cloud", "aws")
    clean.setdefault("storage", {}).setdefault("default", "dynamodb")
    clean.setdefault("runtimes", {})
    return clean


def _wrong(path: Path, message: str, problems: Problems) -> None:
    problems.error(path, message)
    problems.broken(path)


def _runtimes(value: Any, problems: Problems) -> Record:
    if not isinstance(value, Mapping) or not value:
        _wrong(("runtimes",), f"runtimes(={_shown(value)}) must map names to runtimes (`kind`, ...)", problems)
        return {}
    clean: Record = {}
    for name, runtime in value.items():
        path = ("runtimes", str(name))
        fields = _section(runtime, path, _RUNTIME, problems)
        for required in _REQUIRED_OF_RUNTIME:
            if isinstance(runtime, Mapping) and required not in runtime:
                _wrong((*path, required), f"is missing; {expected(_RUNTIME[required])}", problems)
        clean[str(name)] = {"kind": "lambda", "role": "concepts", **fields}
    return clean


def _section(value: Any, path: Path, fields: Mapping[str, Any], problems: Problems) -> Record:
    if not isinstance(value, Mapping):
        _wrong(path, f"{path[-1]}(={_shown(value)}) must be a mapping with {', '.join(fields)}", problems)
        return {}
    clean: Record = {}
    for name, held in _known(value, path, fields, problems).items():
        if get_origin(fields[name]) is dict:
            clean[name] = _mapping(held, (*path, name), get_args(fields[name])[1], problems)
        elif _right(held, (*path, name), fields[name], problems):
            clean[name] = held
    return clean


def _mapping(value: Any, path: Path, kind: Any, problems: Problems) -> Record:
    if not isinstance(value, Mapping):
        _wrong(path, f"{path[-1]}(={_shown(value)}) must map names of concepts to a storage", problems)
        return {}
    return {str(name): held for name, held in value.items() if _right(held, (*path, str(name)), kind, problems)}


def _known(value: Mapping[str, Any], path: Path, fields: Mapping[str, Any], problems: Problems) -> Record:
    for name in value:
        if name not in fields:
            problems.error((*path, str(name)), unknown(str(name), fields))
            for meant in _nearest(str(name), fields):
                problems.broken((*path, meant))
    return {name: held for name, held in value.items() if name in fields}


def unknown(name: str, known: Mapping[str, Any]) -> str:
    return f"no such key `{name}`; {_meant(name, known)}allowed: {', '.join(known)}"


def _nearest(name: str, known: Iterable[str]) -> list[str]:
    """The one known name that `name` may be a slip of, or none."""
    return difflib.get_close_matches(name.lower().replace("-", "_"), list(known), n=1, cutoff=0.7)


def _meant(name: str, known: Iterable[str]) -> str:
    return "".join(f"did you mean `{meant}`? " for meant in _nearest(name, known))


def _right(value: Any, path: Path, kind: Any, problems: Problems) -> bool:
    try:
        if isinstance(value, float) and not math.isfinite(value):
            raise msgspec.ValidationError
        msgspec.convert(value, kind)
    except msgspec.ValidationError:
        _wrong(path, f"{path[-1]}(={_shown(value)}) {expected(kind)}{_hint(value, kind)}", problems)
        return False
    return True


def _shown(value: Any) -> str:
    words = repr(value)
    return words if len(words) <= 60 else words[:57] + "..."


def _hint(value: Any, kind: Any) -> str:
    if get_origin(kind) is not Literal or not isinstance(value, str):
        return ""
    other = _OTHER_NAMES.get(value.lower().replace(" ", ""))
    near = [other] if other in get_args(kind) else difflib.get_close_matches(value, get_args(kind), n=1)
    return "".join(f"; did you mean `{meant}`?" for meant in near)


def expected(kind: Any) -> str:
    """What a field of this type must hold, in words: `must be one of http, sqs, pubsub`."""
    if get_origin(kind) is Literal:
        return f"must be one of {', '.join(map(str, get_args(kind)))}"
    if get_origin(kind) is Annotated:
        base, meta = get_args(kind)
        if meta.description:
            return f"must be {meta.description}"
        bounds = ((">", meta.gt), (">=", meta.ge), ("<=", meta.le))
        limits = " and ".join(f"{sign} {limit}" for sign, limit in bounds if limit is not None)
        return f"must be a whole number {limits}" if base is int else f"must be {limits}"
    if type(None) in get_args(kind):
        return f"{expected(get_args(kind)[0])}, or null"
    words = {bool: "true or false", str: "text"}
    return f"must be {words.get(kind, 'a mapping')}"


def _type_of(path: Path) -> Any:
    return _TOP[path[0]] if len(path) == 1 else _fields(_SECTIONS[path[0]])[path[1]]


def wrong_path(path: Path, record: Mapping[str, Any]) -> str:
    """Why no manifest with this record's runtimes has `path`, or nothing where it has."""
    if path[0] not in _TOP:
        return unknown(path[0], _TOP)
    if len(path) == 1:
        return ""
    if path[0] == "runtimes":
        return _wrong_runtime(path, record)
    if path[0] not in _SECTIONS:
        return f"`{path[0]}` has nothing inside it; it {expected(_TOP[path[0]])}"
    fields = _fields(_SECTIONS[path[0]])
    if path[1] not in fields:
        return unknown(path[1], fields)
    if len(path) == 2 or (len(path) == 3 and get_origin(fields[path[1]]) is dict):
        return ""
    return f"`{'.'.join(path[:2])}` has nothing inside it; it {expected(fields[path[1]])}"


def _wrong_runtime(path: Path, record: Mapping[str, Any]) -> str:
    runtimes = record.get("runtimes")
    there = runtimes if isinstance(runtimes, Mapping) else {}
    if len(path) == 2:
        return ""  # a whole runtime may be added or taken out
    if path[1] not in there:
        return f"no runtime `{path[1]}`; {_meant(path[1], there)}there are {', '.join(there) or 'none'}"
    if path[2] not in _RUNTIME:
        return unknown(path[2], _RUNTIME)
    return "" if len(path) == 3 else f"`{'.'.join(path[:3])}` has nothing inside it"
