"""Each pinned image as a testcontainers' container: its services answer on loopback, and nothing stays behind."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from test_emulators_ways import WRITE
from testcontainers.core.config import testcontainers_config

from clef_runtime.errors import BadInput
from emulators import SERVICES, WAYS
from emulators.containers import READY_S, ServiceContainer
from emulators.ways.containers import IMAGES, services_of

pytestmark = pytest.mark.emulated

REQUIRED = os.environ.get("CLEF_REQUIRE_CONTAINERS") == "1"
"""An engine or an image that is not here fails its tests, which are skipped otherwise."""

COMPOSE = Path(__file__).parents[2] / "docker-compose.yml"


def must_be_here(image: str) -> None:
    missing = WAYS[f"{image}-container"].missing()
    if missing and REQUIRED:
        pytest.fail(f"{image}: {missing}")
    if missing:
        pytest.skip(f"{image}: {missing}")


@pytest.fixture
def no_reaper(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reaper is an image of its own, which no registry may be there to give."""
    monkeypatch.setattr(testcontainers_config, "ryuk_disabled", True)


@pytest.mark.parametrize("image", IMAGES)
@pytest.mark.filterwarnings("default::ResourceWarning")  # of clients whose service is gone
def test_testcontainer_serves_on_loopback_and_is_gone(image: str, no_reaper: None) -> None:
    must_be_here(image)
    with ServiceContainer(image) as container:
        assert all(WRITE[service](container.urls[service])() for service in services_of(image))
        wrapped = container.get_wrapped_container()
        wrapped.reload()
        bound = [place["HostIp"] for places in wrapped.ports.values() for place in places or ()]
        assert bound == ["127.0.0.1"]
        name = wrapped.name
    assert _docker("ps", "--all", "--quiet", "--filter", f"name={name}") == ""


def test_testcontainer_of_no_image_names_the_images() -> None:
    with pytest.raises(BadInput, match="did you mean `redis`"):
        ServiceContainer("rediss")


@pytest.fixture(scope="module")
def composed() -> Iterator[dict[str, str]]:
    """Everything of docker-compose.yml, up."""
    for image in IMAGES:
        must_be_here(image)
    subprocess.run(_compose("up", "--detach", "--no-build"), check=True, capture_output=True)
    try:
        yield _addresses()
    finally:
        subprocess.run(_compose("down", "--volumes"), check=True, capture_output=True)


@pytest.mark.parametrize("image", IMAGES)
@pytest.mark.filterwarnings("default::ResourceWarning")
def test_composed_service_serves(image: str, composed: dict[str, str]) -> None:
    for service in services_of(image):
        url = SERVICES[service].url.format(address=composed[image])
        until = time.monotonic() + READY_S
        while not SERVICES[service].answers(url):
            assert time.monotonic() < until, f"{service} does not answer at {url}"
            time.sleep(0.2)
        assert WRITE[service](url)()


def _addresses() -> dict[str, str]:
    services = yaml.safe_load(COMPOSE.read_text("utf-8"))["services"]
    return {name: each["ports"][0].rpartition(":")[0] for name, each in services.items()}


def _compose(*words: str) -> list[str]:
    return ["docker-compose", "--file", str(COMPOSE), "--project-name", "clef-test", *words]


def _docker(*words: str) -> str:
    return subprocess.run(["docker", *words], check=True, capture_output=True, text=True).stdout.strip()
