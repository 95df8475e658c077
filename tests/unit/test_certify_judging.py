"""From histories to findings, and what a certificate lets through."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from clef_runtime.deploy.manifest import load_manifest, templates
from clef_runtime.errors import BadInput
from clef_sim.certify.certificates import (
    Certificate,
    Figure,
    Finding,
    certificate_for,
    code_digest,
    keep,
    kept,
    refuse,
    refuse_unfit,
)
from clef_sim.certify.crew import Told
from clef_sim.certify.guarantees import GUARANTEES, OF, Need, needs_of
from clef_sim.certify.judging import judge
from clef_sim.certify.linearizable import LOST, Operation
from clef_sim.certify.queues import judge_message
from clef_sim.certify.races import finding, with_cause
from emulators import SERVICES


def op(client: str, name: str, argument: Any, answer: Any, invoked_s: float, returned_s: float) -> Operation:
    return Operation(client, name, argument, answer, invoked_s, returned_s)


def received(client: str, invoked_s: float, returned_s: float) -> Operation:
    return op(client, "receive", None, True, invoked_s, returned_s)


def deleted(client: str, invoked_s: float, returned_s: float) -> Operation:
    return op(client, "delete", None, True, invoked_s, returned_s)


# ---- a key's history


def test_race_with_two_winners_is_counted_and_told_with_clients_and_times() -> None:
    told = Told(
        operations={
            "good": [op("1", "create", "1", True, 0, 0.1), op("2", "create", "2", False, 0, 0.1)],
            "bad": [
                op("3", "create", "3", True, 5.0, 5.012),
                op("4", "create", "4", True, 5.004, 5.02),
                op("3", "read", None, "4", 6, 6.1),
            ],
        }
    )
    found = judge("create", told, 1.0)
    assert (found.races, found.met, found.violations, found.kind) == (2, 2, 1, "had several winners")
    assert found.example.splitlines() == [
        "key bad had 2 winners",
        "  contender 3: create 3 -> True, from 0.0 to 12.0 ms",
        "  contender 4: create 4 -> True, from 4.0 to 20.0 ms",
        "  contender 3: read -> 4, from 1000.0 to 1100.0 ms",
    ]


def test_race_in_turn_has_not_met() -> None:
    told = Told(operations={"k": [op("1", "create", "1", True, 0, 1), op("2", "create", "2", False, 2, 3)]})
    assert judge("create", told, 1.0).met == 0


def test_race_that_nobody_won_is_counted_and_no_violation() -> None:
    told = Told(operations={"k": [op("1", "read", None, None, 0, 1)], "l": [op("1", "create", "1", LOST, 0, 1)]})
    found = judge("acquire", told, 1.0)
    assert (found.violations, found.no_winner, found.lost) == (0, 2, 1)


@pytest.mark.parametrize(
    ("guarantee", "operations", "kind"),
    [
        ("counter", [op("1", "add", 1, 1, 0, 2), op("2", "add", 1, 1, 1, 3)], "lost additions"),
        (
            "compare-and-set",
            [op("1", "set", [None, "a"], True, 0, 2), op("2", "set", [None, "b"], True, 1, 3)],
            "lost updates",
        ),
        (
            "transaction",
            [op("1", "create", "1", True, 0, 2), op("2", "read", None, "1, beside it rows of ['1', '2']", 4, 5)],
            "are not linearizable",
        ),
        (
            "lease",
            [
                op("1", "claim", ["1", 0, 10], ["won", "1", 1], 0, 2),
                op("2", "claim", ["2", 0, 10], ["won", "2", 1], 1, 3),
            ],
            "had claims that contradict each other",
        ),
    ],
)
def test_violation_is_called_by_what_it_is(guarantee: str, operations: list[Operation], kind: str) -> None:
    found = judge(guarantee, Told(operations={"k": operations}), 1.0)
    assert (found.violations, found.kind) == (1, kind)


# ---- a message's history


@pytest.mark.parametrize(
    ("operations", "kind"),
    [
        ([received("1", 0, 0.1), deleted("1", 0.1, 0.2)], ""),
        ([received("1", 0, 0.1), received("2", 2.05, 2.2), deleted("2", 2.2, 2.3)], ""),
        # The first was handed out between 0 and 0.1, the second between 1.5 and 1.6: surely within 2 s.
        (
            [received("1", 0, 0.1), received("2", 1.5, 1.6), deleted("2", 2, 3)],
            "were handed to two consumers at once",
        ),
        # The first may have been handed out at 0, the second at 2.1: nobody can tell.
        ([received("1", 0, 0.9), received("2", 1.5, 2.1), deleted("2", 2.2, 3)], ""),
        # Within one call each, and both calls short.
        ([received("1", 0, 0.1), received("2", 0, 0.1), deleted("2", 2, 3)], "were handed to two consumers at once"),
        # It came again after a delete: another matter.
        ([received("1", 0, 0.1), deleted("1", 0.1, 0.2), received("2", 0.5, 0.6)], ""),
        ([received("1", 0, 0.1)], "did not come again"),
        ([], "were never handed out"),
    ],
)
def test_message_is_judged_by_what_surely_was(operations: list[Operation], kind: str) -> None:
    found = judge_message("1.1", operations, 2.0)
    assert (found.kind if found else "") == kind


def test_messages_nobody_else_asked_for_meanwhile_show_nothing() -> None:
    history = {"1.1": [received("1", 0.0, 0.1), deleted("1", 0.3, 0.4)]}
    assert judge("visibility", Told(operations=history, looks_s=[0.0, 0.5]), 2.0).met == 0
    assert judge("visibility", Told(operations=history, looks_s=[0.0, 0.2, 0.5]), 2.0).met == 1


# ---- findings


def figure(**changed: Any) -> Figure:
    usual: dict[str, Any] = {
        "guarantee": "create",
        "contenders": 8,
        "seats": "16 threads",
        "switching": "forced",
        "races": 10,
        "met": 10,
        "violations": 0,
        "kind": "",
        "example": "",
        "no_winner": 0,
        "operations": 90,
        "lost": 0,
        "refused": 0,
        "said": "",
        "broken": False,
        "ops_per_s": 1,
        "ms_p50": 1.0,
        "ms_max": 1.0,
    }
    return Figure(**{**usual, **changed})


def test_finding_is_unfit_where_one_series_is_and_counts_all() -> None:
    found = finding("create", [figure(), figure(violations=2, kind="had several winners", example="see")])
    assert (found.verdict, found.why) == ("unfit", "2 of 20 raced keys had several winners")
    assert found.example == "see"


@pytest.mark.parametrize("changed", [{"met": 0}, {"broken": True, "said": "it died"}, {"races": 0, "met": 0}])
def test_finding_without_races_is_never_fit(changed: dict[str, Any]) -> None:
    found = finding("create", [figure(**changed)])
    assert found.verdict == "not exercised"
    assert changed.get("said", "") in found.why


def test_finding_at_a_port_falls_with_what_it_rests_on() -> None:
    fit = Finding("lease", "fit", 10, 0, "", "")
    bad = Finding("create", "unfit", 10, 2, "2 of 10 raced keys had several winners", "")
    found = with_cause(fit, [bad])
    assert found.verdict == "unfit"
    assert found.why == "it rests on conditional writes: 2 of 10 raced keys had several winners"


def test_finding_at_a_port_over_a_fit_service_blames_the_adapter() -> None:
    unfit = Finding("append", "unfit", 10, 1, "1 of 10 raced records had several winners", "")
    found = with_cause(unfit, [Finding("create", "fit", 10, 0, "", "")])
    assert found.why.endswith("the service is fit for conditional writes: the adapter is to blame")


# ---- certificates


def certificate(service: str, way: str, **unfit: str) -> Certificate:
    findings = tuple(
        Finding(name, "unfit", 200, 5, unfit[name], "") if name in unfit else Finding(name, "fit", 200, 0, "", "")
        for name in OF[service]
    )
    return Certificate(
        service=service,
        way=way,
        version="1",
        endpoint="",
        made="2026-01-01T00:00:00.000Z",
        code=code_digest(),
        quick=True,
        findings=findings,
        figures=(),
    )


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CLEF_CACHE", str(tmp_path))
    return tmp_path


def test_certificate_is_kept_by_way_and_version_and_read_back(cache: Path) -> None:
    given = certificate("redis", "fakeredis")
    file = keep(given)
    assert file is not None
    assert file.parent == cache / "certificates"
    assert kept("redis", "fakeredis") == given
    assert certificate_for("redis", "fakeredis") == given  # without a race


def test_certificate_of_another_shape_is_raced_anew() -> None:
    file = keep(certificate("redis", "fakeredis"))
    assert file is not None
    file.write_text('{"service": "redis"}')
    assert kept("redis", "fakeredis") is None
    keep(msgspec.structs.replace(certificate("redis", "fakeredis"), code="of another version"))
    assert kept("redis", "fakeredis") is None


def test_certificate_in_quick_form_replaces_a_full_one_only_by_something_bad() -> None:
    full = msgspec.structs.replace(certificate("redis", "fakeredis"), quick=False)
    keep(full)
    keep(certificate("redis", "fakeredis"))
    assert kept("redis", "fakeredis") == full
    bad = certificate("redis", "fakeredis", create="two winners")
    keep(bad)
    assert kept("redis", "fakeredis") == bad


def test_manifest_that_needs_what_a_way_is_unfit_for_is_refused_with_figures_and_another_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ways = tuple(msgspec.structs.replace(way, missing=lambda: None) for way in SERVICES["dynamodb"].ways)
    monkeypatch.setitem(
        SERVICES, "dynamodb", msgspec.structs.replace(SERVICES["dynamodb"], ways=ways)
    )  # all are here
    keep(certificate("dynamodb", "moto", create="5 of 200 raced keys had several winners"))
    for way in ("ministack", "moto"):
        keep(certificate("sqs", way))
    keep(certificate("dynamodb", "ministack"))
    manifest = load_manifest("aws-event-driven")
    with pytest.raises(BadInput) as refused:
        refuse_unfit(manifest, {"dynamodb": "moto", "sqs": "moto"})
    words = "dynamodb on moto is unfit for conditional writes: 5 of 200 raced keys had several winners; use "
    assert str(refused.value).startswith(words)
    found = refuse_unfit(manifest, {"dynamodb": "ministack", "sqs": "ministack"})
    assert {each.service for each in found} == {"dynamodb", "sqs"}


def test_manifest_is_not_held_against_what_it_does_not_need() -> None:
    refuse(certificate("dynamodb", "moto", counter="3 of 9 raced counters lost additions"), ["create", "lease"])


def test_guarantee_that_was_not_exercised_is_refused() -> None:
    given = certificate("sqs", "moto")
    given = msgspec.structs.replace(given, findings=(Finding("visibility", "not exercised", 0, 0, "0 of 0 met", ""),))
    with pytest.raises(BadInput, match="sqs on moto was not exercised in visibility time-outs: 0 of 0 met"):
        refuse(given, ["visibility"])


def test_certificate_for_a_way_that_does_not_serve_it_is_bad_input() -> None:
    with pytest.raises(BadInput, match="redis-server, fakeredis"):
        certificate_for("redis", "moto")
    with pytest.raises(BadInput, match="must be one of dynamodb"):
        certificate_for("kafka", "moto")


def test_needs_of_a_manifest_are_what_its_parts_rely_on() -> None:
    found = needs_of(load_manifest("aws-event-driven"))
    assert {Need("dynamodb", "create"), Need("dynamodb", "lease"), Need("sqs", "visibility")} <= found
    assert Need("dynamodb", "counter") not in found
    assert not any(each.service == "sqs" for each in needs_of(load_manifest("aws-persistent-engine")))


@pytest.mark.parametrize("template", templates())
def test_needs_of_each_template_can_be_raced(template: str) -> None:
    found = needs_of(load_manifest(template))
    assert found
    assert all(each.guarantee in OF[each.service] and each.guarantee in GUARANTEES for each in found)
