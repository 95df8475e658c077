"""What a plan names and promises."""
# ruff: noqa: E501 - a case and what it holds stand in one line

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from clef_runtime.app import App
from clef_runtime.concept import Concept
from clef_runtime.deploy.manifest import load_manifest
from clef_runtime.deploy.names import Names, slug
from clef_runtime.deploy.plan import Plan, plan
from clef_runtime.errors import BadInput


def app(*concepts: str, name: str = "shop") -> App:
    return App(name, [Concept(concept) for concept in concepts or ("User", "Phone.Profile")], [])


def planned(template: str, changes: dict[str, Any] | None = None, *concepts: str) -> Plan:
    return plan(load_manifest(template, changes or {}), app(*concepts))


def test_event_driven_plan_names_functions_tables_and_queues() -> None:
    found = planned("aws-event-driven")
    assert [(unit.name, unit.concepts, unit.fed_by, unit.evaluates) for unit in found.units] == [
        ("shop-user", ("User",), ("http", "shop-user-invocations"), False),
        ("shop-phone-profile", ("Phone.Profile",), ("http", "shop-phone-profile-invocations"), False),
        ("shop-evaluator", (), ("shop-completions",), True),
    ]
    assert [(table.name, table.holds, table.keys) for table in found.tables] == [
        ("shop-state", "state of User, Phone.Profile", ("pk", "sk")),
        ("shop-log", "action log", ("pk", "sk")),
        ("shop-guard", "firing guard", ("pk",)),
    ]
    assert [(queue.name, queue.consumer, queue.dead_letters) for queue in found.queues] == [
        ("shop-completions", "shop-evaluator", "shop-completions-dlq"),
        ("shop-user-invocations", "shop-user", "shop-user-invocations-dlq"),
        ("shop-phone-profile-invocations", "shop-phone-profile", "shop-phone-profile-invocations-dlq"),
    ]
    assert found.topics == ()
    assert found.idle_usd_month == 0


def test_fifo_queue_and_its_dead_letter_queue_end_in_fifo() -> None:
    queue = planned("aws-event-driven", {"transport.fifo": True}).queues[0]
    assert (queue.name, queue.dead_letters) == ("shop-completions.fifo", "shop-completions-dlq.fifo")


def test_pubsub_plan_has_topics_and_no_queues() -> None:
    found = planned("gcp-event-driven")
    assert found.queues == ()
    assert found.topics[0].name == "shop-completions"


def test_persistent_plan_has_an_engine_and_what_it_costs() -> None:
    found = planned("aws-persistent-engine")
    assert [(unit.name, unit.tasks) for unit in found.units][-1] == ("shop-engine", 1)
    assert [unit.name for unit in found.units if unit.evaluates] == ["shop-engine"]
    assert found.idle_usd_month == 9.01  # .25 vCPU and .5 GB of Fargate for 730 h


def test_per_request_plan_evaluates_in_every_function() -> None:
    assert [unit.evaluates for unit in planned("aws-per-request").units] == [True, True]


def test_one_function_runs_all_concepts() -> None:
    found = planned("aws-event-driven", {"runtimes.concepts.functions": "one"})
    assert (found.units[0].name, found.units[0].concepts) == ("shop-concepts", ("User", "Phone.Profile"))
    assert [queue.name for queue in found.queues] == ["shop-completions", "shop-concepts-invocations"]


def test_prefixed_layout_has_a_table_for_each_relation() -> None:
    found = planned("aws-event-driven", {"storage.layout": "prefixed"})
    assert [table.name for table in found.tables][:2] == ["shop-User.user", "shop-Phone.Profile.profile"]


def test_overridden_storage_stands_apart() -> None:
    found = planned("aws-event-driven", {"storage.overrides.User": "upstash"})
    assert [(table.service, table.holds) for table in found.tables][:2] == [
        ("upstash", "state of User"),
        ("dynamodb", "state of Phone.Profile"),
    ]


@pytest.mark.parametrize(
    ("template", "rows", "bucket"),
    [("aws-event-driven", "dynamodb", "s3"), ("gcp-event-driven", "firestore", "gcs")],
)
def test_blob_storage_has_rows_in_the_clouds_index_and_a_bucket(template: str, rows: str, bucket: str) -> None:
    found = planned(template, {"storage.overrides.User": "blob"})
    assert [(table.name, table.service, table.holds) for table in found.tables if table.service in (rows, bucket)][
        :2
    ] == [
        ("shop-state", rows, "state of User, Phone.Profile"),
        ("shop-objects", bucket, "large values of User"),
    ]


def test_blob_storage_has_rows_in_the_index_that_is_named() -> None:
    found = planned("aws-event-driven", {"storage.overrides.User": "blob", "storage.index": "sql"})
    assert [(table.service, table.holds) for table in found.tables][:3] == [
        ("sql", "state of User"),
        ("dynamodb", "state of Phone.Profile"),
        ("s3", "large values of User"),
    ]


def test_plan_without_an_app_has_a_stand_in() -> None:
    found = plan(load_manifest("aws-event-driven"))
    assert [unit.name for unit in found.units] == ["app-<concept>", "app-evaluator"]
    assert found.queues[1].name == "app-<concept>-invocations"


def test_name_of_the_manifest_wins_over_the_apps() -> None:
    assert planned("aws-per-request", {"name": "staging"}).units[0].name == "staging-user"


@pytest.mark.parametrize(
    ("template", "changes", "holds"),
    [
        ("aws-event-driven", {}, ("is seen by at least one", "at least once", "exactly once, for its writes and its completion")),
        ("aws-event-driven", {"guard.protocol": "once"}, ("may be lost", "at most once", "once for each time it is delivered")),
        ("aws-event-driven", {"action_log.consistent_reads": False}, ("may be lost", "at least once", "exactly once, for its writes and its completion")),
        ("gcp-event-driven", {}, ("is seen by at least one", "at least once", "exactly once, for its writes and its completion")),
        ("gcp-event-driven", {"delivery": "recorded"}, ("is seen by at least one", "at least once", "at least once, completed exactly once")),
        ("aws-persistent-engine", {"guard": None, "action_log": None}, ("is seen", "once while the engine lives", "once for each time it is delivered")),
        ("aws-per-request", {"guard.protocol": "once"}, ("may be lost", "at most once", "at most once")),
    ],
)  # fmt: skip
def test_guarantees_follow_from_guard_delivery_and_log(
    template: str, changes: dict[str, Any], holds: tuple[str, ...]
) -> None:
    assert tuple(each.holds for each in planned(template, changes).guarantees) == holds


def test_guarantee_of_the_lease_says_its_cost() -> None:
    firing = planned("aws-event-driven").guarantees[1]
    assert firing.cost == "claim and mark: 2 writes (dynamodb, about 15 ms); its edge: 1 write (dynamodb, about 8 ms)"


def test_plan_is_json() -> None:
    found = planned("gcp-event-driven")
    assert msgspec.convert(msgspec.json.decode(msgspec.json.encode(found)), Plan) == found


def test_override_of_a_concept_that_the_app_does_not_have_is_refused() -> None:
    with pytest.raises(
        BadInput, match=r"storage\.overrides\.Usr: the app has no such concept; did you mean `User`\?"
    ):
        planned("aws-event-driven", {"storage.overrides.Usr": "sql"})


@pytest.mark.parametrize("concepts", [("Phone.Profile", "phone-profile"), ("User", "Evaluator")])
def test_two_things_of_one_name_are_refused(concepts: tuple[str, str]) -> None:
    with pytest.raises(BadInput, match="would both run as"):
        planned("aws-event-driven", {}, *concepts)


def test_concept_that_no_function_can_be_named_after_is_refused() -> None:
    with pytest.raises(BadInput, match="must be letters"):
        slug("urn:clef/a b")


def test_app_name_that_no_function_can_have_is_refused() -> None:
    with pytest.raises(BadInput, match="give the manifest a name"):
        Names(load_manifest("aws-per-request"), "My Shop")
