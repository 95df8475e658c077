"""Redis: `SET NX` sets where there is nothing. Scripts are not judged; their keys are unknown from then on."""

from __future__ import annotations

from collections.abc import Sequence

from clef_sim.certify.evidence import Seen


def broken(calls: Sequence[Seen]) -> str:
    """See `promises.Judge`."""
    there: dict[str, str | None] = {}
    for call in calls:
        words = [str(each) for each in call.request.get("command", ())]
        if call.error is not None or len(words) < 2:
            continue
        name, key = words[0].upper(), words[1]
        if name == "SET":
            if "NX" in words and call.answer and there.get(key):
                who = f"{call.who} at {call.at_s:.6f} s"
                return f"redis.SET NX of {key} by {who} was done although {there[key]} was there"
            lasting = not {"PX", "EX", "PXAT", "EXAT"} & set(words)
            if call.answer:
                there[key] = words[2] if lasting else None
        elif name == "GET" and there.get(key) and call.answer != there[key]:
            return (
                f"redis.GET of {key} by {call.who} at {call.at_s:.6f} s gave {call.answer!r}, {there[key]!r} was set"
            )
        elif name in ("DEL", "EVAL", "EXPIRE", "PEXPIRE"):
            for each in words[1:]:
                there.pop(each, None)
    return ""
