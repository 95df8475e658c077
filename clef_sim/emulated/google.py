"""What calls to Google's emulators share: the channel, a project for each run, and who is to blame for a failure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NoReturn

import grpc
from google.api_core import exceptions

from clef_runtime.context import SystemIds
from clef_runtime.google import ONCE
from clef_sim.emulated.backends import Backend, BackendFailed
from clef_sim.kernel.threads import Kernel

# As in the SDK's own channels: gRPC's own limit of 4 MB is less than a request may have.
_ANY_SIZE = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]

ANSWER_S = 20.0
"""Real seconds for an answer. A virtual call takes none of them, so it may be patient with a busy machine."""

REAL: dict[str, Any] = {**ONCE, "timeout": ANSWER_S}
"""Arguments of every call, in the place of the caller's own."""

_SILENT = (exceptions.ServiceUnavailable, exceptions.DeadlineExceeded)
"""What the SDK raises where nobody is there, or nobody answers. No emulator says so itself."""


@lru_cache(maxsize=8)
def channel(url: str) -> grpc.Channel:
    """The channel to an emulator; a process has one."""
    return grpc.insecure_channel(url, _ANY_SIZE)


class Project:
    """A project that nobody has used before: the run's own database and topics, empty.

    Attributes:
        id: differs from run to run, and must not get into a history.
    """

    def __init__(self, backend: Backend, kernel: Kernel) -> None:
        self.id = f"run-{SystemIds().new()[:13]}"
        self._backend, self._kernel = backend, kernel

    def call(self, method: Callable[[], Any], times: Mapping[int, int] | None = None) -> Any:
        """What `method`, an SDK call, returns.

        Args:
            times: what to show for which of the service's times (both in microseconds), in the words of an error.

        Raises:
            google.api_core's GoogleAPICallError: what the service refused, in words that no other run has.
            BackendFailed: nobody answered; it ends the run, whatever the caller catches.
        """
        try:
            return method()
        except _SILENT as error:
            self.fail(f"stopped answering: {type(error).__name__}: {error.message}; see whether it still runs")
        except exceptions.GoogleAPICallError as error:
            error.message = self._shown(str(error.message), times or {})
            raise

    def fail(self, words: str) -> NoReturn:
        """Ends the run. Raises BackendFailed, past whatever the caller catches."""
        raise self._kernel.abort(BackendFailed(self._backend, words)) from None

    def _shown(self, words: str, times: Mapping[int, int]) -> str:
        shown = words.replace(self.id, "sim")
        return re.sub(r"\b\d{16}\b", lambda found: str(times.get(int(found[0]), found[0])), shown)
