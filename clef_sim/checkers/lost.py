"""No lost firing: every match that exists has caused what it must, down to the recorded completions.

The words under an offence say how far the firing came, and what ended it there.
"""

from __future__ import annotations

from clef_runtime.model import Invocation
from clef_sim.checkers.accounts import Account
from clef_sim.checkers.case import Case
from clef_sim.checkers.firings import nothing_to_examine
from clef_sim.checkers.story import Sending, Turn
from clef_sim.checkers.unfired import name_of, unfired, where_of
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
    return unfired(case, account)


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
        " (engine/firing.py, _claim; serverless/service.py; redelivery) and at how its end is read (guard/,"
        " _answer)"
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


# ---- something was sent


def _partly_sent(case: Case, account: Account) -> str:
    sending = account.firing.sent[-1]
    marked = next((turn for turn in account.firing.fired if turn.done), None)
    early = f"; it was marked fired at {seconds(marked.event.at)} all the same" if marked is not None else ""
    sent = listed(case.words.invocation(each) for group in account.prepared for each in group.invocations.values())
    return (
        f"of {len(account.required or ())} invocations that the reference requires, {_missing(account)} was"
        f" never sent{_fallen(case, sending)}; sent: {sent}{early}."
        f" Look at the loop over bindings and actions (engine/prepare.py){where_of(account)} and at the dispatch"
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
            " Look at what a failed dispatch leads to (engine/firing.py, evaluator.py, persistent.py; transport/),"
            " and at whether its message comes again (batch answers: serverless/lambda_handler.py)"
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


def _missing(account: Account) -> str:
    return listed(f"{name_of(each)} with {each.input!r:.120}" for each in account.missing)
