"""What stands between a client and a service: latency, faults, crash points, history.

One SDK call: the request's half of the latency passes, the model applies the call atomically at that virtual
instant, the answer's half passes, the answer (or the service's error) is given. A fault plan is asked three
times: *before* the request leaves, *at* the instant of applying, *after* the answer has come.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MethodType
from typing import Any, Literal, Protocol, TypeAlias

import httpx
import msgspec

from clef_runtime.errors import BadInput
from clef_sim.certify.evidence import Evidence
from clef_sim.emulated.backends import BackendFailed
from clef_sim.history import EventOutcome, History
from clef_sim.kernel.choices import Choices, Sampler, Stream
from clef_sim.kernel.instance import Instance
from clef_sim.kernel.threads import Kernel, Killed
from clef_sim.profiles import Profile
from clef_sim.sdk_errors import (
    code_of,
    conflict,
    is_time_out,
    outcome_of,
    partly_refused,
    throttle,
    timed_out,
)
from clef_sim.services.sdk import Direct, Unmodelled

Place: TypeAlias = Literal["before", "at", "after"]
Kind: TypeAlias = Literal[
    "crash", "delay", "freeze", "throttle", "applied_then_timeout", "partly_refused", "conflict"
]

KINDS: Mapping[Place, tuple[Kind, ...]] = {
    "before": ("crash", "delay", "freeze"),
    "at": ("crash", "throttle", "applied_then_timeout", "partly_refused", "conflict"),
    "after": ("crash", "delay", "freeze"),
}
"""What may strike where. `crash` at: the call is applied, its answer lost."""


ENDING = (Unmodelled, BackendFailed)
"""What a service raises that no caller may see: the run cannot go on."""


class Action(msgspec.Struct, frozen=True):
    """What a fault does to one call.

    Args:
        fault: the fault's name, for the history.
        kind: `crash` kills the calling instance. `delay` holds the call back for `seconds`. `freeze` freezes
            the calling instance from now for `seconds`. `throttle` refuses it, not applied.
            `applied_then_timeout` applies it and lets the client time out, after `seconds` if > 0, else after
            the profile's `client_read_timeout_s`. `partly_refused` applies half of a SendMessageBatch. `conflict`
            makes DynamoDB or Firestore refuse a write, as where another transaction is at one of its items; not
            applied.
    """

    fault: str
    kind: Kind
    seconds: float = 0.0


class Call(msgspec.Struct):
    """One call, as a fault plan sees it.

    Attributes:
        operation: as the SDK names it (`PutItem`); for HTTP the method and the path (`POST /_clef/invoke`).
        number: of this service's and operation's watched calls, from 1.
        applied, error: how it went, once the service has answered; error is a code, or empty.
    """

    service: str
    operation: str
    kwargs: dict[str, Any]
    who: str
    instance: Instance | None
    number: int
    applied: bool = False
    error: str = ""


class FaultPlan(Protocol):
    """Decides which calls are struck. Every draw must come from the run's Choices."""

    def watches(self, service: str, operation: str) -> bool:
        """Whether any call of the operation may ever be struck. Asked once a client; others run faster."""

    def before(self, call: Call) -> Action | None: ...

    def at(self, call: Call) -> Action | None: ...

    def after(self, call: Call) -> Action | None: ...


class NoFaults:
    """Strikes nothing."""

    def watches(self, service: str, operation: str) -> bool:  # noqa: ARG002  the protocol's signature
        return False

    def before(self, call: Call) -> Action | None:  # noqa: ARG002
        return None

    at = after = before


class Endpoint(Protocol):
    """What answers for a host."""

    def submit(self, request: httpx.Request, answer: Callable[[httpx.Response | Exception], None]) -> None:
        """Takes a request and returns at once; `answer` is called once, now or later, with how it ended."""


class Network:
    """All connections of a world.

    Args:
        profile: latency of each operation; an operation that it does not know is refused by name.
        faults: the plan; nothing is struck without one.
    """

    def __init__(
        self,
        kernel: Kernel,
        choices: Choices,
        history: History,
        profile: Profile,
        faults: FaultPlan | None = None,
    ) -> None:
        self.kernel = kernel
        self.choices = choices
        self.history = history
        self.profile = profile
        self.faults: FaultPlan = faults or NoFaults()
        self.evidence: Evidence | None = None
        """Where each call is written down with all that it asked and got; None, as usual: nowhere."""
        self._samplers: dict[str, Sampler] = {}
        self._numbers: dict[str, int] = {}
        self.hosts: dict[str, tuple[Endpoint, Sampler]] = {}

    def here(self) -> tuple[float, str]:
        """Virtual seconds, and who runs."""
        return self.kernel.now, self.kernel.who

    def client(self, service_name: str, model: Any, instance: Instance | None) -> Any:
        """`model` as the SDK client that `instance` holds; None is the world's own, with no client CPU time."""
        return SimClient(self, service_name, model, instance)

    def mount(self, host: str, endpoint: Endpoint, latency: str = "http.service") -> None:
        """Makes `endpoint` answer for `host`; `latency` names the profile's row for the way there and back."""
        self.hosts[host] = (endpoint, self.sampler(latency))

    def unmount(self, host: str) -> None:
        """Connections to `host` are refused from now on."""
        self.hosts.pop(host, None)

    def sampler(self, name: str) -> Sampler:
        """Draws the latency of `service.Operation`, in ms."""
        found = self._samplers.get(name)
        if found is None:
            found = self._samplers[name] = self.profile.latency(name)
        return found

    def latency_stream(self, service: str) -> Stream:
        return self.choices.stream(f"latency.{service}")

    def next_call(self, service: str, operation: str, kwargs: dict[str, Any], instance: Instance | None) -> Call:
        """A call that the fault plan watches."""
        name = f"{service}.{operation}"
        number = self._numbers[name] = self._numbers.get(name, 0) + 1
        return Call(service, operation, kwargs, self.kernel.who, instance, number)

    def struck(self, call: Call, action: Action, place: Place) -> None:
        """Records that a fault strikes; refuses one that cannot strike there."""
        if action.kind not in KINDS[place]:
            kinds = ", ".join(KINDS[place])
            told = f"kind(={action.kind!r}) cannot strike {place} a call; use one of {kinds}"
            raise self.kernel.abort(BadInput(f"fault {action.fault!r}: {told}"))
        self.history.add(
            "fault",
            action.fault,
            target=f"{call.service}.{call.operation}",
            does=action.kind,
            place=place,
            number=call.number,
            seconds=action.seconds,
        )

    def strike(self, call: Call, action: Action | None, place: Place) -> None:
        """Lets a fault act before or after a call: crash, delay or freeze."""
        if action is None:
            return
        self.struck(call, action, place)
        if action.kind == "crash":
            self.crash(call, action)
        elif action.kind == "delay":
            self.kernel.sleep(action.seconds)
        elif call.instance is not None:
            self._freeze(call.instance, action.seconds)
            self.kernel.sleep(0.0)  # stands still here, not half a latency later

    def _freeze(self, instance: Instance, seconds: float) -> None:
        data: dict[str, Any] = {"function": getattr(instance, "function", instance.name), "instance": instance.name}

        def thaw() -> None:
            instance.thaw()
            self.history.add("instance", "thawed", **data)

        instance.freeze()
        self.history.add("instance", "frozen", ms=seconds * 1000.0, **data)
        self.kernel.call_later(seconds, thaw)

    def crash(self, call: Call, action: Action) -> None:
        """Kills the calling instance; a caller without one dies alone."""
        if call.instance is not None:
            call.instance.kill(action.fault)
        elif self.kernel.current is not None:
            self.kernel.current.kill()


class SimClient:
    """An SDK client whose every call goes through the network. Attributes that are no methods are the model's."""

    def __init__(self, network: Network, service: str, model: Any, instance: Instance | None) -> None:
        self._network = network
        self._service = service
        self._model = model
        self._instance = instance

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._model, name)
        if not callable(found) or isinstance(found, type) or name.startswith("_"):
            return found
        if self._network.evidence is not None:
            found = self._network.evidence.watch(self._service, operation_name(name), found, self._network.here)
        try:
            method = _Method(self._network, self._service, operation_name(name), found, self._instance)
        except BadInput as error:
            raise self._network.kernel.abort(error) from None
        if self._network.faults.watches(self._service, method.operation):
            bound = method.watched
        else:
            bound = method.plain if method.fitting is None else method.quick
        self.__dict__[name] = bound  # so that this is asked once a method
        return bound


def operation_name(method: str) -> str:
    """The SDK's name of a client method: `put_item` is `PutItem`."""
    return "".join(part[:1].upper() + part[1:] for part in method.split("_"))


def _always(_: Any) -> bool:
    return True


class _Method:
    """One operation of one client, everything about it looked up."""

    def __init__(
        self, network: Network, service: str, operation: str, apply: Callable[..., Any], instance: Instance | None
    ) -> None:
        self.network = network
        self.kernel = network.kernel
        self.service = service
        self.operation = operation
        self.name = f"{service}.{operation}"
        self.apply = apply
        self.instance = instance
        self.fitting: set[tuple[str, ...]] | None = None
        direct: Direct | None = getattr(apply, "direct", None)
        if direct is not None:
            self.direct = MethodType(direct.function, apply.__self__)  # type: ignore[attr-defined]  # a method
            self.fitting, self.reported = direct.fitting, direct.reported
        # An operation that may be answered without having changed anything says so of its answer.
        self.took_effect: Callable[[Any], bool] = getattr(apply, "took_effect", _always)
        self.draw_ms = network.latency_stream(service).bound(network.sampler(self.name))
        self.sleep = network.kernel.sleep
        self.note = network.history.note
        self.cpu_ms = 0.0 if instance is None else network.profile.client_cpu_ms(instance.memory_mb)

    def quick(self, **kwargs: Any) -> Any:
        """As `plain`, for an operation of a model that does not block."""
        if tuple(kwargs) not in self.fitting:  # type: ignore[operator]  # not None here
            return self.plain(**kwargs)
        half_s = (self.draw_ms() + self.cpu_ms) * 0.0005
        kernel = self.kernel
        thread, start_s = kernel.current, kernel.now
        try:
            good, answer = kernel.sleep_around(half_s, self.direct, kwargs)
        except Killed:
            halfway = None if thread is None else thread.halfway
            self.record(start_s, "unknown", "Killed", halfway is not None and halfway[0])
            raise
        if good:
            ms = int((kernel.now - start_s) * 1e6 + 0.5) / 1000.0  # whole microseconds; round() costs four times this
            self.note("sdk", self.name, "ok", {"ms": ms, "error": "", "applied": True})
            return answer
        if isinstance(answer, ENDING):
            raise kernel.abort(answer) from None
        failure = self.reported(answer)
        self.record(start_s, outcome_of(failure), code_of(failure), False)
        try:
            raise failure
        finally:
            del failure, answer  # or the traceback holds this frame, and this frame the traceback

    def plain(self, **kwargs: Any) -> Any:
        """A call that no fault can strike."""
        half_s = (self.draw_ms() + self.cpu_ms) * 0.0005
        start_s = self.kernel.now
        failure: Exception | None = None
        applied = False
        try:
            self.sleep(half_s)
            try:
                answer = self.apply(**kwargs)
                applied = self.took_effect(answer)
            except ENDING as error:
                raise self.kernel.abort(error) from None
            except Exception as error:
                failure = error
            self.sleep(half_s)
        except Killed:
            self.record(start_s, "unknown", "Killed", applied)
            raise
        if failure is not None:
            self.record(start_s, outcome_of(failure), code_of(failure), False)
            raise failure
        self.record(start_s, "ok", "", applied)
        return answer

    def watched(self, **kwargs: Any) -> Any:
        """A call that the fault plan is asked about."""
        network, faults = self.network, self.network.faults
        call = network.next_call(self.service, self.operation, kwargs, self.instance)
        half_s = (self.draw_ms() + self.cpu_ms) * 0.0005
        start_s = self.kernel.now
        failure: Exception | None = None
        answer = None
        try:
            network.strike(call, faults.before(call), "before")
            self.sleep(half_s)
            try:
                answer = self._apply(call, faults.at(call), start_s)
            except ENDING as error:
                raise self.kernel.abort(error) from None
            except Exception as error:
                failure, call.error = error, code_of(error)
            if not is_time_out(failure):
                self.sleep(half_s)
            network.strike(call, faults.after(call), "after")
        except Killed:
            self.record(start_s, "unknown", "Killed", call.applied)
            raise
        if failure is not None:
            self.record(start_s, outcome_of(failure), call.error, call.applied)
            raise failure
        self.record(start_s, "ok", "", call.applied)
        return answer

    def _apply(self, call: Call, action: Action | None, start_s: float) -> Any:
        if action is None:
            answer = self.apply(**call.kwargs)
            call.applied = self.took_effect(answer)
            return answer
        self.network.struck(call, action, "at")
        if action.kind == "throttle":
            raise throttle(self.service, self.operation)
        if action.kind == "partly_refused":
            call.applied = True
            return partly_refused(self.apply, call.kwargs)
        if action.kind == "conflict":
            raise conflict(self.service, call.kwargs, self.operation)
        self._apply_unheard(call)
        if action.kind == "crash":
            self.network.crash(call, action)
        raise self._timed_out(action, start_s)

    def _apply_unheard(self, call: Call) -> None:
        """Applies a call whose answer nobody will hear, be it a refusal."""
        try:
            call.applied = self.took_effect(self.apply(**call.kwargs))
        except ENDING:
            raise
        except Exception as error:
            call.error = code_of(error)

    def _timed_out(self, action: Action, start_s: float) -> Exception:
        """Waits for the client's time-out, and returns what the client then raises."""
        timeout_s = action.seconds or self.network.profile.limit("client_read_timeout_s")
        self.sleep(max(0.0, start_s + timeout_s - self.kernel.now))
        return timed_out(self.service)

    def record(self, start_s: float, outcome: EventOutcome, error: str, applied: bool) -> None:
        ms = int((self.kernel.now - start_s) * 1e6 + 0.5) / 1000.0
        self.note("sdk", self.name, outcome, {"ms": ms, "error": error, "applied": applied})
