"""Bugs in the engines and in firing.

Not here, because no run can tell them from the right code:
- the completions of a batch are not added to the flow's state (`engine/durable.py`): a strong read brings them;
- an evaluator that reports a whole flow's or batch's messages as failed: they come again, and nothing else;
- `fire_all` that raises at the first failure: all calls have been made by then.
"""

from __future__ import annotations

from planting import Bug

DURABLE, FIRING = "clef_runtime/engine/durable.py", "clef_runtime/engine/firing.py"
EVALUATOR, PERSISTENT = "clef_runtime/engine/evaluator.py", "clef_runtime/engine/persistent.py"

BUGS = (
    Bug(
        name="load-before-append",
        file=DURABLE,
        old='        if self._append == "first":\n            self._record(completions)\n'
        "        records = self._log.load_flow(flow)\n",
        new='        records = self._log.load_flow(flow)\n        if self._append == "first":\n'
        "            self._record(completions)\n",
        runs=("hazards/2-lost-join.yaml append-first",),
        checker="no_lost_firing",
        words=("Append before the flow is loaded", "engine/durable.py"),
    ),
    Bug(
        name="last-of-batch-only",
        file=DURABLE,
        old="for each in completions for match in",
        new="for each in completions[-1:] for match in",
        runs=("suite/orders-compensation.yaml event-driven",),
        checker="no_lost_firing",
        words=("neither claimed nor sent", "engine/durable.py"),
    ),
    Bug(
        name="mark-before-send",
        file=FIRING,
        old="        back = self._send(claim.firing)\n",
        new="        guard.mark_fired(claim)\n        back = self._send(claim.firing)\n",
        runs=("hazards/4-partial-dispatch.yaml lease",),
        checker="no_lost_firing",
        words=("Send first, then mark", "engine/firing.py"),
    ),
    Bug(
        name="failed-send-swallowed",
        file=FIRING,
        old="        back = self._dispatcher.send(firing.invocations)\n",
        new="        try:\n            back = self._dispatcher.send(firing.invocations)\n"
        "        except ClefError:\n            back = []\n",
        runs=("suite/orders-queue-throttled.yaml",),
        checker="no_lost_firing",
        words=("sending", "engine/firing.py"),
    ),
    Bug(
        name="held-swallowed",
        file=FIRING,
        old='        if claim.state == "held":\n            raise Held(',
        new='        if claim.state == "held":\n            return Claim("fired", firing, owner, 1, 0.0)\n'
        '        if claim.state == "held":\n            raise Held(',
        runs=("hazards/1-crash-after-acquire.yaml lease and per-request",),
        checker="no_lost_firing",
        words=("'held'", "engine/firing.py, _claim"),
    ),
    Bug(
        name="edge-not-recorded",
        file=FIRING,
        old="            self._log.add_sync_edge(edge_of(firing))\n",
        new="            pass\n",
        runs=("suite/orders-steady.yaml event-driven",),
        checker="causality",
        words=("no edge", "engine/firing.py"),
    ),
    Bug(
        name="first-invocation-only",
        file=FIRING,
        old="self._dispatcher.send(firing.invocations)",
        new="self._dispatcher.send(firing.invocations[:1])",
        runs=("suite/orders-steady.yaml event-driven",),
        checker="no_lost_firing",
        words=("never sent", "dispatch"),
    ),
    Bug(
        name="first-match-only",
        file=FIRING,
        old="    for ended in gather(calls):\n",
        new="    for ended in gather(calls[:1]):\n",
        runs=("suite/orders-steady.yaml event-driven",),
        checker="no_lost_firing",
        words=("neither claimed nor sent", "firing.py"),
    ),
    Bug(
        name="once-for-lease",
        file=FIRING,
        old='        if self._protocol == "once":\n',
        new='        if self._protocol in ("once", "lease"):\n',
        runs=("hazards/1-crash-after-acquire.yaml lease and event-driven",),
        checker="no_lost_firing",
        words=("acquire", "engine/firing.py"),
    ),
    Bug(
        name="guard-not-asked",
        file=FIRING,
        old="        if self._guard is None:\n            return",
        new="        if self._guard is not None:\n            return",
        runs=("suite/orders-steady.yaml event-driven",),
        checker="no_duplicate_firing",
        words=("no guard was asked", "engine/firing.py"),
    ),
    Bug(
        name="failure-swallowed",
        file=FIRING,
        old="    if failure is not None:\n        raise failure\n    return back",
        new="    return back",
        runs=("suite/orders-queue-throttled.yaml",),
        checker="no_lost_firing",
        words=("engine/firing.py",),
    ),
    Bug(
        name="flow-failure-ignored",
        file=EVALUATOR,
        old="                for number, _ in members:\n                    ended[number] = error\n",
        new="                continue\n",
        runs=("suite/orders-queue-throttled.yaml",),
        checker="no_lost_firing",
        words=("not sent again", "evaluator.py"),
    ),
    Bug(
        name="engine-forgets-fired",
        file=PERSISTENT,
        old="                        self._flow_of(match).fired.add(match.firing_id)\n",
        new="                        pass\n",
        runs=("suite/orders-engine-alone.yaml",),
        checker="no_duplicate_firing",
        words=("sent again", "engine/persistent.py"),
    ),
    Bug(
        name="engine-drops-what-failed",
        file=PERSISTENT,
        old="                    self._queued[match.firing_id] = match\n",
        new="                    pass\n",
        runs=("suite/orders-engine-retries.yaml",),
        checker="no_lost_firing",
        words=("not sent again", "persistent.py"),
    ),
    Bug(
        name="replay-forgets-edges",
        file=PERSISTENT,
        old="                found.edges.append(record)\n",
        new="                continue\n",
        runs=("suite/orders-engine-alone.yaml",),
        checker="no_duplicate_firing",
        words=("edges", "engine/"),
    ),
    Bug(
        name="replay-fires-nothing",
        file=PERSISTENT,
        old="                self.evaluate(found.completions)\n",
        new="                pass\n",
        runs=("suite/orders-engine-alone.yaml",),
        checker="no_lost_firing",
        words=("engine/persistent.py, replay",),
    ),
)
