"""Who is to blame for an invalid verdict: the runtime, or a service that broke its promise."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from clef_runtime.errors import ClefError
from clef_sim.certify.evidence import Evidence, Seen
from clef_sim.certify.promises import JUDGED, JUDGES, queues
from clef_sim.emulated.backends import BackendFailed, Backends
from clef_sim.history import Event
from clef_sim.kernel.choices import Choices
from clef_sim.prepared import Prepared
from clef_sim.run import Run
from clef_sim.sdk_errors import outcome_of

RUNTIME, MODEL = "runtime", "model"


class Blame(msgspec.Struct, frozen=True):
    """`who`: `runtime`, `model` (of a service), `backend` and the way it is got by; `undecided`. `why`: in words."""

    who: str
    why: str


def blame(prepared: Prepared, choices: Choices, digest: str, backends: Backends | None = None) -> Blame:
    """Makes a run again, every SDK call written down, and judges the services by their calls alone.

    Args:
        choices: as the run's were, from their start.
        digest: of the run's history.
        backends: the emulated world's; None: the model's.
    """
    run = Run(prepared, choices, backends)
    evidence = run.world.network.evidence = Evidence(JUDGED)
    try:
        run.run()
    except BackendFailed as failed:
        return Blame(f"backend {failed.backend.way}", str(failed))
    history = list(run.world.history)
    found = broken(prepared, evidence.calls, history)
    if found:
        service, words = found
        way = "" if backends is None or service not in backends else backends[service].way
        return Blame(f"backend {way}" if way else MODEL, words)
    if run.world.history.digest != digest:
        return Blame("undecided", "the run was another one when it was made again; no service broke a promise in it")
    judged = [each for each in evidence.used if each in JUDGED]
    rest = [each for each in evidence.used if each not in JUDGED]
    kept = f"{', '.join(judged) or 'no service'} kept what was promised"
    # Faults of the run strike outside of the service: what it answers here is its own.
    silent = [call for call in evidence.calls if call.error is not None and outcome_of(call.error) == "unknown"]
    if silent:
        services = list(dict.fromkeys(call.service for call in silent))
        whose = " or ".join(MODEL if backends is None else f"backend {backends[each].way}" for each in services)
        words = (
            f"{len(silent)} of {len(evidence.calls)} calls got no answer of {', '.join(services)}: {silent[0].error}"
        )
        return Blame(f"{RUNTIME} or {whose}", f"{kept}, but {words}")
    if rest:
        return Blame(f"{RUNTIME} or {' or '.join(rest)}", f"{kept}; {', '.join(rest)} cannot be judged")
    return Blame(RUNTIME, kept)


def broken(prepared: Prepared, calls: Sequence[Seen], history: Sequence[Event]) -> tuple[str, str] | None:
    """The service that broke a promise, and how; None: none did."""
    for service, judge in JUDGES.items():
        words = judge([call for call in calls if call.service == service])
        if words:
            return service, words
    if prepared.manifest.transport.kind == "sqs":
        visibility_s = prepared.manifest.transport.visibility_timeout_s
        words = queues.broken(calls, history, visibility_s, prepared.scenario.faults)
        if words:
            return "sqs", words
    return None


def live_blame(verdict: str, failed: ClefError | None) -> Blame:
    """Of a run on the wall clock, which cannot be made again: its backends hold certificates for what it needs, or it
    would not have begun."""
    if isinstance(failed, BackendFailed):
        return Blame(f"backend {failed.backend.way}", str(failed))
    if failed is None and verdict == "invalid":
        return Blame(RUNTIME, "the backends are certified for what the run needs")
    return Blame("", "")
