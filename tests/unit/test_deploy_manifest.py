"""Loading: templates, defaults with their reasons, overrides, files that are no manifest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from clef_runtime.deploy.document import override, parse_document
from clef_runtime.deploy.manifest import Manifest, find_manifest, load_manifest, templates
from clef_runtime.errors import BadInput, ManifestError

MINIMAL = """\
cloud: aws
runtimes:
  concepts: { role: concepts, kind: lambda, engine: true }
storage: { default: dynamodb }
action_log: { kind: dynamodb }
"""


def load(tmp_path: Path, text: str, overrides: dict[str, Any] | None = None) -> Manifest:
    path = tmp_path / "x.deploy.yaml"
    path.write_text(text)
    return load_manifest(path, overrides)


@pytest.mark.parametrize(
    ("name", "cloud", "topology", "delivery"),
    [
        ("aws-event-driven", "aws", "C", "transactional"),
        ("aws-per-request", "aws", "B", "transactional"),
        ("aws-persistent-engine", "aws", "A", "transactional"),
        ("gcp-event-driven", "gcp", "C", "transactional"),
        ("gcp-per-request", "gcp", "B", "transactional"),
        ("gcp-persistent-engine", "gcp", "A", "transactional"),
        ("hybrid-postgres", "aws", "A", "transactional"),
        ("hybrid-postgres-gcp", "gcp", "A", "transactional"),
    ],
)
def test_template_loads_without_a_warning(name: str, cloud: str, topology: str, delivery: str) -> None:
    manifest = load_manifest(name)
    assert (manifest.cloud, manifest.topology, manifest.delivery) == (cloud, topology, delivery)
    assert manifest.warnings == ()


def test_templates_are_those_tested_above() -> None:
    assert len(templates()) == 8


def test_manifest_with_the_least_said_has_every_default(tmp_path: Path) -> None:
    manifest = load(tmp_path, MINIMAL)
    assert manifest.topology == "B"
    assert (manifest.concepts.memory_mb, manifest.concepts.timeout_s, manifest.concepts.concurrency) == (
        512,
        30,
        1000,
    )
    assert (manifest.storage.layout, manifest.storage.overrides) == ("single", {})
    assert (manifest.action_log.append, manifest.action_log.consistent_reads) == ("receiver", True)
    assert (manifest.guard.kind, manifest.guard.protocol, manifest.guard.lease_s) == ("dynamodb", "lease", 30)
    assert manifest.guard.ttl_s == manifest.action_log.ttl_s == 14 * 86_400
    assert (manifest.delivery, manifest.transport.kind) == ("transactional", "http")


def test_protocol_once_means_the_runtime_of_the_design_document() -> None:
    manifest = load_manifest("aws-event-driven", {"guard.protocol": "once"})
    assert (manifest.action_log.append, manifest.action_log.consistent_reads) == ("after_load", False)
    assert (manifest.guard.protocol, manifest.delivery) == ("once", "plain")


def test_single_defaults_of_once_can_be_better() -> None:
    manifest = load_manifest(
        "aws-event-driven",
        {"guard.protocol": "once", "action_log.consistent_reads": True, "action_log.append": "first"},
    )
    assert (manifest.action_log.append, manifest.action_log.consistent_reads) == ("first", True)


def test_lease_with_plain_delivery_appends_first() -> None:
    assert load_manifest("aws-event-driven", {"delivery": "plain"}).action_log.append == "first"


def test_second_backend_makes_delivery_recorded() -> None:
    assert load_manifest("aws-event-driven", {"storage.overrides.Token": "upstash"}).delivery == "recorded"


@pytest.mark.parametrize(
    ("changes", "delivery"),
    [
        ({"storage.overrides.Media": "blob"}, "transactional"),
        ({"storage.default": "blob"}, "transactional"),
        ({"storage.overrides.Media": "blob", "storage.index": "sql"}, "recorded"),
    ],
    ids=str,
)
def test_blob_storage_delivers_by_where_its_index_is(changes: dict[str, str], delivery: str) -> None:
    assert load_manifest("aws-event-driven", changes).delivery == delivery


@pytest.mark.parametrize(("template", "index"), [("aws-per-request", "dynamodb"), ("gcp-event-driven", "firestore")])
def test_blob_storage_has_its_index_in_its_cloud(template: str, index: str) -> None:
    storage = load_manifest(template, {"storage.overrides.Media": "blob"}).storage
    assert storage.index == index
    assert storage.row_kinds == (index,)


def test_visibility_timeout_defaults_to_six_times_the_longest_function(tmp_path: Path) -> None:
    changes = {"transport.visibility_timeout_s": None, "runtimes.evaluator.timeout_s": 50, "transport.window_s": 2}
    assert load_manifest("aws-event-driven", changes).transport.visibility_timeout_s == 302


def test_concept_has_its_own_storage(tmp_path: Path) -> None:
    manifest = load(tmp_path, MINIMAL, {"storage.overrides.Phone.Profile": "blob"})
    assert [manifest.storage.kind_of(name) for name in ("Phone.Profile", "User")] == ["blob", "dynamodb"]


def test_override_changes_a_copy() -> None:
    record = {"guard": {"protocol": "lease"}}
    assert override(record, {"guard.protocol": "once", "guard.kind": "sql"}) == {
        "guard": {"protocol": "once", "kind": "sql"}
    }
    assert record == {"guard": {"protocol": "lease"}}


def test_override_with_none_takes_a_runtime_out() -> None:
    changes = {"runtimes.engine": None, "runtimes.concepts.engine": True}
    assert load_manifest("aws-persistent-engine", changes).topology == "B"


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("gard.protocol", "no such key `gard`; did you mean `guard`? allowed: name, cloud, app, runtimes"),
        ("guard.protocl", "no such key `protocl`; did you mean `protocol`? allowed: kind, protocol, lease_s, ttl_s"),
        (
            "runtimes.evaluatr.timeout_s",
            "no runtime `evaluatr`; did you mean `evaluator`? there are concepts, evaluator",
        ),
        ("runtimes.evaluator.timeout", "no such key `timeout`; did you mean `timeout_s`?"),
        ("cloud.region", "`cloud` has nothing inside it; it must be one of aws, gcp"),
        ("guard.kind.x", "`guard.kind` has nothing inside it; it must be one of dynamodb"),
    ],
)
def test_override_of_a_path_that_does_not_exist_names_those_that_do(path: str, words: str) -> None:
    with pytest.raises(BadInput) as raised:
        load_manifest("aws-event-driven", {path: 1})
    assert words in str(raised.value)
    assert repr(path) in str(raised.value)


def test_problem_of_an_overridden_value_has_no_line() -> None:
    with pytest.raises(ManifestError) as raised:
        load_manifest("aws-event-driven", {"cloud": "azure"})
    assert "aws-event-driven.deploy.yaml: cloud: cloud(='azure') must be one of aws, gcp" in str(raised.value)


def test_find_manifest_with_a_slip_suggests_the_template() -> None:
    with pytest.raises(
        BadInput, match=r"no file and no template; did you mean `aws-event-driven`\?; templates: aws-ev"
    ):
        find_manifest("aws-event-drivn")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "a manifest must be a mapping"),
        ("- a\n", "a manifest must be a mapping"),
        ("cloud: [aws\n", "f:2:1: not YAML: "),
        (
            "cloud: aws\nguard:\n  kind: sql\n  kind: redis\n",
            "f:4:3: guard.kind: stands twice; the first is in line 3",
        ),
        ("on: 1\n", "f:1:1: on: a key must be text; put 'on' in quotes"),
        ("cloud: \x00\n", "not YAML: "),
        ("cloud: !!python/object/apply:os.system [ls]\n", "not YAML: "),
        ("x: &a [*a]\ncloud: *b\n", "not YAML: "),
    ],
)
def test_text_that_is_no_manifest_is_refused_with_its_place(text: str, words: str) -> None:
    with pytest.raises(ManifestError) as raised:
        parse_document(text, "f")
    assert words in str(raised.value)


def test_file_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadInput, match="cannot be read"):
        load_manifest(path)


def test_manifest_is_plain_data() -> None:
    import msgspec

    manifest = load_manifest("aws-event-driven")
    assert msgspec.convert(msgspec.json.decode(msgspec.json.encode(manifest)), Manifest) == manifest
