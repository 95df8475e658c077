"""A match that nobody claimed, acquired or sent, in words: was it evaluated at all, and with what in sight?"""

from __future__ import annotations

from clef_runtime.model import concept_name
from clef_sim.checkers.accounts import Account
from clef_sim.checkers.case import Case
from clef_sim.checkers.reference import Required
from clef_sim.checkers.story import FlowStory, Recorded, Turn
from clef_sim.checkers.words import listed, seconds


def unfired(case: Case, account: Account) -> str:
    """Why nobody decided or sent the firing."""
    flow, ids = account.flow, account.match.key[1]
    last = max((flow.completions[id] for id in ids), key=lambda each: each.index)
    if _never_handed(case, flow, last.completion.id):
        return (
            f"its last completion, {case.words.completion(last.completion.id)}, was recorded by {last.who} at"
            f" {seconds(last.at)} and never handed to an engine{_fate(case, last.who, last.at)}."
            f"{required_of(account)} Look at what follows the append (serverless/roles.py, receiver.py)"
            f"{_unsure(case, last.completion.id)}"
        )
    blind: list[str] = []
    for turn in flow.loads:
        own = {id for id in ids for each in case.story.appends.get(id, ()) if each.event.who == turn.event.who}
        unseen = [id for id in ids if id not in own.union(turn.event.data["ids"])]
        if not unseen:
            return (
                f"{turn.event.who} loaded the flow with all of its completions at {seconds(turn.event.at)}, and"
                f" neither claimed nor sent it{_fate(case, turn.event.who, turn.event.at)}.{required_of(account)}"
                f" Look at matching (engine/flow.py, matching.py){where_of(account)} and at what is done with a match"
                " (engine/durable.py, firing.py)"
            )
        stale = [id for id in unseen if _was_there(flow.completions[id], turn)]
        if stale or len(unseen) < len(ids) or len(ids) == 1:
            blind.append(_blind(case, account, turn, (stale or unseen)[0]))
    died = _engine_died(case, flow)
    if died:
        return f"its last completion was recorded by {last.who} at {seconds(last.at)}, and no engine fired it; {died}"
    if blind:
        return (
            f"nobody saw all of its completions: {listed(blind, '; ')}."
            " Append before the flow is loaded, and load with consistent reads (engine/durable.py, action_log/)"
        )
    return _unevaluated(case, account, last)


def _never_handed(case: Case, flow: FlowStory, id: str) -> bool:
    """Whether nobody gave the completion to an engine: by a queue, or by the engine in the one who recorded it.
    Over HTTP to an engine apart, the history does not say."""
    if case.story.published:
        return id not in case.story.published
    if case.story.loaders.keys().isdisjoint(case.story.recorders):
        return False
    recorders = {turn.event.who for turn in case.story.appends.get(id, ())}
    return not any(turn.event.who in recorders for turn in flow.loads)


def _unsure(case: Case, id: str) -> str:
    """Where an append got no answer, its caller had to hear of that, and come again."""
    unsure = next((turn.event for turn in case.story.appends.get(id, ()) if turn.event.outcome == "unknown"), None)
    if unsure is None:
        return ""
    return (
        f"; its append {case.words.did(unsure)} ended in {unsure.data.get('error')}:"
        " look at what such an error is answered with (serverless/service.py)"
    )


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


def _engine_died(case: Case, flow: FlowStory) -> str:
    """An engine apart keeps flows in its memory, and died with this one under way."""
    if case.story.published or not case.story.loaders.keys().isdisjoint(case.story.recorders):
        return ""
    engines = {who.partition(":")[0] for who in case.story.loaders}
    begun = min(each.at for each in flow.completions.values())
    for event in case.story.troubles:
        instance = event.data.get("instance", event.instance)
        if event.kind == "instance" and event.at >= begun and instance in engines:
            return (
                f"engine {instance} was {event.name} at {seconds(event.at)}, and what it held in memory has to come"
                " back from the log. Look at engine/persistent.py, replay"
            )
    return ""


def _unevaluated(case: Case, account: Account, last: Recorded) -> str:
    recorded, fate = f"recorded by {last.who} at {seconds(last.at)}", _fate(case, last.who, last.at)
    if case.story.published:
        return (
            f"its last completion was {recorded}, published, and never evaluated{fate}."
            " Look at the completion queue (redelivery, dead letters, batch answers)"
        )
    return (
        f"its last completion was {recorded} and never handed to an engine that fired it{fate}.{required_of(account)}"
        " Look at what follows the append (serverless/, receiver.py), at how answers are read (transport/http.py) and"
        " at matching (engine/)"
    )


def _fate(case: Case, who: str, at: float) -> str:
    fate = case.words.fate(who, at)
    return f": {fate}" if fate else ""


# ---- what was required, in words


def where_of(account: Account) -> str:
    return ", its where (engine/where.py)" if account.match.sync.where else ""


def required_of(account: Account) -> str:
    if account.required is None:
        return " Nobody read the facts that its where needs."
    return f" The reference requires {listed(name_of(each) for each in account.required)}."


def name_of(required: Required) -> str:
    return f"{concept_name(required.concept)}/{required.action}"
