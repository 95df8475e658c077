"""The receiving end of an invocation: runs the concept's action, as the delivery says, and records its completion.

| delivery | the action's writes | the completion | a redelivered invocation |
| --- | --- | --- | --- |
| `plain` | at least once | not recorded here | runs again |
| `recorded` | at least once (again after a crash before the record) | recorded once | answered from the record |
| `transactional` | once, together with the completion | recorded once | answered from the record |
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

from clef_runtime.action_log.base import ActionLog
from clef_runtime.concept import Catalogue, Tools
from clef_runtime.context import Clock, Ids, timestamp
from clef_runtime.errors import BadInput, ClefError, Conflict, Indeterminate, Throttled, TooLarge
from clef_runtime.model import Completion, Invocation, Outcome, complete, completion_id
from clef_runtime.storage.base import Storage
from clef_runtime.unit_of_work import Staging

Delivery: TypeAlias = Literal["plain", "recorded", "transactional"]

_CONFLICT_PAUSES_S = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2)
"""Pauses before an action runs again because a row that it read has changed meanwhile."""


class Receiver:
    """Runs invocations of the catalogue's concepts.

    Args:
        storage_of: a concept's storage, by URN.
        log: where completions are recorded; not used, and may be None, under `plain`.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        storage_of: Callable[[str], Storage],
        log: ActionLog | None,
        clock: Clock,
        ids: Ids,
        delivery: Delivery,
    ) -> None:
        if log is None and delivery != "plain":
            raise BadInput(f"delivery(={delivery!r}) needs an action log; give one, or take 'plain'")
        self._catalogue, self._storage_of, self._log = catalogue, storage_of, log
        self._clock, self._ids, self._delivery = clock, ids, delivery

    def run(self, invocation: Invocation) -> Completion:
        """The invocation's completion: that of this run, or the one on record.

        Raises:
            Throttled, Indeterminate: nothing or not surely anything was done; deliver the invocation again.
            NotFound: the concept, or one of its tables, does not exist.
        """
        if self._delivery == "plain" or self._log is None:
            outcome = self._act(invocation, self._storage_of(invocation.concept))
            return complete(invocation, outcome, timestamp(self._clock))
        if self._delivery == "recorded":
            return self._recorded(invocation, self._log)
        return self._transactional(invocation, self._log)

    def _recorded(self, invocation: Invocation, log: ActionLog) -> Completion:
        earlier = log.get(invocation.flow, completion_id(invocation.id))
        if earlier is not None:
            return earlier
        outcome = self._act(invocation, self._storage_of(invocation.concept))
        completion = complete(invocation, outcome, timestamp(self._clock))
        return completion if log.append(completion) else self._on_record(completion, log)

    def _transactional(self, invocation: Invocation, log: ActionLog) -> Completion:
        # No read before the run: where the completion is on record already, the commit is refused and
        # the run leaves no trace.
        storage = self._storage_of(invocation.concept)
        for pause_s in _CONFLICT_PAUSES_S:
            if pause_s:
                self._clock.sleep(pause_s)
            staging = Staging(storage)
            outcome = self._act(invocation, staging)
            completion = complete(invocation, outcome, timestamp(self._clock))
            try:
                new = log.append(completion, along=storage.stage(staging.writes()))
            except Conflict:
                continue
            return completion if new else self._on_record(completion, log)
        raise Throttled(
            f"{invocation.concept}/{invocation.action}: the rows that it read changed in each of "
            f"{len(_CONFLICT_PAUSES_S)} tries; nothing was written, deliver the invocation again"
        )

    def _on_record(self, completion: Completion, log: ActionLog) -> Completion:
        recorded = log.get(completion.flow, completion.id)
        if recorded is None:
            raise Indeterminate(f"completion {completion.id}: refused as recorded, but not to be read; try again")
        return recorded

    def _act(self, invocation: Invocation, storage: Storage) -> Outcome:
        concept = self._catalogue.get(invocation.concept)
        action = concept.actions.get(invocation.action)
        if action is None:
            known = ", ".join(sorted(concept.actions))
            return Outcome(
                "error", {"message": f"{concept.name} has no action {invocation.action!r}; it has {known}"}
            )
        try:
            return action(invocation.input, Tools(storage, self._clock, self._ids, invocation))
        except (BadInput, TooLarge) as error:
            return Outcome("error", {"message": str(error)})
        except ClefError:
            raise  # a service's failure says nothing about the action: the invocation comes again
        except Exception as error:
            return Outcome("error", {"message": f"{type(error).__name__}: {error}"})
