"""No duplicate firing: each match is decided once, and what it causes is computed once.

A firing is decided by a `claim` that was won, by an `acquire` that was won, or, where no guard is in use, by
its dispatch. Sending the same stored invocations again, under a higher fencing number, is no duplicate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from clef_runtime.model import Invocation
from clef_sim.checkers.accounts import preparations
from clef_sim.checkers.case import Case
from clef_sim.checkers.story import FiringStory, Turn
from clef_sim.checkers.verdict import Offences, Verdict
from clef_sim.checkers.words import listed, seconds


def no_duplicate_firing(case: Case) -> Verdict:
    offences = Offences()
    firings = [firing for firing in case.story.firings.values() if firing.key[0]]
    for firing in firings:
        for rule in _RULES:
            found = rule(case, firing)
            if found:
                offences.add(f"{case.words.match(firing.key)}: {found}")
                break
    if not firings and not case.story.completed:
        return nothing_to_examine("no_duplicate_firing")
    return offences.verdict("no_duplicate_firing", len(firings))


def nothing_to_examine(checker: str) -> Verdict:
    return Verdict(checker, "unknown", first="the history holds no completion: nothing was there to examine")


# ---- rules: each gives the offence in words, or None


def _acquired_twice(case: Case, firing: FiringStory) -> str | None:
    won = [turn.event for turn in firing.acquires if turn.event.data["won"]]
    if len(won) < 2:
        return None
    first, second = won[:2]
    return (
        f"the guard was acquired {case.words.did(first)} and again {case.words.did(second)}."
        " Look at the condition and the expiry of the guard's row (guard/, try_acquire)"
    )


def _two_owners(case: Case, firing: FiringStory) -> str | None:
    """Two owners under one fencing number, or from scratch after it was marked fired."""
    holders: dict[int, Turn] = {}
    for turn in _won(firing):
        number = turn.event.data["fencing"]
        holder = holders.setdefault(number, turn)
        if holder.event.data["owner"] == turn.event.data["owner"]:
            continue
        twice = f"the claim was won {case.words.did(holder.event)} and again {case.words.did(turn.event)}"
        marked = next((each for each in firing.fired if each.done and each.index < turn.index), None)
        if marked is None:
            return (
                f"{twice}, both with fencing number {number}."
                " Look at the condition of the guard's write (guard/, claim)"
            )
        if any(sending.index > turn.index for sending in firing.sent):
            return (
                f"{twice}, both with fencing number {number}, though it was marked fired at"
                f" {seconds(marked.event.at)}: the guard's row was gone, and it was sent again."
                " Look at how long the guard keeps its rows, and whether its edge is loaded and known by the match's"
                " id (action_log/, load_flow; engine/firing.py, fire; model.py, firing_id)"
            )
    return None


def _won_after_fired(case: Case, firing: FiringStory) -> str | None:
    """Won again, by the answer of the guard that holds it as fired, and sent again."""
    marked = next((turn for turn in firing.fired if turn.event.outcome == "ok"), None)
    if marked is None:
        return None
    for turn in _won(firing):
        began = float(turn.event.data.get("began", turn.event.at))
        again = any(each.index > turn.index and each.event.who == turn.event.who for each in firing.sent)
        if turn.index > marked.index and began >= marked.event.at and again:
            return (
                f"it was marked fired {case.words.did(marked.event)}, and claimed again {case.words.did(turn.event)},"
                " who was told 'won' and sent it again. Look at how the guard reads a stored claim (guard/, _answer)"
            )
    return None


def _computed_anew(case: Case, firing: FiringStory) -> str | None:
    groups = preparations(firing)
    if len(groups) > 1:
        first, second = groups[:2]
        return (
            f"{first.who} sent {_named(case, first.invocations.values())}, and {second.who} sent"
            f" {_named(case, second.invocations.values())} for it at"
            f" {seconds(case.events[second.index].at)}: other invocations, computed anew."
            " Look at whether the stored firing is sent and whether ids are derived (engine/firing.py, model.py)"
        )
    for invocation in groups[0].invocations.values() if groups else ():
        changed = case.story.changed.get(invocation.id)
        if changed is not None:
            other, turn = changed
            if (other.concept, other.action) != (invocation.concept, invocation.action):
                return (
                    f"{case.words.invocation(invocation)} and {case.words.invocation(other)}, sent"
                    f" {case.words.did(turn.event)}, share one id. Look at how the invocations of a firing are"
                    " numbered (engine/prepare.py; model.py, invocation_id)"
                )
            return (
                f"{case.words.invocation(invocation)} was sent with input {case.words.value(invocation.input)}"
                f" and again {case.words.did(turn.event)} with {case.words.value(other.input)}:"
                " computed anew, not taken from the stored firing (guard/, claim; engine/firing.py)"
            )
    return _too_many(case, firing)


def _too_many(case: Case, firing: FiringStory) -> str | None:
    account = case.account_of.get(firing.key)
    sent = {invocation.id: invocation for sending in firing.sent for invocation in sending.invocations}
    if account is None or not account.required or len(sent) <= len(account.required):
        return None
    return (
        f"{len(sent)} different invocations were sent ({_named(case, sent.values())}), and the reference"
        f" requires {len(account.required)}. Look at engine/prepare.py and at whether ids are derived"
    )


def _sent_unheld(case: Case, firing: FiringStory) -> str | None:
    """A dispatch by somebody who does not hold the firing, while a guard is in use."""
    if not case.story.guarded:
        return None
    for sending in firing.sent:
        who = sending.event.who
        holds = any(
            turn.event.who == who and turn.index < sending.index and _holds(turn)
            for turn in (*firing.acquires, *firing.claims)
        )
        if not holds:
            return (
                f"{who} sent it at {seconds(sending.began)} and held no acquire or claim of it."
                f" {_last_word(firing, who)}Look at what leads to the dispatch in engine/firing.py"
            )
    return None


def _sent_after_edge(case: Case, firing: FiringStory) -> str | None:
    """Without a guard: sent again after it was sent and recorded as fired."""
    if case.story.guarded:
        return None
    edge = next((turn for turn in firing.edges if turn.done), None)
    done = next((sending for sending in firing.sent if sending.event.outcome == "ok"), None)
    if edge is None or done is None:
        return None
    again = next((each for each in firing.sent if each.index > edge.index and each is not done), None)
    if again is None:
        return None
    return (
        f"it was sent {case.words.did(done.event)} and recorded as fired at {seconds(edge.event.at)}, and sent"
        f" again {case.words.did(again.event)}; no guard was asked. Look at whether edges are looked at before"
        " firing (engine/firing.py, fire; engine/persistent.py; action_log/)"
    )


_RULES: tuple[Callable[[Case, FiringStory], str | None], ...] = (
    _acquired_twice,
    _two_owners,
    _sent_unheld,
    _computed_anew,
    _sent_after_edge,
    _won_after_fired,
)


def _won(firing: FiringStory) -> list[Turn]:
    return [turn for turn in firing.claims if turn.event.data["state"] == "won"]


def _holds(turn: Turn) -> bool:
    """Won, or won without being told: the call was applied and its answer lost."""
    if turn.event.outcome == "ok":
        return bool(turn.event.data.get("won")) or turn.event.data.get("state") == "won"
    return turn.done


def _last_word(firing: FiringStory, who: str) -> str:
    """What the guard last told `who`."""
    told = [turn.event for turn in (*firing.acquires, *firing.claims) if turn.event.who == who]
    if not told:
        return "It never asked the guard. "
    last = told[-1]
    if last.outcome != "ok":
        return f"Its {last.kind} ended at {seconds(last.at)} with {last.data.get('error', 'no answer')}. "
    return f"Its {last.kind} was answered {last.data.get('state', 'no')!r} at {seconds(last.at)}. "


def _named(case: Case, invocations: Iterable[Invocation]) -> str:
    return listed(case.words.invocation(each) for each in invocations)
