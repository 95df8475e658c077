"""Scenario files as read: what is wrong is named by place, key and value, with what may stand there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from clef_runtime.errors import BadInput
from clef_sim.checkers import CHECKERS
from clef_sim.scenario import FaultSpec, Scenario, Variant, Workload, find_scenarios, load_scenario

ROOT = Path(__file__).parents[2]
GOOD = """\
shows: A first one.
app: scenarios.apps.orders
requests: scenarios.requests.orders
topologies: [aws-event-driven]
workload: {kind: fixed, count: 2}
"""
"""Five lines; what a test adds begins on the sixth."""


def written(folder: Path, text: str, name: str = "first") -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(text, "utf-8")
    return path


def wrong(folder: Path, text: str) -> str:
    with pytest.raises(BadInput) as caught:
        load_scenario(written(folder, text))
    return str(caught.value).removeprefix(f"{folder}/")


def test_scenario_is_named_by_its_file(tmp_path: Path) -> None:
    assert load_scenario(written(tmp_path, GOOD, "lost-join")).name == "lost-join"


@pytest.mark.parametrize(
    ("added", "words"),
    [
        ("worklod: {}", "6:1: worklod: no such key `worklod`; did you mean `workload`?; allowed: shows, app, "),
        ("file: x.yaml", "6:1: file: no such key `file`; allowed: shows, "),
        ("name: x", "6:1: name: no such key `name`"),
        ("settle_s: 0", "6:1: settle_s: settle_s(=0) must be a number > 0"),
        ("settle_s: .nan", "6:1: settle_s: settle_s(=nan) must be a finite number"),
        (
            "targets: {eager_chain_ms_p95: -1}",
            "6:11: targets.eager_chain_ms_p95: eager_chain_ms_p95(=-1) must be a",
        ),
        ("expect: valide", "expect(='valide') must be one of invalid, not exercised, unknown, valid or a mapping"),
        ("expect: valide", "did you mean `valid`?"),
        ("faults: {kind: crash}", "6:1: faults: faults(={'kind': 'crash'}) must be a list"),
        ("variants: [{}]", "6:12: variants.0.name: is missing; it must be a text"),
        ("variants: [{name: a, expects: valid}]", "no such key `expects`; did you mean `expect`?; allowed: name, "),
        ("handler: {median_ms: -2}", "6:11: handler.median_ms: median_ms(=-2) must be a number >= 0"),
    ],
)
def test_scenario_with_a_wrong_key_or_value_names_its_place(tmp_path: Path, added: str, words: str) -> None:
    assert words in wrong(tmp_path, GOOD + added)


@pytest.mark.parametrize(
    ("workload", "words"),
    [
        (
            "{kind: poisson, rate_per_s: -1, duration_s: 3}",
            "5:27: workload.rate_per_s: rate_per_s(=-1) must be a",
        ),
        (
            "{kind: poisson, rate_per_s: .inf, duration_s: 3}",
            "5:27: workload.rate_per_s: rate_per_s(=inf) must be a",
        ),
        (
            "{kind: poison, rate_per_s: 1}",
            "5:12: workload.kind: kind(='poison') must be one of fixed, poisson",
        ),
        ("{kind: fixed}", "5:1: workload.count: is missing; it must be a whole number >= 1"),
        ("{count: 1}", "5:1: workload.kind: is missing; it must be one of fixed, poisson, "),
        ("{kind: fixed, count: many}", "5:25: workload.count: count(='many') must be a whole number >= 1"),
        ("{kind: fixed, count: 1, every: 2}", "no such key `every`; did you mean `every_s`?; allowed: kind, mix, "),
        (
            "{kind: fixed, count: 1, client: {attempt: 2}}",
            "no such key `attempt`; did you mean `attempts`?; allow",
        ),
        ("{kind: fixed, count: 1, mix: {order: -1}}", "workload.mix.order: order(=-1) must be a number >= 0"),
    ],
)
def test_scenario_with_a_wrong_workload_names_its_place(tmp_path: Path, workload: str, words: str) -> None:
    assert words in wrong(tmp_path, GOOD.replace("{kind: fixed, count: 2}", workload))


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("kind: crsh", "7:6: faults.0.kind: kind(='crsh') must be one of crash, freeze, "),
        (
            "kind: crash, call: dynamodb.PutItem",
            "7:5: faults.0.when: is missing; it must be one of after, at",
        ),
        (
            "kind: crash, when: befor, call: dynamodb.PutItem",
            "when(='befor') must be one of after, at, before; did",
        ),
        (
            "kind: throttle, call: PutItem",
            "call(='PutItem') must be a call such as dynamodb.PutItem, sqs.*, http.",
        ),
        ("kind: throttle, call: dynamodb.PutItem, chance: 2", "chance(=2) must be a number >= 0 and <= 1"),
        ("kind: throttle, call: dynamodb.PutItem, times: 0", "times(=0) must be a whole number >= 1 or null"),
        (
            "kind: throttle, call: dynamodb.PutItem, chanse: 1",
            "no such key `chanse`; did you mean `chance`?; all",
        ),
    ],
)
def test_scenario_with_a_wrong_fault_names_its_place(tmp_path: Path, fault: str, words: str) -> None:
    assert words in wrong(tmp_path, f"{GOOD}faults:\n  - {{{fault}}}")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("shows: [", "first.yaml:2:1: not YAML: "),
        ("- a list", "first.yaml: a scenario must be a mapping"),
        ("", "first.yaml: a scenario must be a mapping"),
        (GOOD + "app: twice", "first.yaml:6:1: app: stands twice; the first is in line 2"),
        ("shows: alone", "first.yaml: app: is missing; it must be a text"),
    ],
)
def test_scenario_that_is_none_says_so(tmp_path: Path, text: str, words: str) -> None:
    assert words in wrong(tmp_path, text)


def test_find_scenarios_orders_numbers_as_numbers_and_passes_manifests_by(tmp_path: Path) -> None:
    for name in ("10-last", "2-second", "1-first", "own.deploy"):
        written(tmp_path, GOOD, name)
    assert [each.name for each in find_scenarios([tmp_path])] == ["1-first", "2-second", "10-last"]


def test_find_scenarios_names_every_wrong_file(tmp_path: Path) -> None:
    for name in ("a", "b"):
        written(tmp_path, "shows: alone", name)
    with pytest.raises(BadInput) as caught:
        find_scenarios([tmp_path])
    assert len(str(caught.value).splitlines()) == 2


@pytest.mark.parametrize("name", ["none", "empty"])
def test_find_scenarios_without_any_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match=r"does not exist|holds no scenario"):
        find_scenarios([tmp_path / name])


# ---- docs/adding-a-scenario.md


def fields(struct: Any) -> set[str]:
    return {field.encode_name for field in msgspec.structs.fields(struct)} - {"file"}


def rows(*, first: str) -> dict[str, str]:
    """Of the table whose first column is called `first`: the whole row, by what its first cell names."""
    text = (ROOT / "docs" / "adding-a-scenario.md").read_text("utf-8")
    found: dict[str, str] = {}
    for table in re.findall(rf"^\| {first} \|.*\n\|[- |]+\|\n((?:\|.*\n)+)", text, re.MULTILINE):
        for row in table.splitlines():
            for name in re.findall(r"`(\w+)`", row.split("|")[1]):
                found[name] = row
    return found


def own_fields(struct: Any) -> set[str]:
    shared = {"chance", "times", "skip", "from_s", "until_s", "mix", "client", "call", "target", "function"}
    return fields(struct) - (shared if struct.__struct_config__.tag != "clock_skew" else shared - {"function"})


@pytest.mark.parametrize("struct", [*Workload.__args__, *FaultSpec.__args__], ids=lambda each: each.__name__)
def test_docs_have_each_kind_of_workload_and_fault_with_its_keys(struct: Any) -> None:
    row = rows(first="kind")[struct.__struct_config__.tag]
    assert {name for name in own_fields(struct) if f"`{name}`" not in row} == set()


def test_docs_have_no_kind_that_is_none() -> None:
    known = {struct.__struct_config__.tag for struct in (*Workload.__args__, *FaultSpec.__args__)}
    assert set(rows(first="kind")) == known


def test_docs_have_each_key_and_each_checker() -> None:
    assert set(rows(first="key")) == fields(Scenario)
    assert set(rows(first="checker")) == set(CHECKERS)
    assert {f"`{name}`" in rows(first="key")["variants"] for name in fields(Variant)} == {True}


def test_docs_example_is_a_scenario(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "adding-a-scenario.md").read_text("utf-8")
    example = text.partition("```yaml\n")[2].partition("```")[0]
    assert load_scenario(written(tmp_path, example)).variants
