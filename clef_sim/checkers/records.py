"""What is told is what happened: rules of `causality` on completions, errors and answers.

A completion says what its action returned, whoever hands it on. An error that says "surely not done" is true. An
answer to a client stands for a flow that is on record.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from clef_runtime import errors
from clef_runtime.model import Completion
from clef_sim.checkers.case import Case
from clef_sim.checkers.expressions import equal
from clef_sim.checkers.story import Recorded, Run
from clef_sim.checkers.words import listed, seconds
from clef_sim.history import Event

_NO_OUTCOME = tuple(
    each.__name__
    for each in (
        errors.Refused,
        errors.Conflict,
        errors.Throttled,
        errors.NotFound,
        errors.Unreachable,
        errors.Indeterminate,
        errors.Held,
        errors.Unavailable,
    )
)
"""A service's failure ends an execution and says nothing of its action; other errors are variant `error`."""


_NOUNS = {"sent": "dispatch", "appended": "append", "stored": "write", "published": "publishing", "fired": "mark"}
"""What the ports' events are called in a sentence."""


def _completion_is_what_was_returned(case: Case) -> Iterator[str]:
    for id, runs in case.story.runs.items():
        for run in runs:
            wrong = _untrue(case, run) if run.ended is not None and run.offered is not None else ""
            if wrong:
                yield f"{case.words.invocation_id(id)}: {wrong}. Look at what follows the action (receiver.py)"


def _untrue(case: Case, run: Run) -> str:
    assert run.ended is not None and run.offered is not None
    ended, offered = run.ended, run.offered
    who = f"{run.event.who} at {seconds(ended.at)}"
    if ended.outcome == "ok":
        returned = (ended.data["variant"], ended.data["output"])
        if offered.variant == returned[0] and equal(offered.output, returned[1]):
            return ""
        return (
            f"its action returned {_told(case, *returned)} on {who}, and its completion says {_shown(case, offered)}"
        )
    if ended.data.get("error") not in _NO_OUTCOME:
        return ""
    return (
        f"its action ended in {ended.data['error']} on {who}, a service's failure, which says nothing of the"
        f" action and wants it delivered again; its completion says {_shown(case, offered)}"
    )


def _published_as_recorded(case: Case) -> Iterator[str]:
    for id, turns in case.story.published.items():
        flow = case.story.flows[turns[0].event.data["record"].flow]
        recorded = flow.completions.get(id)
        if recorded is None or not _recorded_where_it_ran(case, recorded):
            continue  # a receiver that keeps no record cannot answer from it
        on_record = recorded.completion
        for turn in turns:
            told: Completion = turn.event.data["record"]
            if told.variant != on_record.variant or not equal(told.output, on_record.output):
                yield (
                    f"completion {case.words.completion(id)} of flow {flow.id[:6]} was published"
                    f" {case.words.did(turn.event)} as {_shown(case, told)}, and the record of {recorded.who} at"
                    f" {seconds(recorded.at)} says {_shown(case, on_record)}."
                    " A redelivered invocation is answered from the record (receiver.py)"
                )
                break


def _recorded_where_it_ran(case: Case, recorded: Recorded) -> bool:
    return any(run.event.who == recorded.who for run in case.story.runs.get(recorded.completion.parent or "", ()))


def _no_means_no(case: Case) -> Iterator[str]:
    for event, call in case.story.denied:
        yield (
            f"{_named(case, event)} ended in {event.data.get('error')}, which says it was surely not done; but its"
            f" {call.name} got no answer ({call.data.get('error')}) and was applied."
            " Look at what errors of the service and its client are read as (aws.py, translate; retry.py)"
        )


def _named(case: Case, event: Event) -> str:
    return f"the {_NOUNS.get(event.kind, event.kind)} of {event.name} {case.words.did(event)}"


def _yes_means_yes(case: Case) -> Iterator[str]:
    for event, call in case.story.claimed_done:
        how = call.data.get("error") or f"status {call.data.get('status')}"
        yield (
            f"{_named(case, event)} ended well, though its last call, {call.name}, ended in {how}."
            " Look at what is made of a failed call (retry.py, aws.py, transport/)"
        )


def _answered_flows_are_on_record(case: Case) -> Iterator[str]:
    asked = {event.data["flow"] for event in case.story.answers}
    told: set[str] = set()
    for event in case.story.answers:
        flow, status = event.data["flow"], event.data["status"]
        if not 200 <= status < 400 or flow in told:
            continue
        told.add(flow)
        found = case.story.flows.get(flow)
        if found is None or not found.completions:
            near = [each[:6] for each in case.story.flows if each not in asked]
            yield (
                f"request {event.name!r} was answered with {status} {case.words.did(event)}, and its flow {flow[:6]}"
                f" holds no completion{f'; flows that nobody asked for: {listed(near)}' if near else ''}."
                " Look at how a request's id becomes its flow's (web.py, open_flow; http_event.py)"
            )


def _told(case: Case, variant: str, output: object) -> str:
    return f"{variant} {case.words.value(output)}"


def _shown(case: Case, completion: Completion) -> str:
    return _told(case, completion.variant, completion.output)


RULES: tuple[Callable[[Case], Iterator[str]], ...] = (
    _completion_is_what_was_returned,
    _published_as_recorded,
    _no_means_no,
    _yes_means_yes,
    _answered_flows_are_on_record,
)
