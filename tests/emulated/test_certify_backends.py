"""Certificates of real services: the known bad ones are found unfit, the others fit, and nothing is left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from clef_runtime.deploy.manifest import load_manifest
from clef_runtime.errors import BadInput
from clef_sim.certify.certificates import Certificate, keep, refuse, refuse_unfit
from clef_sim.certify.crew import Crew
from clef_sim.certify.races import Settings, certify
from emulators import WAYS, listeners, running
from emulators.processes import started_at

pytestmark = [pytest.mark.emulated, pytest.mark.slow]

SETTINGS = Settings(series_s=0.8, visibility_s=1.0, quick=True)

GONE_S = 10.0
"""What Python itself starts beside a pool's processes ends a moment after them."""


@pytest.fixture(scope="module")
def crew() -> Iterator[Crew]:
    with Crew(SETTINGS.threads, SETTINGS.processes) as crew:
        yield crew


def must_be_here(way: str) -> None:
    missing = WAYS[way].missing()
    if missing and os.environ.get("CLEF_REQUIRE_BACKENDS") == "1":
        pytest.fail(f"{way}: {missing}")
    if missing:
        pytest.skip(f"{way}: {missing}")


_certified: dict[tuple[str, str], Certificate] = {}


def certified(way: str, service: str, crew: Crew, settings: Settings = SETTINGS) -> Certificate:
    must_be_here(way)
    if (way, service) not in _certified:
        (_certified[way, service],) = certify(way, [service], settings, {}, crew)
    return _certified[way, service]


def test_moto_under_forced_switching_is_unfit_and_a_manifest_on_it_refused(
    crew: Crew, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = certified("moto", "dynamodb", crew, msgspec.structs.replace(SETTINGS, series_s=2.0))
    create = found.of("create")
    assert create is not None
    assert (create.verdict, create.why.partition(" ")[2]) == (
        "unfit",
        f"of {create.races} raced keys had several winners",
    )
    assert "create" in create.example
    lease = found.of("lease")
    assert lease is not None
    assert "it rests on conditional writes" in lease.why
    monkeypatch.setenv("CLEF_CACHE", str(tmp_path))
    keep(found)
    with pytest.raises(BadInput, match=r"dynamodb on moto is unfit for conditional writes: .* use "):
        refuse_unfit(load_manifest("aws-persistent-engine"), {"dynamodb": "moto"})


def test_npm_firestore_emulator_is_unfit_for_transactions(crew: Crew) -> None:
    found = certified("firestore-npm", "firestore", crew)
    transaction, acquire = found.of("transaction"), found.of("acquire")
    assert transaction is not None and acquire is not None
    assert (transaction.verdict, acquire.verdict) == ("unfit", "unfit")
    assert "had several winners" in transaction.why
    with pytest.raises(BadInput, match="unfit for"):
        refuse(found, ["transaction"])


@pytest.mark.parametrize(
    ("way", "service"),
    [
        ("dynamodb-local", "dynamodb"),
        ("ministack", "dynamodb"),
        ("ministack", "sqs"),
        ("ministack", "s3"),
        ("localstack", "sqs"),
        ("firestore-emulator", "firestore"),
        ("pubsub-emulator", "pubsub"),
        ("redis-server", "redis"),
        ("fakeredis", "redis"),
        ("postgresql", "postgres"),
        ("sqlite", "postgres"),
        ("fake-gcs-server", "gcs"),
    ],
)
def test_service_that_keeps_its_promises_is_fit_for_all(way: str, service: str, crew: Crew) -> None:
    found = certified(way, service, crew)
    assert [each for each in found.findings if each.verdict != "fit"] == []
    assert all(each.races for each in found.findings)


def test_firestore_transactions_have_at_most_one_winner_and_say_how_long_they_take(crew: Crew) -> None:
    found = certified("firestore-emulator", "firestore", crew)
    (figure,) = (each for each in found.figures if each.guarantee == "transaction")
    assert figure.violations == 0
    assert figure.no_winner <= figure.races
    assert figure.ms_max > 1000.0  # pessimistic locks: whoever waits for one waits seconds


# ---- the command


def command(*arguments: str, **env: str) -> subprocess.Popen[str]:
    program = [str(Path(sys.executable).with_name("clef-sim")), "certify"]
    return subprocess.Popen(
        [*program, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **env},
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background job ignores it
    )


def test_command_keeps_the_certificate_and_ends_with_what_it_found(tmp_path: Path) -> None:
    must_be_here("sqlite")
    ended = command("postgres", "--way", "sqlite", "--quick", "--keys", "8", "--json", "-", CLEF_CACHE=str(tmp_path))
    out, err = ended.communicate(timeout=120)
    assert ended.returncode == 0, err
    (found,) = json.loads(out)
    assert (found["service"], found["way"], found["quick"]) == ("postgres", "sqlite", True)
    assert {each["verdict"] for each in found["findings"]} == {"fit"}
    (file,) = (tmp_path / "certificates").iterdir()
    assert json.loads(file.read_text()) == found


def test_command_on_an_endpoint_of_the_environment_races_there_and_keeps_nothing(tmp_path: Path) -> None:
    must_be_here("redis-server")
    with running("redis", ways=("redis-server",)) as redis:
        ended = command(
            "redis", "--way", "environment", "--quick", "--keys", "8", **redis.env, CLEF_CACHE=str(tmp_path)
        )
        out, err = ended.communicate(timeout=120)
    assert ended.returncode == 0, err
    assert "redis on environment: fit" in out
    assert list(tmp_path.iterdir()) == []


def test_command_stopped_from_the_keyboard_leaves_no_process(tmp_path: Path) -> None:
    must_be_here("redis-server")
    running_ = command("redis", "--way", "redis-server", CLEF_CACHE=str(tmp_path))
    assert running_.stderr is not None
    assert running_.stderr.readline() == "redis on redis-server\n"
    below: list[int] = []
    while len(below) < 7:  # the contenders' four processes, a watcher and its server beside itself
        below = listeners.descendants(running_.pid)
    os.killpg(running_.pid, signal.SIGINT)
    _, err = running_.communicate(timeout=60)
    assert running_.returncode == 130, err
    assert "Traceback" not in err
    assert "leaked" not in err
    until_s = time.monotonic() + GONE_S
    while left := [pid for pid in below if started_at(pid)]:
        assert time.monotonic() < until_s, f"{left} of {below} are still there"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("kafka",), "must be one of dynamodb"),
        (("redis", "--way", "moto"), "way 'moto' serves dynamodb, sqs, s3, and none of redis"),
        (("redis", "--way", "redis-sever"), "redis-server"),
        (("redis", "--threads", "16", "--processes", "3"), "processes(=3) must divide threads(=16)"),
        (("redis", "--way", "environment"), "none of REDIS_URL is set in the environment"),
    ],
)
def test_command_with_bad_input_says_so_and_starts_nothing(arguments: tuple[str, ...], words: str) -> None:
    env = {name: value for name, value in os.environ.items() if name != "REDIS_URL"}
    program = [str(Path(sys.executable).with_name("clef-sim")), "certify", *arguments]
    ended = subprocess.run(program, capture_output=True, text=True, env=env, check=False)
    assert ended.returncode == 2
    assert words in ended.stderr
