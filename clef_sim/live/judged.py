"""A live run as a result: judged by the checkers, with what may not be known of it, and what calls took."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path

import msgspec

from clef_runtime.context import SystemClock
from clef_sim.certify.blame import live_blame
from clef_sim.checkers import Verdict
from clef_sim.checkers.verdict import OFFENCES_KEPT
from clef_sim.emulated.backends import BackendFailed
from clef_sim.history import Event
from clef_sim.live.history import write_events
from clef_sim.live.run import live
from clef_sim.live.task import Crew
from clef_sim.metrics import Exact
from clef_sim.prepared import Prepared
from clef_sim.profiles import Profile
from clef_sim.results import Measured, RunResult
from clef_sim.runner import Job, judged, prepared_for, result_of, ways_used

HISTORY = ".history.jsonl"

TRACE = "trace"
"""Who says that something is not known of a run: there is no such checker in virtual time, where all is known."""


def live_job(job: Job, crew: Crew) -> RunResult:
    """Runs one job for real and judges it; its history stays in the folder `job.keep`. Where a real service or the
    host failed in the middle, the verdict is unknown.

    Raises:
        BadInput: what was given is wrong.
        HostFailed: a process could not start.
    """
    prepared = prepared_for(job.file, job.variant, job.topology)
    backends = job.backends or {}
    clock = SystemClock()
    started_s = clock.monotonic()
    lived = live(prepared, backends, job.seed, crew)
    if lived.failed is None:
        verdicts = believed(judged(prepared, lived.events, lived.faults), lived.events)
    else:
        who = "backend" if isinstance(lived.failed, BackendFailed) else "host"
        verdicts = (Verdict(who, "unknown", 1, str(lived.failed), (str(lived.failed),)),)
    result = result_of(
        prepared,
        lived.events,
        verdicts,
        seed=job.seed,
        faults=lived.faults,
        virtual_s=round(lived.seconds, 3),
        wall_s=round(clock.monotonic() - started_s, 3),
        history_digest=_keep(job, prepared, lived.events),
        world="live",
        backends=ways_used(prepared, backends),
        measured=measured(lived.events, prepared.profile),
    )
    options = f" --processes {crew.processes} --threads {crew.threads}"
    to_blame = live_blame(result.verdict, lived.failed)
    return msgspec.structs.replace(result, replay=result.replay + options, blame=to_blame.who, because=to_blame.why)


def _keep(job: Job, prepared: Prepared, events: Sequence[Event]) -> str:
    """Stores the history; returns its digest."""
    folder = Path(job.keep)
    folder.mkdir(parents=True, exist_ok=True)
    name = re.sub(r"[^\w.-]+", "-", f"{prepared.name}-{prepared.template}-{job.seed}")
    path = folder / (name + HISTORY)
    write_events(path, events)
    return sha256(path.read_bytes()).hexdigest()[:32]


def believed(verdicts: tuple[Verdict, ...], events: Iterable[Event]) -> tuple[Verdict, ...]:
    """The verdicts as far as the history bears them: where a process died without a word, or a service gave no answer
    of its own, a verdict says so, and what seems lost, too much or out of order may be no more than not on record. A
    firing that two were seen to hold stays one."""
    words = [
        f"{event.data['instance']} ended by {event.data['reason']} at {event.at:.3f} s, and what it was about is not"
        " on record"
        if event.kind == "instance"
        else f"{event.name} of {event.who} ended in {event.data['error']} at {event.at:.3f} s: what the service did"
        " is not known"
        for event in events
        if event.data.get("untold") or event.data.get("doubt")
    ]
    if not words:
        return verdicts
    trace = Verdict(TRACE, "unknown", len(words), words[0], tuple(words[:OFFENCES_KEPT]), len(words))
    return (*[each if each.checker in _SEEN else _doubted(each) for each in verdicts], trace)


_SEEN = ("no_duplicate_firing",)


def _doubted(verdict: Verdict) -> Verdict:
    if verdict.verdict != "invalid":
        return verdict
    first = f"not believed, as not all is on record: {verdict.first}"
    return msgspec.structs.replace(verdict, verdict="unknown", first=first)


def measured(events: Iterable[Event], profile: Profile) -> tuple[Measured, ...]:
    """How long the calls of each operation took that were answered, beside what the profile says."""
    found: dict[str, Exact] = {}
    for event in events:
        if event.kind == "sdk" and event.outcome == "ok":
            found.setdefault(event.name.partition(" ")[0], Exact()).add(event.data["ms"])
    rows = []
    for name in sorted(found):
        took = found[name].percentiles()
        modelled = profile.latencies.get(name)
        table = () if modelled is None else modelled.table()
        p50, p99 = (table[int(len(table) * share)] if table else 0.0 for share in (0.5, 0.99))
        rows.append(Measured(name, took.count, took.p50, took.p99, round(p50, 3), round(p99, 3)))
    return tuple(rows)
