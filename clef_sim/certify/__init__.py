"""What may be relied on of a service that runs: raced, judged, and kept as a certificate.

`linearizable` and `objects` judge a history, and know nothing of services. `probes/` has what a contender does on
each service, by the SDK and by the runtime's own ports. `crew` races contenders, threads and processes. `races` runs
them on one service, `judging` says what came of it, `certificates` keeps that and says whether a manifest may rely on
it.
"""
