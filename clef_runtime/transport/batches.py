"""Messages in batches: those that fit into one call, and those of one that must come again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from clef_runtime.errors import ClefError, TooLarge

T = TypeVar("T")


def batches(
    messages: Sequence[T],
    size: Callable[[T], int],
    *,
    count_max: int | None = None,
    bytes_max: int,
    name: Callable[[T], str],
) -> Iterator[list[T]]:
    """The messages in their order, in batches of at most `count_max` messages and `bytes_max` bytes.

    Raises:
        TooLarge: a message that is too large alone, by its `name`; before the first batch is given out.
    """
    sizes = list(map(size, messages))
    if sum(sizes) <= bytes_max and len(sizes) <= (count_max or len(sizes)):
        return iter([list(messages)] if messages else [])
    for message, bytes_ in zip(messages, sizes, strict=True):
        if bytes_ > bytes_max:
            raise TooLarge(f"{name(message)} has {bytes_} bytes; one call takes {bytes_max}")
    return _cut(messages, sizes, count_max or len(messages), bytes_max)


def _cut(messages: Sequence[T], sizes: Sequence[int], count_max: int, bytes_max: int) -> Iterator[list[T]]:
    batch: list[T] = []
    filled = 0
    for message, bytes_ in zip(messages, sizes, strict=True):
        if batch and (len(batch) == count_max or filled + bytes_ > bytes_max):
            yield batch
            batch, filled = [], 0
        batch.append(message)
        filled += bytes_
    if batch:
        yield batch


def to_repeat(ended: Sequence[ClefError | None], groups: Sequence[str | None]) -> list[bool]:
    """Which messages of a batch must be delivered again: those that failed and, since nothing may overtake in an
    ordered group, what follows them there. A message without order has the group None."""
    stopped: set[str] = set()
    again: list[bool] = []
    for group, error in zip(groups, ended, strict=True):
        again.append(error is not None or group in stopped)
        if again[-1] and group is not None:
            stopped.add(group)
    return again
