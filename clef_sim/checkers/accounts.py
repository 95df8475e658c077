"""One account for each match that exists: what its firing must have caused, and what was sent for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from clef_runtime.language.compiled import Query
from clef_runtime.model import Invocation
from clef_sim.checkers.answers import AllAnswers, Seen
from clef_sim.checkers.expressions import Undecided, Unknown, fits
from clef_sim.checkers.reference import Match, NeverAsked, Reference, Required
from clef_sim.checkers.story import FiringStory, FlowStory, Story

_END = 1 << 62
_ASSIGNMENTS_TRIED = 24


class Prepared(msgspec.Struct):
    """The invocations of one preparation of a firing, as they were sent; re-sent ones count once."""

    who: str
    index: int
    invocations: dict[str, Invocation]


class Account(msgspec.Struct):
    """`required` is None where the reference cannot say what the firing must have: then `why` tells it.

    `missing` are required and were not sent, `met` were sent, `extra` were sent and are not required.
    `prepared` has more than one entry where a firing was computed anew.
    """

    flow: FlowStory
    match: Match
    firing: FiringStory
    prepared: list[Prepared]
    required: list[Required] | None = None
    why: str = ""
    never_asked: bool = False
    missing: list[Required] = []
    met: list[tuple[Required, Invocation]] = []
    extra: list[Invocation] = []

    @property
    def agrees(self) -> bool:
        return self.required is not None and not self.missing and not self.extra


def accounts_of(story: Story, reference: Reference) -> list[Account]:
    answers = AllAnswers(story)
    found = []
    for flow in story.flows.values():
        for match in reference.matches([each.completion for each in flow.completions.values()]):
            firing = story.firings.get(match.key) or FiringStory(match.key)
            found.append(_account(flow, match, firing, story, reference, answers))
    return found


def preparations(firing: FiringStory) -> list[Prepared]:
    """Groups what was sent: a dispatch that shares an invocation with an earlier one repeats it, and what
    one execution sends bit by bit belongs together."""
    groups: list[Prepared] = []
    for sending in firing.sent:
        ids = [invocation.id for invocation in sending.invocations]
        group = next((each for each in groups if any(id in each.invocations for id in ids)), None)
        group = group or next((each for each in groups if each.who == sending.event.who), None)
        if group is None:
            group = Prepared(sending.event.who, sending.index, {})
            groups.append(group)
        for invocation in sending.invocations:
            group.invocations.setdefault(invocation.id, invocation)
    return groups


def _account(
    flow: FlowStory,
    match: Match,
    firing: FiringStory,
    story: Story,
    reference: Reference,
    answers: AllAnswers,
) -> Account:
    groups = preparations(firing)
    best: Account | None = None
    for group in groups or [Prepared("", _END, {})]:
        for view in _views(flow, match, firing, group, story, answers):
            for assignment in range(min(len(match.bindings), _ASSIGNMENTS_TRIED)):
                account = Account(flow, match, firing, groups)
                _compare(account, group, view, assignment, reference)
                if account.agrees:
                    return account
                best = _better(best, account)
    assert best is not None
    return best


def _better(best: Account | None, account: Account) -> Account:
    """The first that says something of the firing stands, before one that could not be decided or computed."""
    if best is None or (best.required is None and account.required is not None):
        return account
    return account if best.never_asked and not account.never_asked else best


def _compare(account: Account, group: Prepared, view: Seen, assignment: int, reference: Reference) -> None:
    try:
        account.required = reference.required(account.match, view, assignment)
    except NeverAsked as missing:
        account.never_asked, account.why = True, str(missing)
        return
    except Undecided as reason:
        account.why = str(reason)
        return
    sent = list(group.invocations.values())
    if _in_order(account.required, sent):
        account.met = list(zip(account.required, sent, strict=True))
        return
    left = sent
    for required in account.required:
        found = next((each for each in left if _fits(required, each)), None)
        if found is None:
            account.missing.append(required)
        else:
            account.met.append((required, found))
            left = [each for each in left if each is not found]
    account.extra = left


def _in_order(required: Sequence[Required], sent: Sequence[Invocation]) -> bool:
    if len(required) != len(sent):
        return False
    drawn: list[Unknown] = []
    same = all(
        must.concept == was.concept and must.action == was.action and fits(must.input, was.input, drawn)
        for must, was in zip(required, sent, strict=True)
    )
    if not same:
        _forget(drawn)
    return same


def _fits(required: Required, sent: Invocation) -> bool:
    if required.concept != sent.concept or required.action != sent.action:
        return False
    drawn: list[Unknown] = []
    same = fits(required.input, sent.input, drawn)
    if not same:
        _forget(drawn)
    return same


def _forget(drawn: list[Unknown]) -> None:
    for unknown in drawn:
        unknown.known = False


def _views(
    flow: FlowStory,
    match: Match,
    firing: FiringStory,
    group: Prepared,
    story: Story,
    answers: AllAnswers,
) -> Iterator[Seen]:
    """Whose answers the preparation may rest on, the likeliest first."""
    names = [_asked_name(entry) for entry in match.sync.where if isinstance(entry, Query)]
    if not names:
        yield Seen(answers, "", 0)
        return
    decided = _deciders(firing, group)
    for who, until in decided:
        yield Seen(answers, who, until)
    if _is_decided(firing):
        return  # nobody else can have prepared it
    for who in dict.fromkeys(who.partition(":")[0] for who, _ in decided):
        yield Seen(answers, who, group.index)
    for who in flow.whos:
        yield Seen(answers, who, group.index)
    for who in answers.askers(names):
        if who not in story.flows_of:
            yield Seen(answers, who, group.index)


def _is_decided(firing: FiringStory) -> bool:
    acquired = any(turn.event.data["won"] for turn in firing.acquires)
    return acquired or any(
        turn.event.data["state"] == "won" and turn.event.data["firing"].invocations for turn in firing.claims
    )


def _deciders(firing: FiringStory, group: Prepared) -> list[tuple[str, int]]:
    deciders = [
        (turn.event.who, turn.index)
        for turn in firing.claims
        if not group.invocations or _shares(turn.event.data["firing"].invocations, group)
    ]
    if group.who:
        deciders.append((group.who, group.index))
    deciders += [(turn.event.who, group.index) for turn in firing.acquires if turn.event.data["won"]]
    return list(dict.fromkeys(deciders))


def _shares(invocations: Sequence[Invocation], group: Prepared) -> bool:
    return any(invocation.id in group.invocations for invocation in invocations)


def _asked_name(entry: Query) -> str:
    if entry.ask is None:
        return entry.concept
    return entry.concept.removesuffix("/" + entry.ask.action) + "/" + entry.ask.action
