"""Failures and expected losses, in words."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from clef_sim.checkers import Verdict
from clef_sim.reporting.rows import groups_of
from clef_sim.reporting.words import many
from clef_sim.results import RunResult, meets


class Complaint(msgspec.Struct, frozen=True):
    """A checker that did not say what was expected of it."""

    checker: str
    verdict: str
    count: int
    expected: str
    first: str
    offences: tuple[str, ...]


class Failure(msgspec.Struct, frozen=True):
    """A run that is not as expected, or undecided."""

    result: RunResult
    expected: str
    complaints: tuple[Complaint, ...]


class Loss(msgspec.Struct, frozen=True):
    """What runs were expected to lose or double, and did. `held_by`: variants under which all went well."""

    name: str
    topology: str
    manifest: str
    guard: str
    words: str
    first: str
    held_by: tuple[str, ...]
    replay: str


def expected_words(expected: dict[str, str]) -> str:
    """`no_lost_firing invalid, others valid`; `valid` where nothing else is expected."""
    if "*" in expected:
        return expected["*"]
    odd = ", ".join(f"{checker} {verdict}" for checker, verdict in expected.items() if verdict != "valid")
    return f"{odd}, others valid" if odd else "valid"


def complaints_of(result: RunResult) -> tuple[Complaint, ...]:
    """The checkers that were not as expected, or where only the whole was judged, those that were not valid."""
    whole = "*" in result.expected
    return tuple(
        Complaint(
            each.checker,
            each.verdict,
            each.count,
            "" if whole else result.expected.get(each.checker, "valid"),
            each.first,
            each.offences[1:],
        )
        for each in result.checkers
        if (each.verdict != "valid" if whole else not meets(each, result.expected))
    )


def failures_of(results: Sequence[RunResult]) -> list[Failure]:
    """Those not as expected first, then the undecided."""
    off = [each for each in results if each.standing != "as expected"]
    off.sort(key=lambda each: each.standing != "not as expected")
    return [Failure(each, expected_words(each.expected), complaints_of(each)) for each in off]


def losses_of(results: Sequence[RunResult]) -> list[Loss]:
    """One for each scenario, variant, manifest and checker that was expected to find offences and did."""
    groups = groups_of(results)
    losses = []
    for group in groups:
        first = group[0]
        for checker in dict.fromkeys(each.checker for result in group for each in result.checkers):
            runs = [(result, each) for result in group for each in _met(result) if each.checker == checker]
            if not runs:
                continue
            result, verdict = runs[0]
            lost = _offences(checker, sum(each.count for _, each in runs))
            words = f"as expected: {lost} in {len(runs)} of {len(group)} runs"
            held_by = tuple(_held(groups, first))
            losses.append(
                Loss(
                    *(first.name, first.topology, first.manifest, first.guard),
                    *(words, verdict.first, held_by, result.replay),
                )
            )
    return losses


def _met(result: RunResult) -> list[Verdict]:
    """The offences that were expected of a run."""
    if result.standing != "as expected":
        return []
    wanted = result.expected
    return [each for each in result.checkers if each.verdict == "invalid" and meets(each, wanted)]


def _offences(checker: str, count: int) -> str:
    if checker == "no_lost_firing":
        return f"lost {many(count, 'firing')}"
    if checker == "no_duplicate_firing":
        return f"fired {many(count, 'sync')} twice"
    return f"{checker}: {many(count, 'offence')}"


def _held(groups: Sequence[Sequence[RunResult]], lost: RunResult) -> list[str]:
    """Variants of the same scenario, on the same topology, that are valid in every run."""
    scenario, _, _ = lost.name.partition("/")
    return [
        (group[0].name.partition("/")[2] or group[0].guard)
        + (f" ({group[0].manifest})" if group[0].manifest != lost.manifest else "")
        for group in groups
        if group[0].name.partition("/")[0] == scenario
        and group[0].topology == lost.topology
        and all(each.verdict == "valid" for each in group)
    ]
