"""One instance of a function, and what its handler is told about an execution."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from clef_sim.kernel.events import Later
from clef_sim.kernel.instance import Instance

if TYPE_CHECKING:
    from clef_sim.kernel.threads import Kernel
    from clef_sim.platform.deployed import Deployed

OnDone: TypeAlias = Callable[[Any, Exception | None], None]


class FunctionInstance(Instance):
    """An instance of `function`.

    Attributes:
        handler: what `init` returned; None before, and for functions without code.
        executions: started so far.
        idle_until_s: while idle: when the platform ends it.
    """

    def __init__(self, deployed: Deployed, number: int) -> None:
        function = deployed.function
        skew_s = 0.0 if function.skew_s is None else function.skew_s()
        super().__init__(f"{function.name}-{number}", memory_mb=function.memory_mb, skew_s=skew_s)
        self.function = function.name
        self.handler: Callable[[Any, Any], Any] | None = None
        self.executions = 0
        self.idle_until_s = 0.0
        # For functions without code: the end of the running execution.
        self.later = Later(lambda: deployed.passed(self))
        self.on_done: OnDone | None = None
        self.service_ms = 0.0


class FunctionContext:
    """The second argument of a handler."""

    def __init__(self, kernel: Kernel, instance: FunctionInstance, request_id: str, deadline_s: float) -> None:
        self._kernel = kernel
        self._deadline_s = deadline_s
        self.aws_request_id = request_id
        self.function_name = instance.function
        self.memory_limit_in_mb = instance.memory_mb

    def get_remaining_time_in_millis(self) -> int:
        """What is left of the function's time-out, in ms."""
        return max(0, int((self._deadline_s - self._kernel.now) * 1000.0))
