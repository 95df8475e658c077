"""Services that belong to no cloud, as a client in its region sees them: the same rows in every profile."""

from __future__ import annotations

from clef_sim.profiles.numbers import Distribution, LogNormal, Number

LATENCIES: dict[str, Distribution] = {
    # a new connection: TCP, TLS, password, the server's process
    "sql.Connect": LogNormal(3.2, 0.4, "assumed: as Redis reconnects, 10-40 ms", "BG"),
    # a point read 1-3 ms, a commit 4-8 ms
    "sql.Read": LogNormal(0.5, 0.5, "assumed: a point read", "BG"),
    "sql.Write": LogNormal(1.6, 0.5, "assumed: a statement that commits itself, as a commit", "BG"),
    "sql.Begin": LogNormal(0.0, 0.5, "assumed: a round trip", "BG"),
    "sql.Execute": LogNormal(0.5, 0.5, "assumed: in a transaction, as a point read", "BG"),
    "sql.Commit": LogNormal(1.6, 0.5, "assumed", "BG"),
    "sql.Rollback": LogNormal(0.0, 0.5, "assumed: a round trip", "BG"),
    # over a connection that is kept open: about 1 ms
    "redis.Connect": LogNormal(3.0, 0.35, "upstash (d): 10-40 ms more with a reconnect", "M"),
    "redis.Get": LogNormal(0.0, 0.5, "upstash", "M"),
    "redis.Set": LogNormal(0.0, 0.5, "upstash", "M"),
    "redis.Hget": LogNormal(0.0, 0.5, "upstash", "M"),
    "redis.Hset": LogNormal(0.0, 0.5, "upstash", "M"),
    "redis.Hdel": LogNormal(0.0, 0.5, "upstash", "M"),
    "redis.Hscan": LogNormal(0.0, 0.5, "upstash (d): as a get", "L"),
    "redis.Eval": LogNormal(0.0, 0.5, "upstash (d): as a get", "L"),
    # over REST: 2-5 ms, p99 15
    "upstash.Get": LogNormal(1.1, 0.6, "assumed", "BG"),
    "upstash.Set": LogNormal(1.1, 0.6, "assumed: as Get", "BG"),
    "upstash.Hget": LogNormal(1.1, 0.6, "assumed: as Get", "BG"),
    "upstash.Hset": LogNormal(1.1, 0.6, "assumed: as Get", "BG"),
    "upstash.Hdel": LogNormal(1.1, 0.6, "assumed: as Get", "BG"),
    "upstash.Hscan": LogNormal(1.1, 0.6, "assumed: as Get", "BG"),
    "upstash.Eval": LogNormal(1.1, 0.6, "assumed: as Get", "BG"),
}

LIMITS: dict[str, Number] = {
    "sql.statement_timeout_s": Number(5.0, "assumed: set on the role, as clef_runtime.sql advises", "BG"),
    "sql.deadlock_timeout_s": Number(1.0, "pg-conf: the default", "H"),
}
