"""A function platform: instances that start cold, are kept for a while, and serve one request at a time.

Modelled: cold start (placement, INIT, a real run of the initialiser, a slower first call), keep-alive as a
staircase, newest idle instance first, account and reserved concurrency, scale-up and request rates with 429
beyond them, a time-out that kills mid-call, the freeze of an instance between invocations, billed time. Left
out: provisioned concurrency, time of day, and differences between availability zones.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

import msgspec

from clef_runtime.errors import BadInput, NotFound
from clef_sim.history import History
from clef_sim.kernel.choices import Choices, Sampler
from clef_sim.kernel.instance import Instance
from clef_sim.kernel.threads import Kernel
from clef_sim.platform.deployed import Deployed, OnDone, Pool
from clef_sim.platform.rates import Rate
from clef_sim.profiles import Profile
