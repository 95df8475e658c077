"""The cycle collector, held back while a world runs."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

THRESHOLDS = (500_000, 5, 5)
"""After how many new containers it looks at the young ones; after how many such looks at the older, and at all.
A run makes next to no cycles (killed threads, failures deep in a handler), while its rows and events live on: with
the interpreter's own thresholds, looking at them again and again is a quarter of a run. What these leave lying is
some ten MB, and bounded."""


@contextmanager
def seldom_collected() -> Iterator[None]:
    """Inside, the collector looks seldom, and never at what was there before: modules, the app, the syncs."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
