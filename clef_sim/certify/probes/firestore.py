"""Firestore: `create()`, a precondition on the update time, the SDK's own transaction."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from google.api_core.exceptions import GoogleAPICallError
from google.cloud import firestore

from clef_runtime import google
from clef_runtime.action_log.firestore import FirestoreActionLog
from clef_runtime.deploy.google_clients import GoogleClients
from clef_runtime.errors import Conflict, Throttled
from clef_runtime.google import ONCE
from clef_runtime.guard.firestore import FirestoreFiringGuard
from clef_runtime.retry import NO_RETRY
from clef_sim.certify.probes import Moment, table_of


class Probe:
    def __init__(self, env: Mapping[str, str]) -> None:
        project = env.get("CLEF_PROJECT") or os.environ.get("CLEF_PROJECT", "")
        self.client = GoogleClients(project=project).firestore()

    def prepare(self, name: str) -> None:
        """Collections need nothing."""

    def contender(self, name: str) -> _Contender:
        return _Contender(self.client, table_of(name))


class _Contender:
    def __init__(self, client: Any, root: str) -> None:
        self._client, self._root = client, root
        self.clock = Moment()
        self._call = google.caller(self.clock, NO_RETRY)
        self.guard = FirestoreFiringGuard(client, f"{root}-guard", self.clock)
        self.log = FirestoreActionLog(client, f"{root}-log", self.clock)

    def create(self, key: str, value: str) -> bool:
        self._call(self._document(key).create, {"document_data": {"v": value}, **ONCE})
        return True

    def read(self, key: str) -> tuple[str | None, Any]:
        found = self._call(self._document(key).get, dict(ONCE))
        return (found.get("v"), found.update_time) if found.exists else (None, None)

    def set(self, key: str, token: Any, value: str) -> bool:
        if token is None:
            return self.create(key, value)
        option = self._client.write_option(last_update_time=token)
        self._call(self._document(key).update, {"field_updates": {"v": value}, "option": option, **ONCE})
        return True

    def transact(self, key: str, value: str) -> bool:
        """Reads, then writes, as the SDK has it: five attempts without a pause."""
        shared, own = self._document(key), self._document(key).collection("own").document(value)

        @firestore.transactional
        def run(transaction: Any) -> bool:
            if shared.get(transaction=transaction).exists:
                return False
            transaction.set(shared, {"v": value})
            transaction.set(own, {"v": value})
            return True

        try:
            won = run(self._client.transaction())
        except ValueError as error:  # how the SDK says that all its attempts were aborted
            raise Throttled(str(error)) from error
        except GoogleAPICallError as error:
            raise google.translate(error, {"path": key}) from error
        if not won:
            raise Conflict(f"{key} is there")
        return True

    def transacted(self, key: str) -> tuple[str | None, list[str]]:
        rows = self._call(self._document(key).collection("own").get, dict(ONCE))
        return self.read(key)[0], sorted(row.id for row in rows)

    def _document(self, key: str) -> Any:
        return self._client.collection(self._root).document(key)
