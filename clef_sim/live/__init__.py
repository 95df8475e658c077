"""The `live` world: the wall clock, real SDK calls to services that run on this machine, real processes and threads.

A run has a *host* process, which plays the cloud's platform: it imports everything once, forks the processes of each
function, and starts another where one died. Each process writes its own history; they are merged when the run is over
and judged by the same checkers as in the other worlds. Nothing here is deterministic.
"""
