"""What stands between this process and a real service: the call is timed, written down, and struck by faults."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from clef_runtime.context import SystemClock
from clef_sim.history import EventOutcome, History
from clef_sim.live.instance import Crashed, LiveInstance
from clef_sim.network import Action, Call, FaultPlan, Place, operation_name
from clef_sim.profiles import Profile
from clef_sim.sdk_errors import code_of, conflict, outcome_of, partly_refused, throttle, timed_out

_STREAMS = frozenset({"firestore.BatchGetDocuments", "firestore.RunQuery"})
"""Calls whose answer comes in pieces: they are over with the last one."""


class LiveNetwork:
    """All connections of a process."""

    def __init__(self, instance: LiveInstance, history: History, faults: FaultPlan, profile: Profile) -> None:
        self.instance, self.history, self.faults, self.profile = instance, history, faults, profile
        self.sleep = SystemClock().sleep
        self.applied: Callable[[str, dict[str, Any]], None] = lambda _call, _kwargs: None
        """Told of each call that was done."""

    def client(self, service: str, real: Any) -> Any:
        """`real` as whoever runs in this process holds it."""
        return LiveClient(self, service, real)

    @property
    def now(self) -> float:
        return self.history.now

    def call(self, service: str, operation: str, kwargs: dict[str, Any]) -> Call | None:
        """The call as the fault plan sees it; None where nothing can strike it."""
        if not self.faults.watches(service, operation):
            return None
        return Call(service, operation, kwargs, self.history.where.who, None, 0)

    def struck(self, call: Call, action: Action, place: Place) -> None:
        self.history.add(
            "fault",
            action.fault,
            target=f"{call.service}.{call.operation}",
            does=action.kind,
            place=place,
            seconds=action.seconds,
        )

    def strike(self, call: Call | None, ask: Callable[[Call], Action | None], place: Place) -> None:
        """Lets a fault act before or after a call: crash, delay or freeze."""
        action = None if call is None else ask(call)
        if call is None or action is None:
            return
        self.struck(call, action, place)
        if action.kind == "crash":
            self.instance.crash(action.fault)
        elif action.kind == "delay":
            self.sleep(action.seconds)
        else:
            self.instance.freeze(action.seconds)

    def lose(self, action: Action, began_s: float) -> None:
        """Waits as long as a client does for an answer that never comes."""
        timeout_s = action.seconds or self.profile.limit("client_read_timeout_s")
        self.sleep(max(0.0, began_s + timeout_s - self.now))


class LiveClient:
    """A real SDK client, each of whose calls goes through the network. Attributes that are no methods are its own."""

    def __init__(self, network: LiveNetwork, service: str, real: Any) -> None:
        self._network, self._service, self._real = network, service, real

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._real, name)
        if not callable(found) or isinstance(found, type) or name.startswith("_"):
            return found
        method = _Method(self._network, self._service, operation_name(name), found)
        self.__dict__[name] = method  # so that this is asked once a method
        return method


class _Method:
    def __init__(self, network: LiveNetwork, service: str, operation: str, real: Callable[..., Any]) -> None:
        self.network, self.service, self.operation = network, service, operation
        self.name = f"{service}.{operation}"
        self.real = _whole(real) if self.name in _STREAMS else real

    def __call__(self, **kwargs: Any) -> Any:
        network, instance = self.network, self.network.instance
        instance.check()
        began_s = network.now
        call = network.call(self.service, self.operation, kwargs)
        failure: Exception | None = None
        answer, applied, lost = None, False, False
        try:
            network.strike(call, network.faults.before, "before")
            action = None if call is None else network.faults.at(call)
            if call is None or action is None:
                try:
                    answer, applied = self.real(**kwargs), True
                except Exception as error:
                    failure = error
            else:
                network.struck(call, action, "at")
                lost = action.kind in ("crash", "applied_then_timeout")
                answer, failure, applied = self._struck(action, kwargs)
                if action.kind == "crash":
                    if applied:
                        network.applied(self.name, kwargs)
                    instance.crash(action.fault)
                if lost:
                    network.lose(action, began_s)
            if applied:
                network.applied(self.name, kwargs)
            instance.check()
            if call is not None:
                call.applied, call.error = applied, "" if failure is None else code_of(failure)
                network.strike(call, network.faults.after, "after")
        except Crashed:
            self._record(began_s, "unknown", "Killed", applied)
            raise
        if failure is None:
            self._record(began_s, "ok", "", True)
            return answer
        outcome = outcome_of(failure)
        # Nobody lost this answer on purpose: what the service did is not known here.
        doubt = {"doubt": True} if outcome == "unknown" and not lost else {}
        self._record(began_s, outcome, code_of(failure), applied, **doubt)
        raise failure

    def _struck(self, action: Action, kwargs: dict[str, Any]) -> tuple[Any, Exception | None, bool]:
        """Answer, failure, and whether the call was applied."""
        if action.kind == "throttle":
            return None, throttle(self.service, self.operation), False
        if action.kind == "conflict":
            return None, conflict(self.service, kwargs, self.operation), False
        if action.kind == "partly_refused":
            return partly_refused(self.real, kwargs), None, True
        try:
            self.real(**kwargs)
        except Exception:  # nobody will hear of it
            return None, timed_out(self.service), False
        return None, timed_out(self.service), True

    def _record(self, began_s: float, outcome: EventOutcome, error: str, applied: bool, **more: Any) -> None:
        ms = round((self.network.now - began_s) * 1000.0, 3)
        self.network.history.note("sdk", self.name, outcome, {"ms": ms, "error": error, "applied": applied, **more})


def _whole(stream: Callable[..., Any]) -> Callable[..., Any]:
    def read(**kwargs: Any) -> Any:
        return iter(list(stream(**kwargs)))

    return read
