"""What the models of Google's services share: errors, and which fields of a request they know."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from google.api_core import exceptions

from clef_sim.services.sdk import refuse_unmodelled

_Error = TypeVar("_Error", bound=exceptions.GoogleAPICallError)

_OPTIONS = frozenset({"metadata", "retry", "timeout"})


def refusal(kind: type[_Error], words: str) -> _Error:
    """The SDK's error."""
    return kind(words)


def check_fields(operation: str, request: Any, options: Iterable[str], modelled: Sequence[str]) -> None:
    """Raises Unmodelled for a field of a request (a mapping) that is set and not modelled, and for a call's option
    that no plain client has."""
    if not _OPTIONS.issuperset(options):
        refuse_unmodelled(operation, set(options) - _OPTIONS, _OPTIONS)
    unknown = [name for name, value in request.items() if value is not None and name not in modelled]
    if unknown:
        refuse_unmodelled(operation, unknown, modelled)
