"""Transport within one process: plain calls. What the callee raises reaches the caller."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from clef_runtime.model import Completion, Invocation


class MemoryDispatcher:
    """Hands each invocation to `receive`, which runs it; its completions come back as an answer's would."""

    def __init__(self, receive: Callable[[Invocation], Sequence[Completion]]) -> None:
        self._receive = receive

    def send(self, invocations: Sequence[Invocation]) -> list[Completion]:
        return [completion for invocation in invocations for completion in self._receive(invocation)]


class MemoryPublisher:
    """Hands each completion to `receive`, which evaluates or queues it."""

    def __init__(self, receive: Callable[[Completion], object]) -> None:
        self._receive = receive

    def publish(self, completion: Completion) -> None:
        self._receive(completion)
