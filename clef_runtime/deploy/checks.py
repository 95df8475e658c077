"""Completes a manifest and checks it: the shape of the file, then what must fit together.

Every check names the paths that it looks at. Where one of them is already known to be wrong the check is
left out, so that one mistake is not reported as three.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import msgspec

from clef_runtime.deploy import checks_queue, checks_runtime, checks_state
from clef_runtime.deploy.document import Document, split_path
from clef_runtime.deploy.manifest import Manifest
from clef_runtime.deploy.problems import Path, Problems
from clef_runtime.deploy.resolve import resolve
from clef_runtime.deploy.shape import repair
from clef_runtime.model import Record

Check: TypeAlias = Callable[[Manifest, Record, Problems], None]
"""Looks at the completed manifest, and at the record as given to see what was said and what derived."""

_ENGINE = ("runtimes.*.kind", "runtimes.*.role", "runtimes.*.engine", "transport.kind")
_TOPOLOGY = (*_ENGINE, "runtimes.*.tasks")

CHECKS: tuple[tuple[tuple[str, ...], Check], ...] = (
    (("cloud", "runtimes.*.kind"), checks_runtime.kinds),
    (("runtimes.*.kind", "runtimes.*.memory_mb", "runtimes.*.timeout_s"), checks_runtime.limits),
    (("runtimes.*.kind", "runtimes.*.role"), checks_runtime.meaningless),
    (_ENGINE, checks_runtime.engine),
    (("cloud", "transport.kind"), checks_queue.cloud),
    (("transport.kind",), checks_queue.meaningless),
    (("transport",), checks_queue.batches),
    (
        ("transport.kind", "transport.max_receive_count", "transport.visibility_timeout_s"),
        checks_queue.limits,
    ),
    (("runtimes.*.kind", "runtimes.*.timeout_s", "transport"), checks_queue.visibility),
    ((*_TOPOLOGY, "action_log.kind"), checks_state.log),
    ((*_TOPOLOGY, "action_log.kind", "guard.kind"), checks_state.guard),
    ((*_TOPOLOGY, "runtimes.*.timeout_s", "transport", "guard", "delivery"), checks_state.lease),
    (("transport.kind", "guard.ttl_s", "action_log.ttl_s"), checks_state.memory_of_messages),
    (("storage", "action_log", "guard.protocol", "delivery"), checks_state.delivery),
    (("storage",), checks_state.storage),
    (("cloud", "storage", "action_log.kind", "guard.kind"), checks_state.other_cloud),
)


def complete(document: Document, *, overridden: Sequence[str] = ()) -> Manifest:
    """The manifest of a document, every default filled in.

    Args:
        overridden: dotted paths that were changed after reading: they stand nowhere in the file.

    Raises:
        ManifestError: with everything that is wrong.
    """
    moved = [split_path(path) for path in overridden]
    places = {path: at for path, at in document.places.items() if not _within(path, moved)}
    problems = Problems(document.file, places)
    given = repair(document.record, problems)
    full = resolve(given)
    try:
        manifest = msgspec.convert({"file": document.file, **full}, Manifest)
    except msgspec.ValidationError as error:  # only a derived value can still be wrong
        problems.error((), str(error))
        problems.raise_errors()
        raise
    for paths, check in CHECKS:
        if all(map(problems.sound, paths)):
            check(manifest, given, problems)
    problems.raise_errors()
    return msgspec.structs.replace(manifest, warnings=problems.warnings())


def _within(path: Path, holders: Sequence[Path]) -> bool:
    return any(path[: len(holder)] == holder for holder in holders)
