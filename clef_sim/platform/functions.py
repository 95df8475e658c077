"""A function platform: instances that start cold, are kept for a while, and serve one request at a time.

Modelled: cold start (placement, INIT, a real run of the initialiser, a slower first call), keep-alive as a
staircase, newest idle instance first, account and reserved concurrency, scale-up and request rates with 429
beyond them, a time-out that kills mid-call, the freeze of an instance between invocations, billed time. Left
out: provisioned concurrency, time of day, differences between availability zones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import msgspec

from clef_runtime.errors import BadInput, NotFound
from clef_sim.history import History
from clef_sim.kernel.choices import Choices, Sampler
from clef_sim.kernel.threads import Kernel
from clef_sim.platform.deployed import Deployed
from clef_sim.platform.instances import FunctionInstance
from clef_sim.platform.rates import Pool, Rate
from clef_sim.profiles import Profile

Handler: TypeAlias = Callable[[Any, Any], Any]
"""What runs for each event: (event, context) -> result. `context` is a `FunctionContext`."""


class Function(msgspec.Struct, frozen=True, kw_only=True):
    """What is deployed. Give `init` for one that runs code, `service_ms` for one that only takes time.

    Args:
        memory_mb: 128..10,240.
        timeout_s: how long one execution may take, > 0 and at most the profile's `function.timeout_max_s`.
        reserved: instances that only this function has, at most; without, it shares the account's.
        init: run once in each new instance, in its own virtual thread; returns the handler.
        service_ms: draws how long one execution takes.
        bare_init: INIT as for a function without an SDK client (the profile's `function.init_bare`).
        skew_s: asked for each new instance: how far its wall clock is ahead.
    """

    name: str
    memory_mb: int = 1024
    timeout_s: float = 30.0
    reserved: int | None = None
    init: Callable[[FunctionInstance], Handler] | None = None
    service_ms: Sampler | None = None
    bare_init: bool = False
    skew_s: Callable[[], float] | None = None


class FunctionPlatform:
    """All functions of one account and region.

    Args:
        history: gets `instance` events; of functions without code only the cold starts.
        concurrency: executions at once, of all functions without `reserved`; the profile's, if None.
    """

    def __init__(
        self,
        kernel: Kernel,
        choices: Choices,
        history: History,
        profile: Profile,
        *,
        concurrency: int | None = None,
    ) -> None:
        if concurrency is not None and concurrency < 1:
            raise BadInput(f"concurrency(={concurrency}) must be >= 1")
        self.kernel = kernel
        self.choices = choices
        self.history = history
        self.profile = profile
        self.functions: dict[str, Deployed] = {}
        self._account = Pool(concurrency or int(profile.limit("function.concurrency")))
        per_s = self._account.limit * profile.limit("function.requests_per_s_and_concurrency")
        self._requests = Rate(per_s, per_s)

    def deploy(self, function: Function) -> Deployed:
        """Makes a function invocable.

        Raises:
            BadInput: an argument is out of its range, or the name is taken.
        """
        self._check(function)
        pool = self._account
        if function.reserved is not None:
            pool = Pool(function.reserved)
            self._account.limit -= function.reserved
        deployed = Deployed(function, self, pool, self._requests)
        self.functions[function.name] = deployed
        return deployed

    def submit(self, function: str, event: Any, on_done: Callable[[Any, Exception | None], None]) -> None:
        """Invokes `function`; `on_done(result, error)` is called once, later, outside of any virtual thread.

        The error is one of `platform.errors`. There is no network in this: callers add their own.

        Raises:
            NotFound: no such function.
        """
        self.deployed(function).submit(event, on_done)

    def invoke(self, function: str, event: Any) -> Any:
        """As `submit`, for a virtual thread: waits for the result, or raises the error."""
        ended = self.kernel.event()

        def done(result: Any, error: Exception | None) -> None:
            if error is None:
                ended.succeed(result)
            else:
                ended.fail(error)
                ended.defused = True  # the caller may have died meanwhile

        self.submit(function, event, done)
        return self.kernel.wait(ended)

    def deployed(self, function: str) -> Deployed:
        found = self.functions.get(function)
        if found is None:
            raise NotFound(f"function(={function!r}) is not deployed; there are: {', '.join(self.functions)}")
        return found

    def _check(self, function: Function) -> None:
        name, timeout_max_s = function.name, self.profile.limit("function.timeout_max_s")
        if name in self.functions:
            raise BadInput(f"function {name!r} is already deployed; give it another name")
        if (function.init is None) == (function.service_ms is None):
            raise BadInput(f"function {name!r}: give either init (it runs code) or service_ms (it takes time)")
        if not 128 <= function.memory_mb <= 10_240:
            raise BadInput(f"function {name!r}: memory_mb(={function.memory_mb}) must be in 128..10240")
        if not 0.0 < function.timeout_s <= timeout_max_s:
            raise BadInput(f"function {name!r}: timeout_s(={function.timeout_s}) must be in (0, {timeout_max_s:g}]")
        if function.reserved is not None and not 0 < function.reserved < self._account.limit:
            raise BadInput(
                f"function {name!r}: reserved(={function.reserved}) must be in 1..{self._account.limit - 1}, "
                "what the account has left"
            )
