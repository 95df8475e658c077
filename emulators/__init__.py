"""Services that stand in for a cloud's: found, started, waited for, emptied, stopped.

    with emulators.running("redis") as redis:
        redis.endpoint   # redis://127.0.0.1:40123/0
        redis.env        # {"REDIS_URL": ...}

`catalogue` has the services and the ways to get each; `provision` creates what a manifest needs in them.
"""

from emulators.catalogue import SERVICES, WAYS
from emulators.fleet import Fleet, Running, env_of, running, start
from emulators.processes import NotStarted

__all__ = ["SERVICES", "WAYS", "Fleet", "NotStarted", "Running", "env_of", "running", "start"]
