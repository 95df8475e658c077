"""A push subscription: takes messages, sends each to a function as a request, and acknowledges what is answered 2xx.

Modelled: the ack deadline as the request's time-out, the pause before a failed message comes again, a window of
requests at once that grows with successes and shrinks with failures, one request at a time for each ordering key,
and the slow start of a fresh topic. Left out: the limit of 10 MB in flight, authentication. The service's own
push backoff holds back a whole subscription; here it holds back the failed message.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

import msgspec

from clef_sim.history import History
from clef_sim.kernel.choices import Choices
from clef_sim.kernel.threads import Kernel
from clef_sim.kernel.timers import Timer
from clef_sim.platform.functions import FunctionPlatform
from clef_sim.platform.http_function import FunctionRequest, status_of
from clef_sim.profiles import Profile
from clef_sim.services.pubsub import backoff_s
from clef_sim.services.pubsub.subscription import Settings

_ENDED_HERE_S = 86_400.0
"""A pushed message is outstanding until the push ends it; its deadline is the request's."""


class Delivery(Protocol):
    """One delivery of a message, as `services.pubsub` has it."""

    ack_id: str
    attempt: int

    @property
    def message_id(self) -> str: ...
    @property
    def encoded(self) -> str: ...
    @property
    def ordering_key(self) -> str: ...
    @property
    def attributes(self) -> dict[str, str]: ...
    @property
    def published_at_s(self) -> float: ...


class Subscription(Protocol):
    """Where the messages come from; as `services.pubsub` has it."""

    settings: Settings

    def take(self, most: int, deadline_s: float | None = None) -> Sequence[Delivery]: ...
    def acknowledge(self, ack_id: str) -> None: ...
    def hold_back(self, ack_id: str, seconds: float) -> None: ...
    def on_arrival(self, callback: Callable[[], None]) -> None: ...


class PushTarget(msgspec.Struct, frozen=True, kw_only=True):
    """Where a subscription's messages go.

    Args:
        path: of the requests to `function`.
        hold_back_s: asked for each message: how much later it reaches the function.
    """

    function: str
    path: str
    hold_back_s: Callable[[], float] | None = None


class PushSubscription:
    """A running push.

    Attributes:
        in_flight: requests under way.
        window: how many may be, now.
        delivered, acknowledged, refused: counted since the start.
    """

    def __init__(
        self,
        subscription: Subscription,
        target: PushTarget,
        kernel: Kernel,
        choices: Choices,
        history: History,
        profile: Profile,
        platform: FunctionPlatform,
    ) -> None:
        self.subscription, self.target = subscription, target
        self.name = subscription.settings.name.rpartition("/")[2]
        self.in_flight = self.delivered = self.acknowledged = self.refused = 0
        self._kernel, self._history = kernel, history
        self._submit = platform.deployed(target.function).submit
        stream = choices.stream(f"push.{self.name}")
        self._way = _Way(profile, stream.bound)
        self._hop_ms = stream.bound(profile.latency("push.hop"))
        self._window_least = int(profile.limit("push.window_start"))
        self._window_most = int(profile.limit("push.window_max"))
        self.window = self._window_least
        self._successes = 0
        pause = subscription.settings.retry
        self._pause = pause or (profile.limit("push.backoff_first_s"), profile.limit("push.backoff_longest_s"))
        self._waiting: deque[Delivery] = deque()
        self._wanted = False
        subscription.on_arrival(self._wake)

    def _wake(self) -> None:
        if not self._wanted:
            self._wanted = True
            self._kernel.call_later(0.0, self._take)

    def _take(self) -> None:
        """Messages are on their way to be pushed as soon as they are deliverable."""
        self._wanted = False
        while taken := self.subscription.take(1, _ENDED_HERE_S):  # one: more could be of one ordering key
            (delivery,) = taken
            self._kernel.call_later(self._way.seconds(delivery), partial(self._ready, delivery))

    def _ready(self, delivery: Delivery) -> None:
        self._waiting.append(delivery)
        self._push()

    def _push(self) -> None:
        """As many requests as the window has room for."""
        while self._waiting and self.in_flight < self.window:
            self.in_flight += 1
            hop_s = self._hop_ms() / 1000.0
            pushed = _Pushed(self._waiting.popleft(), hop_s / 2.0)
            deadline_s = self.subscription.settings.ack_deadline_s
            pushed.timer = self._kernel.timer(deadline_s, partial(self._end, pushed, False))
            held_s = 0.0 if self.target.hold_back_s is None else self.target.hold_back_s()
            self._kernel.call_later(hop_s / 2.0 + held_s, partial(self._send, pushed))

    def _send(self, pushed: _Pushed) -> None:
        """Past its deadline too: a request that is late on its way arrives all the same."""
        delivery = pushed.delivery
        self.delivered += 1
        self._history.add("delivery", self.name, message=delivery.message_id, count=delivery.attempt)
        execution = f"{self.name}-push-{self.delivered}"
        headers = {"content-type": "application/json"}
        event = FunctionRequest("POST", self.target.path, b"", headers, self._envelope(delivery), execution)
        self._submit(event, partial(self._answered, pushed))

    def _answered(self, pushed: _Pushed, result: Any, error: Exception | None) -> None:
        good = 200 <= status_of(result, error) < 300
        self._kernel.call_later(pushed.back_s, partial(self._end, pushed, good))

    def _end(self, pushed: _Pushed, good: bool) -> None:
        """The answer has come back, or the deadline has; whichever comes later counts for nothing."""
        if pushed.ended:
            return
        pushed.ended = True
        if pushed.timer is not None:
            pushed.timer.cancel()
        self.in_flight -= 1
        delivery = pushed.delivery
        if good:
            self.acknowledged += 1
            self.subscription.acknowledge(delivery.ack_id)
            self._grow()
        else:
            self.refused += 1
            self.subscription.hold_back(delivery.ack_id, backoff_s(*self._pause, attempt=delivery.attempt))
            self._successes = 0
            self.window = max(self._window_least, self.window // 2)
        self._push()

    def _grow(self) -> None:
        self._successes += 1
        if self._successes >= self.window:
            self._successes = 0
            self.window = min(self._window_most, 2 * self.window)

    def _envelope(self, delivery: Delivery) -> bytes:
        settings = self.subscription.settings
        message: dict[str, Any] = {
            "data": delivery.encoded,
            "messageId": delivery.message_id,
            "message_id": delivery.message_id,
            "attributes": delivery.attributes,
        }
        if delivery.ordering_key:
            message["orderingKey"] = delivery.ordering_key
        envelope: dict[str, Any] = {"message": message, "subscription": settings.name}
        if settings.dead_letters:
            envelope["deliveryAttempt"] = delivery.attempt
        return json.dumps(envelope).encode()


class _Pushed:
    """One request. `back_s`: the way of its answer."""

    __slots__ = ("back_s", "delivery", "ended", "timer")

    def __init__(self, delivery: Delivery, back_s: float) -> None:
        self.delivery, self.back_s = delivery, back_s
        self.ended = False
        self.timer: Timer | None = None


class _Way:
    """How long a message takes from its acceptance to its push."""

    def __init__(self, profile: Profile, bound: Callable[[Any], Callable[[], float]]) -> None:
        self._ms = bound(profile.latency("push.pull"))
        self._fresh_ms = bound(profile.latency("push.pull_fresh"))
        self._fresh_s = profile.limit("push.fresh_s")
        self._idle_s = profile.limit("push.fresh_after_idle_s")
        self._since_s = self._last_s = float("-inf")

    def seconds(self, delivery: Delivery) -> float:
        at_s = delivery.published_at_s
        if at_s - self._last_s > self._idle_s:
            self._since_s = at_s
        self._last_s = max(self._last_s, at_s)
        fresh = delivery.attempt == 1 and at_s - self._since_s < self._fresh_s
        return (self._fresh_ms() if fresh else self._ms()) / 1000.0
