"""Which way is taken to get a service, and what is said where there is none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from clef_runtime.deploy.manifest import load_manifest, templates
from clef_runtime.errors import BadInput
from emulators import catalogue
from emulators.catalogue import ENVIRONMENT, SERVICES, WAYS, choose
from emulators.fleet import Running, env_of, start
from emulators.processes import NotStarted
from emulators.provisioned import needed
from emulators.ways.base import Missing
from emulators.ways.containers import IMAGES

ROOT = Path(__file__).parents[2]


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Only the ways given can start."""

    def only(*names: str) -> None:
        changed = {
            name: msgspec.structs.replace(
                way, missing=lambda name=name: None if name in names else Missing(f"no {name}", f"get {name}")
            )
            for name, way in WAYS.items()
        }
        services = {
            name: msgspec.structs.replace(service, ways=tuple(changed[way.name] for way in service.ways))
            for name, service in SERVICES.items()
        }
        monkeypatch.setattr(catalogue, "WAYS", changed)
        monkeypatch.setattr(catalogue, "SERVICES", services)

    return only


def test_service_has_a_way_of_each_kind_that_lists_it() -> None:
    for service in SERVICES.values():
        assert service.ways[-1].kind == "container"
        assert all(service.name in way.serves for way in service.ways)


def test_choose_without_a_word_takes_the_first_way_that_is_here(here: Any) -> None:
    here("fakeredis", "redis-container")
    assert choose(["redis"], (), {}) == {"redis": "fakeredis"}


def test_choose_takes_what_the_environment_names_before_all(here: Any) -> None:
    here("redis-server", "moto")
    found = choose(["redis", "sqs"], (), {"REDIS_URL": "redis://h:1/0", "AWS_ENDPOINT_URL": "http://h:2"})
    assert found == {"redis": ENVIRONMENT, "sqs": ENVIRONMENT}


def test_choose_with_a_way_takes_it_where_it_serves(here: Any) -> None:
    here("ministack", "moto", "redis-server")
    assert choose(["sqs", "redis"], ["moto"], {"AWS_ENDPOINT_URL": "http://h:2"}) == {
        "sqs": "moto",
        "redis": "redis-server",
    }


@pytest.mark.parametrize(
    ("services", "ways", "words"),
    [
        (["rediss"], [], r"service\(='rediss'\) must be one of dynamodb, .*; did you mean `redis`"),
        (["redis"], ["motto"], r"way\(='motto'\) must be one of .*did you mean `moto`"),
        (["redis"], ["moto"], "way 'moto' serves dynamodb, sqs, s3, and none of redis"),
        (["redis"], ["fakeredis"], "fakeredis cannot start here: no fakeredis; get it by: get fakeredis"),
        (["redis"], ["environment"], "none of REDIS_URL is set"),
        (["redis"], [], "nothing here serves redis:\n  redis-server: no redis-server; get it by: get redis-server"),
    ],
)
def test_choose_of_what_is_not_here_says_what_gets_it(
    here: Any, services: list[str], ways: list[str], words: str
) -> None:
    here("moto")
    with pytest.raises(BadInput, match=words):
        choose(services, ways, {})


def test_start_of_a_named_endpoint_that_is_silent_names_the_variable() -> None:
    with pytest.raises(NotStarted, match=r"redis: nothing answers at REDIS_URL=redis://127\.0\.0\.1:1"):
        start(["redis"], environ={"REDIS_URL": "redis://127.0.0.1:1"})


def test_variables_of_aws_services_in_one_place_have_the_common_one() -> None:
    one = Running(way="moto", urls={"dynamodb": "http://127.0.0.1:1", "sqs": "http://127.0.0.1:1"})
    other = Running(way="ministack", urls={"s3": "http://127.0.0.1:2"})
    assert one.env == {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_ENDPOINT_URL_DYNAMODB": "http://127.0.0.1:1",
        "AWS_ENDPOINT_URL_SQS": "http://127.0.0.1:1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "eu-central-1",
    }
    assert "AWS_ENDPOINT_URL" not in env_of([one, other])


def test_variables_of_sqlite_do_not_say_that_it_is_postgres() -> None:
    assert set(Running(way="sqlite", urls={"postgres": "sqlite:///f"}).env) == {"DATABASE_URL"}


def test_templates_need_services_of_the_catalogue() -> None:
    found = {name: needed(load_manifest(name)) for name in templates()}
    assert found["aws-event-driven"] == ["dynamodb", "sqs"]
    assert found["gcp-event-driven"] == ["firestore", "pubsub"]
    assert found["hybrid-postgres"] == ["postgres"]
    assert {service for services in found.values() for service in services} <= set(SERVICES)


def test_manifest_on_upstash_is_refused_by_name() -> None:
    with pytest.raises(BadInput, match="upstash has no emulator"):
        needed(load_manifest("aws-event-driven", {"storage.default": "upstash"}))


def test_compose_file_has_the_images_of_the_containers_on_loopback() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))["services"]
    assert set(services) == set(IMAGES)
    for name, image in IMAGES.items():
        found = services[name]
        assert found["image"] == image.name
        assert found["ports"] == [f"127.0.0.1:{image.port}:{image.port}"]
        assert tuple(found.get("command", ())) == image.command
        assert found.get("environment", {}) == image.env
        tag = image.name.rpartition(":")[2]
        assert tag != "latest" and tag[0].isdigit(), "pinned"
