"""Cause before effect, and a log from which the flow can be told again.

Nothing starts before it was sent or before what it matched was recorded; completions belong to invocations;
each invocation is one that the reference computes; what fired has an edge, and edges speak of what was sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from clef_sim.checkers.case import Case
from clef_sim.checkers.expressions import equal
from clef_sim.checkers.firings import nothing_to_examine
from clef_sim.checkers.records import RULES as RECORDS
from clef_sim.checkers.story import FiringStory, FlowStory, Run, key_of
from clef_sim.checkers.verdict import Offences, Verdict
from clef_sim.checkers.words import listed, seconds


def causality(case: Case) -> Verdict:
    story = case.story
    if not story.completed and not story.runs:
        return nothing_to_examine("causality")
    offences = Offences()
    for rule in _RULES:
        for words in rule(case):
            offences.add(words)
    return offences.verdict("causality", len(story.runs) + len(story.firings))


# ---- rules: each gives its offences in words


def _completions_belong(case: Case) -> Iterator[str]:
    for flow in case.story.flows.values():
        for recorded in flow.completions.values():
            completion = recorded.completion
            name = f"completion {case.words.completion(completion.id)} of flow {flow.id[:6]}"
            invocation = case.story.invocations.get(completion.parent or "")
            if invocation is None:
                if completion.parent not in case.story.runs:
                    yield (
                        f"{name} names the invocation {completion.parent}, which was neither sent nor started."
                        " Look at where completions are made (model.py, complete)"
                    )
            elif (invocation.concept, invocation.action, invocation.flow) != (
                completion.concept,
                completion.action,
                completion.flow,
            ) or not equal(invocation.input, completion.input):
                yield (
                    f"{name} does not belong to its {case.words.invocation(invocation)}: it has input"
                    f" {case.words.value(completion.input)}, the invocation {case.words.value(invocation.input)}"
                )


def _started_after_its_causes(case: Case) -> Iterator[str]:
    story = case.story
    for id, runs in story.runs.items():
        run, data = runs[0], runs[0].event.data
        if not data["sync"]:
            continue
        began = [sending.began for sending in story.sends.get(id, ())]
        if not began:
            yield f"{case.words.invocation_id(id)} started on {run.event.who} at {seconds(run.event.at)}, unsent"
        elif run.event.at < min(began):
            yield (
                f"{case.words.invocation_id(id)} started at {seconds(run.event.at)}, before it was sent at"
                f" {seconds(min(began))}"
            )
        flow = story.flows[data["flow"]]
        for matched in data["matched"]:
            recorded = flow.completions.get(matched)
            if recorded is None or (recorded.index > run.index and not _seen_before(flow, matched, run)):
                when = "is not on record" if recorded is None else "was recorded only later"
                yield (
                    f"{case.words.invocation_id(id)} of sync {data['sync']} started at {seconds(run.event.at)}:"
                    f" completion {case.words.completion(matched)}, which it matched, {when}."
                    " Record a completion before it is evaluated (receiver.py, engine/durable.py)"
                )


def _seen_before(flow: FlowStory, completion: str, run: Run) -> bool:
    """Whether a load had found it: the append's answer may come back later than what it wrote is read. An engine
    that reads the whole log at its start may have found what had been written by an append without an answer."""
    early_at = flow.completions[completion].early_at
    if early_at is not None and early_at < run.event.at:
        return True
    return any(turn.index < run.index and completion in turn.event.data["ids"] for turn in flow.loads)


def _all_is_recorded(case: Case) -> Iterator[str]:
    """What came to its end, with nothing befalling anybody, is on record."""
    story = case.story
    if not story.logged:
        return
    tried = {turn.event.data["record"].parent for turns in story.appends.values() for turn in turns}
    for id, runs in story.runs.items():
        if id in story.completed or id in tried:
            continue
        run = next((each for each in runs if each.ended is not None and each.ended.outcome == "ok"), None)
        if run is not None and not case.words.fate(run.event.who, run.event.at):
            yield (
                f"{case.words.invocation_id(id)} returned on {run.event.who} at {_ended(run)}, and nobody"
                " recorded its completion. Look at what follows the action (receiver.py)"
            )
    for id, turns in story.published.items():
        completion = turns[0].event.data["record"]
        if id not in story.flows[completion.flow].completions:
            yield (
                f"completion {id[:6]} was published {case.words.did(turns[0].event)} and is not on record."
                " Append before you publish (receiver.py)"
            )


def _ended(run: Run) -> str:
    return seconds(run.ended.at) if run.ended is not None else "no time"


def _edges(case: Case) -> Iterator[str]:
    for firing in case.story.firings.values():
        sent = {each.id for sending in firing.sent for each in sending.invocations}
        for turn in firing.edges:
            unsent = [id for id in turn.event.data["invocations"] if id not in sent]
            if unsent:
                yield (
                    f"{case.words.match(firing.key)}: the edge written {case.words.did(turn.event)} names"
                    f" {listed(map(case.words.invocation_id, unsent))}, which nobody sent for it"
                )
                break
        if case.story.logged and firing.key[0] and not any(turn.done for turn in firing.edges):
            done = next((each for each in firing.sent if each.event.outcome == "ok"), None)
            if done is not None:
                fate = case.words.fate(done.event.who, done.event.at)
                yield (
                    f"{case.words.match(firing.key)}: it was sent {case.words.did(done.event)} and has no edge"
                    f"{f': {fate}' if fate else ''}. Look at what follows the dispatch (engine/firing.py)"
                )


def _as_the_reference(case: Case) -> Iterator[str]:
    for account in case.accounts:
        for invocation in account.extra:
            wanted = [each for each in account.missing if each.action == invocation.action]
            wanted = [each for each in wanted if each.concept == invocation.concept] or wanted
            instead = case.words.value(wanted[0].input) if wanted else "no such invocation"
            yield (
                f"{case.words.match(account.match.key)}: {case.words.invocation(invocation)} was sent with input"
                f" {case.words.value(invocation.input)}; the reference computes {instead}."
                " Look at engine/where.py, prepare.py and expressions.py"
            )
    for firing in case.story.firings.values():
        if firing.sent and firing.key[0] and firing.key not in case.account_of:
            yield (
                f"{case.words.match(firing.key)}: it was sent {case.words.did(firing.sent[0].event)}, and the"
                f" reference sees no such match{_why_none(case, firing)}"
            )


def _why_none(case: Case, firing: FiringStory) -> str:
    sync, ids = firing.key
    if sync not in case.by_name:
        return ": there is no sync of that name. Look at what the cold start loads (serverless/cold_start.py)"
    recorded = {id for flow in case.story.flows.values() for id in flow.completions}
    missing = [id for id in ids if id not in recorded]
    if missing:
        return (
            f": {listed(missing)} is not on record."
            " Record a completion before it is evaluated (receiver.py, engine/durable.py)"
        )
    return ". Look at matching (engine/matching.py, flow.py, index.py)"


def _ids_are_distinct(case: Case) -> Iterator[str]:
    for id, (other, turn) in case.story.changed.items():
        first = case.story.invocations[id]
        if key_of(first.sync, first.matched_ids) != key_of(other.sync, other.matched_ids):
            yield (
                f"{case.words.invocation(first)} of sync {first.sync} and another one of sync {other.sync}, sent"
                f" {case.words.did(turn.event)}, share the id {id}. Look at how ids are derived (model.py)"
            )


def _ids_are_derived(case: Case) -> Iterator[str]:
    """Whoever prepares a firing gives its first invocation the same id."""
    for firing in case.story.firings.values():
        for turn in firing.claims:
            stored, offered = turn.event.data["firing"].invocations, turn.event.data.get("offered")
            if turn.event.outcome == "ok" and stored and offered and stored[0].id != offered[0]:
                yield (
                    f"{case.words.match(firing.key)}: {turn.event.who} prepared it at {seconds(turn.event.at)} with"
                    f" the invocation id {offered[0]}, and the guard holds it with {stored[0].id}: ids are not"
                    " derived from the match. Look at engine/prepare.py and model.py (firing_id, invocation_id)"
                )
                break


def _fencing_holds(case: Case) -> Iterator[str]:
    for firing in case.story.firings.values():
        for turn in firing.fired:
            data = turn.event.data
            if turn.event.outcome != "ok" or data["fencing"] is None:
                continue
            later = next(
                (
                    claim.event
                    for claim in firing.claims
                    if claim.index < turn.index
                    and claim.event.data["state"] == "won"
                    and claim.event.data["fencing"] > data["fencing"]
                ),
                None,
            )
            if later is not None:
                yield (
                    f"{case.words.match(firing.key)}: {turn.event.who}, holding fencing number"
                    f" {data['fencing']}, marked it fired at {seconds(turn.event.at)}, though it had been taken"
                    f" over under number {later.data['fencing']} {case.words.did(later)}."
                    " Look at the condition of mark_fired (guard/)"
                )


_RULES: tuple[Callable[[Case], Iterator[str]], ...] = (
    _as_the_reference,
    _completions_belong,
    _started_after_its_causes,
    _all_is_recorded,
    _edges,
    _ids_are_distinct,
    _ids_are_derived,
    _fencing_holds,
    *RECORDS,
)
