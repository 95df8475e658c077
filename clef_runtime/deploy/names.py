"""What things are called: functions, services, queues, tables. Derived here once, from the manifest's name."""

from __future__ import annotations

import re
from collections.abc import Iterable

from clef_runtime.deploy.manifest import NAME, NAME_WORDS, Manifest
from clef_runtime.errors import BadInput
from clef_runtime.model import concept_name

_CONCEPT = re.compile(r"[A-Za-z][A-Za-z0-9._-]*")


class Names:
    """The names of a manifest's parts. A concept may be given by name or URN.

    Args:
        app: the app's own name, which counts where the manifest gives none.

    Raises:
        BadInput: a name that functions and tables cannot have.
    """

    def __init__(self, manifest: Manifest, app: str = "") -> None:
        self.base = manifest.name or app or "app"
        if not NAME.fullmatch(self.base):
            raise BadInput(f"name(={self.base!r}) must be {NAME_WORDS}; give the manifest a name")
        self._split = manifest.concepts.functions == "per-concept"
        self._suffix = ".fifo" if manifest.transport.kind == "sqs" and manifest.transport.fifo else ""
        self.engine = f"{self.base}-engine"
        self.evaluator = f"{self.base}-evaluator"
        self.completion_queue = self._named(f"{self.base}-completions")
        self.storage_table = f"{self.base}-state"
        self.table_prefix = f"{self.base}-"
        self.log_table = f"{self.base}-log"
        self.guard_table = f"{self.base}-guard"
        self.bucket = f"{self.base}-objects"

    def function(self, concept: str) -> str:
        """The function that runs `concept`: `shop-user`, or `shop-concepts` where one runs all."""
        return f"{self.base}-{slug(concept) if self._split else 'concepts'}"

    def queue(self, concept: str) -> str:
        """The queue (Pub/Sub: the topic) that feeds `function(concept)`."""
        return self.queue_of(self.function(concept))

    def queue_of(self, function: str) -> str:
        """As `queue`, by the function's name."""
        return self._named(f"{function}-invocations")

    def dead_letters(self, queue: str) -> str:
        """The dead-letter queue of `queue`; that of a FIFO queue is one too."""
        return self._named(f"{queue.removesuffix('.fifo')}-dlq")

    def functions(self, concepts: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """Each function that runs concepts, with those it runs, in the order given.

        Raises:
            BadInput: two things would have the same name.
        """
        placed: dict[str, tuple[str, ...]] = {}
        for concept in map(concept_name, concepts):
            name = self.function(concept)
            if (self._split and name in placed) or name in (self.engine, self.evaluator):
                other = placed.get(name, ("the engine",))[0]
                raise BadInput(
                    f"concept {concept!r} and {other!r} would both run as {name!r}; rename one of them, "
                    "or set functions: one"
                )
            placed[name] = (*placed.get(name, ()), concept)
        return placed

    def _named(self, name: str) -> str:
        return name + self._suffix


def slug(concept: str) -> str:
    """`urn:clef/Phone.Profile` -> `phone-profile`.

    Raises:
        BadInput: a name that no function can have.
    """
    name = concept_name(concept)
    if not _CONCEPT.fullmatch(name):
        raise BadInput(f"concept(={name!r}) must be letters, digits, `.`, `_` or `-` to name a function by it")
    return name.lower().replace(".", "-")
