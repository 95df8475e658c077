"""No lost firing: every match that exists has caused what it must, down to the recorded completions.

The words under an offence say how far the firing came, and what ended it there.
"""

from __future__ import annotations

from clef_runtime.model import Invocation, concept_name
from clef_sim.checkers.accounts import Account
from clef_sim.checkers.case import Case
from clef_sim.checkers.firings import nothing_to_examine
from clef_sim.checkers.reference import Required
from clef_sim.checkers.story import FlowStory, Recorded, Sending, Turn
from clef_sim.checkers.verdict import Offences, Verdict
from clef_sim.checkers.words import listed, seconds


def no_lost_firing(case: Case) -> Verdict:
    offences = Offences()
    undecided: list[str] = []
    for account in case.accounts:
        words = _lost(case, account)
        if words:
            offences.add(f"{case.words.match(account.match.key)}: {words}")
        elif account.required is None and not account.prepared:
            undecided.append(f"{case.words.match(account.match.key)}: {account.why}")
    if not case.story.completed:
        return nothing_to_examine("no_lost_firing")
    verdict = offences.verdict("no_lost_firing", len(case.accounts))
    if undecided and verdict.verdict == "valid":
        return Verdict(
            "no_lost_firing",
            "unknown",
            0,
            f"{len(undecided)} firing(s) without a trace that the reference cannot decide, first {undecided[0]}",
            examined=len(case.accounts),
        )
    return verdict


def _lost(case: Case, account: Account) -> str | None:
    if "local" in account.match.sync.annotations and not account.prepared:
        return None  # fires only where its concepts run together, which the history does not say
    if account.required is None:
        return _never_asked(case, account) if account.never_asked else _unfinished(case, account)
    if account.missing and not account.prepared:
        return _nothing_sent(case, account)
    if account.missing:
        return _partly_sent(case, account)
    return _unfinished(case, account)


# ---- nothing was sent


def _never_asked(case: Case, account: Account) -> str:
    """The facts that its *where* needs were never read."""
    if account.prepared:
        return (
            f"it was sent without asking: {account.why}. Look at the order of a where in engine/where.py,"
            " and whether it reads through the facts port"
        )
    return _nothing_sent(case, account)


def _nothing_sent(case: Case, account: Account) -> str:
    firing = account.firing
    acquired = next((turn for turn in firing.acquires if turn.event.data["won"]), None)
    if acquired is not None:
        return _decided(case, acquired, "the guard was acquired", "the acquire", firing.acquires)
    won = next((turn for turn in firing.claims if turn.event.data["state"] == "won"), None)
    if won is not None:
        if not won.event.data["firing"].invocations:
            return _decided(case, won, "it was claimed with no invocations", "where and then (engine/prepare.py)", [])
        return _decided(case, won, "it was claimed", "the claim", firing.claims)
    if firing.acquires or firing.claims:
        return _refused(case, [*firing.acquires, *firing.claims])
    return _undecided(case, account)


def _decided(case: Case, turn: Turn, what: str, after: str, turns: list[Turn]) -> str:
    fate = case.words.fate(turn.event.who, float(turn.event.data.get("began", turn.event.at)))
    because = f": {fate}" if fate else ", though nothing befell the instance"
    where = after if "engine/" in after else f"what follows {after} in engine/firing.py"
    later = _told_later(turn, turns)
    return f"{what} {case.words.did(turn.event)} and nothing was ever sent{because}{later or f'. Look at {where}'}"


def _told_later(holder: Turn, turns: list[Turn]) -> str:
    """What the guard told those who asked after the holder, and so could have fired in its place."""
    told = next((turn.event for turn in turns if turn.index > holder.index and turn.event.outcome == "ok"), None)
    state = told.data.get("state") if told is not None else None
    if told is None or state not in ("held", "fired"):
        return ""
    asked = f"; {told.who} was told {state!r} at {seconds(told.at)}"
    if state == "fired":
        return f"{asked}, though nobody had marked it. Look at how a stored claim is read (guard/, _answer)"
    return (
        f"{asked}, and nobody came again after the lease. Look at what a held claim leads to"
        " (engine/firing.py, _claim; serverless/service.py; redelivery)"
    )


def _refused(case: Case, turns: list[Turn]) -> str:
    """The guard was asked, and nobody is known to have got it."""
    applied = next((turn for turn in turns if turn.event.outcome == "unknown" and turn.done), None)
    if applied is not None and applied.event.data.get("error") == "Killed":
        return _decided(case, applied, "the guard was taken", f"the {applied.event.kind}", turns)
    if applied is not None:
        fate = case.words.fate(applied.event.who, applied.event.at)
        return (
            f"the guard was taken {case.words.did(applied.event)}, but the answer was lost"
            f"{f' ({fate})' if fate else ''}, and whoever asked later was refused; nothing was ever sent."
            " An acquire without an answer may be held by the one who asked: look at guard/ and engine/firing.py"
        )
    failed = next((turn.event for turn in turns if turn.event.outcome != "ok"), None)
    if failed is not None:
        return (
            f"the guard's {failed.kind} {case.words.did(failed)} ended in {failed.data.get('error', 'an error')},"
            " which says nothing about who holds it, and nobody came again; nothing was ever sent."
            " Look at what an error of the guard leads to (engine/firing.py, redelivery)"
        )
    first = turns[0].event
    answer = first.data.get("state") or "taken"
    return (
        f"the guard answered {answer!r} {case.words.did(first)}, and nobody had ever got it; nothing was ever"
        f" sent. Look at the guard's key and at which errors it reads as {answer!r} (guard/, aws.py)"
    )


def _undecided(case: Case, account: Account) -> str:
    """Nobody asked the guard or sent: was it evaluated at all, and with what in sight?"""
    ids = account.match.key[1]
    flow = account.flow
    last = max((flow.completions[id] for id in ids), key=lambda each: each.index)
    blind: list[str] = []
    if _never_handed(case, flow, last.completion.id):
        return (
            f"its last completion, {case.words.completion(last.completion.id)}, was recorded by {last.who} at"
            f" {seconds(last.at)} and never handed to an engine{_fate(case, last.who, last.at)}.{_required(account)}"
            " Look at what follows the append (serverless/roles.py, receiver.py)"
        )
    for turn in flow.loads:
        own = {id for id in ids for each in case.story.appends.get(id, ()) if each.event.who == turn.event.who}
        seen = own.union(turn.event.data["ids"])
        unseen = [id for id in ids if id not in seen]
        if not unseen:
            return (
                f"{turn.event.who} loaded the flow with all of its completions at {seconds(turn.event.at)}, and"
                f" neither claimed nor sent it{_after(case, turn)}."
                f"{_required(account)} Look at matching (engine/flow.py, matching.py)"
                f"{_where(account)} and at what is done with a"
                " match (engine/durable.py, firing.py)"
            )
        stale = [id for id in unseen if _was_there(flow.completions[id], turn)]
        if stale or len(unseen) < len(ids) or len(ids) == 1:
            blind.append(_blind(case, account, turn, (stale or unseen)[0]))
    if blind:
        return (
            f"nobody saw all of its completions: {listed(blind, '; ')}."
            " Append before the flow is loaded, and load with consistent reads (engine/durable.py, action_log/)"
        )
    handed = [turn for id in ids for turn in case.story.published.get(id, [])]
    fate = case.words.fate(last.who, last.at)
    because = f": {fate}" if fate else ""
    if not handed:
        return (
            f"its last completion was recorded by {last.who} at {seconds(last.at)} and never handed to an"
            f" engine that fired it{because}.{_required(account)}"
            " Look at what follows the append (serverless/, receiver.py), at how answers are read (transport/http.py)"
            " and at matching (engine/)"
        )
    return (
        f"its last completion was recorded by {last.who} at {seconds(last.at)}, published, and never"
        f" evaluated{because}. Look at the completion queue (redelivery, dead letters, batch answers)"
    )


def _never_handed(case: Case, flow: FlowStory, id: str) -> bool:
    """Whether nobody gave the completion to an engine: by a queue, or by the engine in the one who recorded it.
    Over HTTP to an engine apart, the history does not say."""
    if case.story.published:
        return id not in case.story.published
    if case.story.loaders.keys().isdisjoint(case.story.recorders):
        return False
    recorders = {turn.event.who for turn in case.story.appends.get(id, ())}
    return not any(turn.event.who in recorders for turn in flow.loads)


def _fate(case: Case, who: str, at: float) -> str:
    fate = case.words.fate(who, at)
    return f": {fate}" if fate else ""


def _blind(case: Case, account: Account, turn: Turn, unseen: str) -> str:
    recorded = account.flow.completions[unseen]
    there = _was_there(recorded, turn)
    when = f"which had been recorded at {seconds(recorded.at)}" if there else "which was not yet recorded"
    return (
        f"{turn.event.who} loaded the flow at {seconds(turn.event.at)} without"
        f" {case.words.completion(unseen)}, {when}"
    )


def _was_there(recorded: Recorded, load: Turn) -> bool:
    """Whether the append had been answered when the load began."""
    began = float(load.event.data.get("began", load.event.at))
    return recorded.at <= began and recorded.index < load.index


def _after(case: Case, turn: Turn) -> str:
    fate = case.words.fate(turn.event.who, turn.event.at)
    return f" ({fate})" if fate else ""


# ---- something was sent


def _partly_sent(case: Case, account: Account) -> str:
    sending = account.firing.sent[-1]
    marked = next((turn for turn in account.firing.fired if turn.done), None)
    early = f"; it was marked fired at {seconds(marked.event.at)} all the same" if marked is not None else ""
    sent = listed(case.words.invocation(each) for group in account.prepared for each in group.invocations.values())
    return (
        f"of {len(account.required or ())} invocations that the reference requires, {_missing(account)} was"
        f" never sent{_fallen(case, sending)}; sent: {sent}{early}."
        f" Look at the loop over bindings and actions (engine/prepare.py){_where(account)} and at the dispatch"
        " (engine/firing.py, transport/)"
    )


def _unfinished(case: Case, account: Account) -> str | None:
    """All was sent; the first invocation that has no recorded completion."""
    for group in account.prepared[:1]:
        for invocation in group.invocations.values():
            if invocation.id not in case.story.completed:
                return _where_it_ended(case, account, invocation)
    return None


def _where_it_ended(case: Case, account: Account, invocation: Invocation) -> str:
    name = case.words.invocation(invocation)
    runs = case.story.runs.get(invocation.id, [])
    sendings = case.story.sends.get(invocation.id, [])
    if not runs:
        accepted = next((each for each in sendings if each.event.outcome == "ok"), None)
        if accepted is not None:
            return (
                f"{name} was sent and accepted {case.words.did(accepted.event)}, and its action never started."
                " Look at whether each is sent (transport/), and at the queue or function it was sent to"
                " (redelivery, dead letters; batch answers in serverless/lambda_handler.py)"
            )
        last = sendings[-1]
        marked = next((turn for turn in account.firing.fired if turn.done), None)
        if marked is not None and marked.event.at <= last.event.at:
            return (
                f"it was marked fired {case.words.did(marked.event)} before {name} was sent{_fallen(case, last)}, and"
                " was not sent again. Send first, then mark (engine/firing.py, _leased)"
            )
        return (
            f"sending {name} {case.words.did(last.event)} ended in {last.event.data.get('error', 'an error')}"
            f"{_fallen(case, last)}, its action never started, and it was not sent again."
            " Look at what a failed dispatch leads to (engine/firing.py, transport/), and at whether its message"
            " comes again (batch answers: serverless/lambda_handler.py)"
        )
    last_run = runs[-1]
    who, at = last_run.event.who, last_run.event.at
    fate = case.words.fate(who, at)
    ended = last_run.ended
    how = "did not return" if ended is None or ended.outcome == "unknown" else f"returned at {seconds(ended.at)}"
    return (
        f"{name} was accepted and never completed: its action started {len(runs)} time(s), the last time on"
        f" {who} at {seconds(at)}, {how}{f' ({fate})' if fate else ''}, and no completion was recorded."
        " Look at what follows the action (receiver.py) and at whether it is delivered again"
        " (batch answers: serverless/roles.py, lambda_handler.py)"
    )


def _fallen(case: Case, sending: Sending) -> str:
    fate = case.words.fate(sending.event.who, sending.began)
    return f" ({fate})" if fate else ""


def _where(account: Account) -> str:
    return ", its where (engine/where.py)" if account.match.sync.where else ""


def _required(account: Account) -> str:
    if account.required is None:
        return " Nobody read the facts that its where needs."
    return f" The reference requires {listed(_name(each) for each in account.required)}."


def _missing(account: Account) -> str:
    return listed(f"{_name(each)} with {each.input!r:.120}" for each in account.missing)


def _name(required: Required) -> str:
    return f"{concept_name(required.concept)}/{required.action}"
