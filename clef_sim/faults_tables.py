"""Faults of tables: replicas that lag behind, so that eventually consistent reads are answered with the past."""

from __future__ import annotations

from collections.abc import Sequence

from clef_sim.emulated.dynamodb import EmulatedDynamoDB
from clef_sim.faults import Armed, Faults
from clef_sim.history import History
from clef_sim.scenario import StaleRead
from clef_sim.services.dynamodb import DynamoDB


class TableFaults:
    """Hooks a run's table faults into the model, all of whose tables exist by now."""

    def __init__(self, faults: Faults, history: History, dynamodb: DynamoDB | EmulatedDynamoDB) -> None:
        self._history, self._dynamodb = history, dynamodb
        self._lagging = {
            table: found
            for table in dynamodb.tables
            if (found := [(armed, spec) for armed, spec in faults.of(StaleRead) if spec.table in table])
        }

    def begin(self) -> None:
        """From now on writes take their time to reach the replicas."""
        for table, faults in self._lagging.items():
            lag_s = max(spec.lag_s for _, spec in faults)
            armed = [each for each, _ in faults]

            def on_lag(consistent: bool, armed: list[Armed] = armed, table: str = table) -> bool:
                return self._met(armed, table, consistent)

            self._dynamodb.force_lag(table, lag_s, on_lag)

    def stop(self) -> None:
        """Replicas lag as they always do."""
        for table in self._lagging:
            self._dynamodb.force_lag(table, None)

    def _met(self, armed: Sequence[Armed], table: str, consistent: bool) -> bool:
        """A read meets a write that has not reached the replicas. A consistent one goes where the write is."""
        for each in armed:
            if each.strikes():
                self._history.add("fault", each.name, target=table, does="read past it" if consistent else "stale")
                return not consistent
        return False
