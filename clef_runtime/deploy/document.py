"""Reads a manifest's YAML into a record, with the place of every key; changes single values of it."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path as FilePath
from typing import Any

import msgspec
import yaml

from clef_runtime.deploy.problems import Path, Places, Problems
from clef_runtime.errors import BadInput, ManifestError
from clef_runtime.model import Record

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_DEPTH = 5
"""No path of a manifest is longer. Looking no deeper bounds what an alias of an alias can cost."""


class Document(msgspec.Struct, frozen=True):
    """A file as read: nothing is checked but that it is YAML, a mapping, and has no key twice."""

    file: str
    record: Record
    places: Places


def read_document(path: FilePath, *, what: str = "manifest") -> Document:
    """Reads `path`, a file of the kind `what`.

    Raises:
        BadInput: no such file, or not UTF-8.
        ManifestError: not YAML, not a mapping, a key that stands twice or is no text.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{what}(={str(path)!r}) cannot be read: {error}") from error
    return parse_document(text, str(path), what=what)


def parse_document(text: str, file: str, *, what: str = "manifest") -> Document:
    """As `read_document`, of a text."""
    loader = _LOADER(text)
    try:
        root = loader.get_single_node()
        if not isinstance(root, yaml.MappingNode):
            words = f"a {what} must be a mapping (`name: ...`)"
            raise ManifestError(words, file=file, path="", text=f"{file}: {words}")
        places: Places = {}
        problems = Problems(file, places)
        _walk(root, (), places, problems)
        problems.raise_errors()
        return Document(file, loader.construct_document(root), places)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{file}:{mark.line + 1}:{mark.column + 1}" if mark else file
        words = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
        raise ManifestError(f"not YAML: {words}", file=file, path="", text=f"{place}: not YAML: {words}") from error
    except RecursionError:
        raise ManifestError("nested too deeply", file=file, path="", text=f"{file}: nested too deeply") from None
    finally:
        loader.dispose()


def _walk(node: yaml.MappingNode, path: Path, places: Places, problems: Problems) -> None:
    for key, value in node.value:
        here = (*path, str(key.value))
        first = places.get(here)
        places[here] = (key.start_mark.line + 1, key.start_mark.column + 1)
        if first is not None:
            problems.error(here, f"stands twice; the first is in line {first[0]}")
            continue
        if key.tag != "tag:yaml.org,2002:str" or not isinstance(key, yaml.ScalarNode):
            problems.error(here, f"a key must be text; put {key.value!r} in quotes")
        else:
            _walk_value(value, here, places, problems)


def _walk_value(value: yaml.Node, here: Path, places: Places, problems: Problems) -> None:
    if len(here) >= _DEPTH:
        return
    if isinstance(value, yaml.MappingNode):
        _walk(value, here, places, problems)
    elif isinstance(value, yaml.SequenceNode):
        for number, item in enumerate(value.value):
            there = (*here, str(number))
            places[there] = (item.start_mark.line + 1, item.start_mark.column + 1)
            _walk_value(item, there, places, problems)


def override(record: Mapping[str, Any], changes: Mapping[str, Any]) -> Record:
    """A copy of a manifest's record with single values replaced, before anything is derived from it.

    Args:
        changes: dotted path (`guard.protocol`, `storage.overrides.Phone.Profile`) -> value. None takes the
            key out, a mapping replaces one.

    Raises:
        BadInput: a path that no manifest has, or of a runtime that this one does not have; names those
            that there are.
    """
    from clef_runtime.deploy.shape import wrong_path

    changed: Record = copy.deepcopy(dict(record))
    for dotted, value in changes.items():
        path = split_path(dotted)
        wrong = wrong_path(path, changed)
        if wrong:
            raise BadInput(f"override(={dotted!r}): {wrong}")
        target = changed
        for part in path[:-1]:
            inner = target.setdefault(part, {})
            if not isinstance(inner, dict):
                raise BadInput(f"override(={dotted!r}): {part!r} holds {inner!r} here, not a mapping")
            target = inner
        if value is None:
            target.pop(path[-1], None)
        else:
            target[path[-1]] = copy.deepcopy(value)
    return changed


def split_path(dotted: str) -> Path:
    """`guard.protocol` -> its parts; a concept's name may hold dots itself."""
    parts = dotted.split(".")
    if parts[:2] == ["storage", "overrides"] and len(parts) > 3:
        parts = [*parts[:2], ".".join(parts[2:])]
    return tuple(parts)
