"""Degraded syncs: those of which a concept cannot be reached now.

An eager one is skipped with a warning. An eventual one is queued: its completion is to be evaluated again
later, by the queue (option C), the caller (option B) or the engine (option A).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection

from clef_runtime.engine.firing import Fires
from clef_runtime.engine.flow import Match
from clef_runtime.errors import Unavailable
from clef_runtime.language.compiled import CompiledSync, Query
from clef_runtime.model import Completion

_log = logging.getLogger(__name__)

RETRY_AFTER_S = 5.0
"""When to ask again for a concept that could not be reached."""


def concepts_needed(sync: CompiledSync) -> tuple[str, ...]:
    """The URNs that firing `sync` reads or invokes, in order; variables (`?concept`) are not among them."""
    asked = (entry.concept for entry in sync.where if isinstance(entry, Query))
    named = [*asked, *(action.concept for action in sync.then)]
    return tuple(dict.fromkeys("/".join(urn.split("/")[:2]) for urn in named if not urn.startswith("?")))


class WhereAvailable:
    """Fires through `inner` where all concepts of the sync can be reached.

    Args:
        available: whether a concept (URN) can be reached now.
        together: whether concepts run in one runtime; a `local` sync fires only there.
    """

    def __init__(
        self,
        inner: Fires,
        available: Callable[[str], bool],
        together: Callable[[Collection[str]], bool] = lambda _: True,
    ) -> None:
        self._inner, self._available, self._together = inner, available, together
        self._needs: dict[str, tuple[str, ...]] = {}

    def fire(self, match: Match, fired: Collection[str] = ()) -> list[Completion]:
        sync = match.sync
        needs = self._needs.get(sync.name)
        if needs is None:
            needs = self._needs[sync.name] = concepts_needed(sync)
        missing = [urn for urn in needs if not self._available(urn)]
        if missing:
            if sync.eventual:
                raise Unavailable(
                    f"eventual sync {sync.name} waits for {', '.join(missing)}", retry_after_s=RETRY_AFTER_S
                )
            flow = match.completions[0].flow
            _log.warning("sync %s is skipped in flow %s: no %s", sync.name, flow, ", ".join(missing))
            return []
        if "local" in sync.annotations and not self._together(needs):
            return []
        return self._inner.fire(match, fired)
