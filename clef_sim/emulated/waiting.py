"""A call that waits inside an emulator for something that a suspended virtual thread holds.

It is made on an OS thread of its own, so that the virtual world goes on; only the thread of the world looks at how it
ended. Where nobody looks any more, it is left to end by itself.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Any


class OutsideCall:
    """`call`, begun at once on an OS thread. It must end by itself: an SDK's call has a time-out."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self._call = call
        self._ended: Future[Any] = Future()
        threading.Thread(target=self._run, name="clef-waiting-call", daemon=True).start()

    def _run(self) -> None:
        try:
            self._ended.set_result(self._call())
        except Exception as error:
            self._ended.set_exception(error)

    def answered(self, within_s: float) -> bool:
        """Whether it has ended; waits up to `within_s` (real seconds) for that."""
        return bool(wait([self._ended], within_s).done)

    def result(self) -> Any:
        """What it returned, or raises what it raised; waits for its end."""
        return self._ended.result()
