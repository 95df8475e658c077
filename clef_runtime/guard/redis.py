"""The firing guard on Redis: one key a firing.

`try_acquire` sets a text, `claim` a hash with `json` (the prepared firing), `owner`, `fencing`, `until` (when the
lease ends, epoch seconds by the holder's clock) and `state` (`claimed` or `fired`); the two have separate keys. What
reads and then writes does so in a script, which Redis runs alone.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from clef_runtime.context import Clock, Ids
from clef_runtime.errors import BadInput, Conflict
from clef_runtime.guard.base import Claim
from clef_runtime.guard.memory import check_lease, fenced_off
from clef_runtime.model import Firing, firing_id
from clef_runtime.redis import Commands

_CLAIM = """
local key, json, owner, now, until_s, ttl_ms = KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local there = redis.call('HMGET', key, 'state', 'owner', 'fencing', 'until', 'json')
if not there[1] then
  redis.call('HSET', key, 'state', 'claimed', 'owner', owner, 'fencing', '1', 'until', until_s, 'json', json)
  if ttl_ms ~= '' then redis.call('PEXPIRE', key, ttl_ms) end
  return {'won', owner, '1', until_s, json}
end
local state = there[1]
if state == 'claimed' then
  if tonumber(there[4]) <= tonumber(now) then
    if there[2] ~= owner then redis.call('HINCRBY', key, 'fencing', 1) end
    redis.call('HSET', key, 'owner', owner, 'until', until_s)
    there = redis.call('HMGET', key, 'state', 'owner', 'fencing', 'until', 'json')
  end
  state = there[2] == owner and 'won' or 'held'
end
return {state, there[2], there[3], there[4], there[5]}
"""

_MARK = """
local there = redis.call('HMGET', KEYS[1], 'owner', 'fencing')
if there[1] ~= ARGV[1] or there[2] ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], 'state', 'fired')
return 1
"""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Firing).decode


class RedisFiringGuard:
    """Every operation is repeated when its answer is lost: what an acquire has set says whose it is.

    A Redis that loses its last writes (no persistence, a replica that takes over) loses guards with them, and the
    same match may fire again.

    Args:
        commands: `redis_commands(client, clock)`, or `upstash_commands(client, clock)`.
        prefix: what the keys start with.
        ids: gives each acquire a token of its own.
        ttl_s: after so many seconds (> 0) Redis removes a key, and the same match may then fire again: longer than
            any message may live, dead-letter redrive included. None keeps all.
    """

    def __init__(
        self, commands: Commands, prefix: str, clock: Clock, ids: Ids, *, ttl_s: float | None = None
    ) -> None:
        if ttl_s is not None and ttl_s <= 0:
            raise BadInput(f"ttl_s(={ttl_s}) must be > 0")
        self._run, self._prefix, self._clock, self._ids = commands, prefix, clock, ids
        self._ttl_ms = "" if ttl_s is None else str(max(1, round(ttl_s * 1000)))

    def try_acquire(self, completion_ids: Iterable[str], sync: str) -> bool:
        key, token = f"{self._prefix}once#{firing_id(sync, completion_ids)}", self._ids.new()
        expiry = ("PX", self._ttl_ms) if self._ttl_ms else ()
        if self._run("SET", key, token, "NX", *expiry):
            return True
        # Refused: by another's, or by this call's own attempt, sent again by whoever got no answer to it.
        return bool(self._run("GET", key) == token)

    def claim(self, firing: Firing, *, owner: str, lease_s: float) -> Claim:
        check_lease(lease_s)
        now_s = self._clock.now()
        arguments = (_encode(firing).decode(), owner, repr(now_s), repr(now_s + lease_s), self._ttl_ms)
        state, holder, fencing, until_s, json = self._run("EVAL", _CLAIM, 1, self._lease(firing), *arguments)
        return Claim(state, _decode(json), holder, int(fencing), float(until_s))

    def mark_fired(self, claim: Claim) -> None:
        stale = Conflict("not the holder")
        try:
            self._run("EVAL", _MARK, 1, self._lease(claim.firing), claim.owner, claim.fencing, zero=stale)
        except Conflict as conflict:
            raise fenced_off(claim) from conflict

    def _lease(self, firing: Firing) -> str:
        return f"{self._prefix}lease#{firing.id}"
