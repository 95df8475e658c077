"""What is wrong with syncs that parse: unknown functions, names nobody binds, concepts the app does not have."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping

from clef_runtime.language.clef_form import words
from clef_runtime.language.compiled import Call, CompiledSync, Filter, Lit, Query, Variable
from clef_runtime.language.findings import Finding, Severity, did_you_mean, unknown_function
from clef_runtime.language.functions import ARITY, BUILTINS, OPERATORS, UNLIMITED, UNREADABLE
from clef_runtime.language.places import line_starts, line_text, place
from clef_runtime.language.walk import expressions, unbound_variables, within
from clef_runtime.model import concept_name, concept_urn

_WORD = re.compile(r"[A-Za-z_][\w-]*|\S", re.ASCII)


class _Text:
    """Where things stand in the text of one sync. What is not found is said to stand at its `sync`."""

    def __init__(self, sync: CompiledSync, text: str) -> None:
        self._text, self._sync = text, sync
        self._start = line_starts(text)[sync.source.line - 1] if sync.source else 0
        self._words: list[tuple[str, int, int]] = []
        for word in words(text, self._start):
            if len(self._words) > 2 and self._words[-2][0] == "}" and self._words[-1][0] == "sync":
                break  # the next sync
            self._words.append(word)

    def finding(self, at: int, severity: Severity, code: str, message: str) -> Finding:
        line, column = place(self._text, at)
        file = self._sync.source.file if self._sync.source else "<text>"
        return Finding(file, line, column, severity, code, message, line_text(self._text, line))

    def find(self, pattern: str, after: str = "") -> int:
        """Where the words of `pattern` first follow each other, behind those of `after`."""
        begin = self._index(after, 0) if after else 0
        number = self._index(pattern, begin)
        return self._words[number][1] if number < len(self._words) else self._start

    def find_raw(self, raw: str) -> int:
        at = self._text.find(raw, self._start)
        return at if at >= 0 else self.find("sync")

    def _index(self, pattern: str, begin: int) -> int:
        wanted = _WORD.findall(pattern)
        for number in range(begin, len(self._words) - len(wanted) + 1):
            if all(self._words[number + offset][0] == word for offset, word in enumerate(wanted)):
                return number
        return 0 if begin else len(self._words)


def check_expressions(
    syncs: Iterable[CompiledSync], text: str, functions: Collection[str] | None
) -> Iterator[Finding]:
    """Functions that nobody registered, wrong numbers of arguments, expressions that cannot be read.

    Errors, or warnings where `functions` is None.
    """
    known = BUILTINS | set(functions or ())
    severity: Severity = "warning" if functions is None else "error"
    for sync in syncs:
        bad = dict.fromkeys(found for expr in expressions(sync) for found in within(expr) if _is_bad(found, known))
        where = _Text(sync, text) if bad else None
        for call in bad:
            assert where is not None and isinstance(call, Call)
            if call.name == UNREADABLE:
                yield _unreadable(sync, call, where, severity)
            elif call.name in known:
                yield where.finding(where.find(f"{call.name}("), severity, "arguments", _arity_message(call))
            else:
                message = unknown_function(call.name, known)
                yield where.finding(where.find(f"{call.name}("), severity, "unknown-function", message)


def _is_bad(found: object, known: Collection[str]) -> bool:
    if not isinstance(found, Call) or found.name in OPERATORS or found.name in ("and", "or"):
        return False
    if found.name not in known:
        return True
    fewest, most = ARITY.get(found.name, (0, UNLIMITED))
    return not fewest <= len(found.args) <= most


def _arity_message(call: Call) -> str:
    fewest, most = ARITY[call.name]
    wanted = str(fewest) if fewest == most else f"{fewest} to {most}" if most < UNLIMITED else f">= {fewest}"
    return f"`{call.name}` takes {wanted} argument(s), not {len(call.args)}"


def _unreadable(sync: CompiledSync, call: Call, where: _Text, severity: Severity) -> Finding:
    from clef_runtime.language.expression_rules import Unreadable
    from clef_runtime.language.parser import read_condition, read_expression

    argument = call.args[0]
    raw = argument.value if isinstance(argument, Lit) else ""
    conditions = any(isinstance(entry, Filter) and entry.value is call for entry in sync.where)
    start = where.find_raw(raw)
    reason, at = "a loop whose body is not actions", 0
    if not raw.startswith("for"):
        try:
            read_condition("filter", raw) if conditions else read_expression(raw)
        except Unreadable as error:
            reason, at = str(error.args[0]), error.args[1] if len(error.args) > 1 else 0
    message = f"this expression cannot be read: {reason}; the sync cannot fire"
    return where.finding(start + at, severity, "expression", message)


def check_sync(sync: CompiledSync, text: str, catalogue: Mapping[str, set[str]] | None) -> Iterator[Finding]:
    """Variables that nothing binds, empty blocks, and what the catalogue does not have."""
    where = _Text(sync, text)
    for name in unbound_variables(sync):
        if name != "unreadable":
            message = f"nothing binds `?{name}`; it will be null"
            yield where.finding(where.find(f"?{name}", after="then {"), "warning", "unbound", message)
    if _uses(sync, "_") > 1:
        message = "`?_` is a variable: all its places must hold one value; `_` alone fits whatever stands there"
        yield where.finding(where.find("?_", after="when {"), "warning", "underscore", message)
    if not sync.then:
        message = f"`then` of sync {sync.name} invokes nothing"
        yield where.finding(where.find("then {"), "warning", "empty", message)
    if not sync.when:
        message = f"`when` of sync {sync.name} has no pattern; it never fires"
        yield where.finding(where.find("when {"), "warning", "empty", message)
    if catalogue is not None:
        known = {concept_urn(name): actions for name, actions in catalogue.items()}
        yield from _unknown(sync, where, known)


def _uses(sync: CompiledSync, name: str) -> int:
    """In how many places of *when* a variable stands."""
    fields = (field for pattern in sync.when for field in (*pattern.input_fields, *pattern.output_fields))
    return sum(isinstance(field.match, Variable) and field.match.name == name for field in fields)


def _unknown(sync: CompiledSync, where: _Text, known: Mapping[str, set[str]]) -> Iterator[Finding]:
    """An unknown concept degrades the sync, so it is a warning; an unknown action is a mistake."""
    for concept, action in dict.fromkeys(_mentioned(sync)):
        if concept.startswith("?"):
            continue
        name = concept_name(concept)
        at = where.find(f"{name}/{action}" if action else f"{name}:")
        if concept not in known:
            hint = did_you_mean(name, map(concept_name, known))
            message = f"the app has no concept `{name}`{hint or '; the sync does not fire without it'}"
            yield where.finding(at, "warning", "unknown-concept", message)
        elif action and not action.startswith("?") and action not in known[concept]:
            actions = sorted(known[concept])
            message = (
                f"concept `{name}` has no action `{action}`{did_you_mean(action, actions) or f'; it has {actions}'}"
            )
            yield where.finding(at, "error", "unknown-action", message)


def _mentioned(sync: CompiledSync) -> Iterator[tuple[str, str]]:
    yield from ((pattern.concept, pattern.action) for pattern in sync.when)
    yield from ((action.concept, action.action) for action in sync.then)
    for entry in sync.where:
        if isinstance(entry, Query):
            action = entry.ask.action if entry.ask else ""
            yield entry.concept.removesuffix(f"/{action}") if action else entry.concept, action


def check_set(syncs: Iterable[CompiledSync], *, of_app: bool) -> Iterator[Finding]:
    """Syncs that share a name: in one app each would take the other's firings for its own."""
    first: dict[str, CompiledSync] = {}
    for sync in syncs:
        other = first.setdefault(sync.name, sync)
        if other is not sync and sync.source and other.source:
            at = f"{other.source.file}:{other.source.line}"
            message = f"sync {sync.name} is defined in {at} already; give one another name"
            severity: Severity = "error" if of_app else "warning"
            yield Finding(sync.source.file, sync.source.line, 1, severity, "duplicate", message)
