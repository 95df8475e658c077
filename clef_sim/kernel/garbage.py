"""The cycle collector, held back while a world runs."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

THRESHOLDS = (100_000, 20, 20)
"""After how many new containers it looks at the young ones; after how many such looks at the older, and at all.
A run makes next to no cycles (an exception's traceback, a killed thread's stack), and its rows and events live on:
the interpreter's own thresholds cost a quarter of a run, and these keep at most some ten MB of garbage."""


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
