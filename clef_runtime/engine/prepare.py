"""From a match to its firing: *where* gives bindings, and each binding gives invocations."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from clef_runtime.context import Clock, Ids
from clef_runtime.engine.expressions import Draw, Evaluate, Site, compile_expr
from clef_runtime.engine.where import Facts
from clef_runtime.language.clef_form import meaning
from clef_runtime.language.compiled import ThenAction
from clef_runtime.model import Firing, Invocation, Record, concept_urn, invocation_id

if TYPE_CHECKING:
    from clef_runtime.engine.flow import Match


def prepare(match: Match, facts: Facts, clock: Clock, ids: Ids) -> Firing:
    """Everything that a match causes, computed once. The firing may have no invocations.

    The invocation with binding number b and action number n has the id `invocation_id(firing, b, n)`; both
    count from 0: b the bindings that *where* yields, in its order, n the invocations of one binding, in the
    order of the *then* actions and within an action of the turns of its loops. `matched_ids` are sorted.
    The clock is read at most once, so all timestamps and `now()` of a firing are equal.

    Raises:
        BadInput: an invocation of `?concept/?action` whose variable is no text, or a function of the app that
            failed; names the sync. Definite.
        Throttled, Refused, Indeterminate: from reading facts. Nothing was written, so prepare again.
    """
    draw = Draw(clock, ids)
    rows = [match.bindings.copy()]
    for step in match.program.where:
        rows = step.run(rows, draw, facts)
        if not rows:
            break
    return Firing(
        id=match.firing_id,
        sync=match.program.name,
        flow=match.completions[0].flow,
        matched_ids=_matched_ids(match),
        invocations=invocations_of(match, rows, draw),
    )


def invocations_of(match: Match, rows: list[Record], draw: Draw) -> tuple[Invocation, ...]:
    """The invocations that a match causes, given the bindings that its *where* yields."""
    name, flow, matched_ids = match.program.name, match.completions[0].flow, _matched_ids(match)
    invocations: list[Invocation] = []
    for binding_number, row in enumerate(rows):
        action_number = 0
        for action in match.program.then:
            for turn in action.turns(row, draw) if action.loops else (row,):
                invocations.append(
                    Invocation(
                        id=invocation_id(match.firing_id, binding_number, action_number),
                        concept=action.concept(turn),
                        action=action.action(turn),
                        input={field: value(turn, draw) for field, value in action.fields},
                        flow=flow,
                        timestamp=draw.now(),
                        sync=name,
                        matched_ids=matched_ids,
                    )
                )
                action_number += 1
    return tuple(invocations)


def _matched_ids(match: Match) -> tuple[str, ...]:
    return tuple(sorted([completion.id for completion in match.completions]))


class CompiledAction:
    """One *then* action.

    Raises:
        BadInput: an expression that does not compile; names sync, file and line.
    """

    def __init__(self, action: ThenAction, site: Site) -> None:
        self.concept = _target(action.concept, "concept", concept_urn, site)
        self.action = _target(action.action, "action", str, site)
        self.fields: tuple[tuple[str, Evaluate], ...] = tuple(
            (field.name, compile_expr(field.expr or meaning(field.value), site)) for field in action.fields
        )
        self.loops = tuple((loop.variable, compile_expr(loop.items, site)) for loop in action.loops)

    def turns(self, row: Record, draw: Draw) -> list[Record]:
        """One binding for each turn, outermost loop first. What is not a list has no turns."""
        rows = [row]
        for variable, items in self.loops:
            rows = [{**each, variable: item} for each in rows for item in _list(items(each, draw))]
        return rows


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _target(text: str, what: str, normal: Callable[[str], str], site: Site) -> Callable[[Record], str]:
    if not text.startswith("?"):
        fixed = normal(text)
        return lambda _: fixed
    variable = text[1:]

    def of_binding(row: Record) -> str:
        value = row.get(variable)
        if not isinstance(value, str) or not value:
            raise site.error(f"{text} names the {what} to invoke and must be a text; it is {value!r:.100}")
        return normal(value)

    return of_binding
