"""Profiles: sources, distributions, unknown names."""

from __future__ import annotations

import random

import pytest

from clef_runtime.errors import BadInput
from clef_sim.profiles import profile
from clef_sim.profiles.numbers import LogNormal, Mixture, Uniform, sampler

AWS = profile("aws")


def quantile(name: str, q: float) -> float:
    table = sorted(AWS.latencies[name].table())
    return table[int(q * len(table))]


@pytest.mark.parametrize("what", ["latencies", "limits", "prices"])
def test_every_number_has_a_source_and_what_is_assumed_says_so(what: str) -> None:
    for name, number in getattr(AWS, what).items():
        assert number.source, name
        assert number.source.startswith("assumed") == (number.confidence == "BG"), name


@pytest.mark.parametrize(
    ("name", "q", "ms", "tolerance"),
    [
        ("dynamodb.PutItem", 0.5, 7.55, 0.05),
        ("dynamodb.PutItem", 0.99, 16.2, 0.05),
        ("dynamodb.TransactWriteItems", 0.5, 25.3, 0.05),
        ("dynamodb.TransactWriteItems", 0.99, 92.5, 0.16),
        ("event_source.standard", 0.1, 13.7, 0.07),
        ("event_source.standard", 0.5, 16.2, 0.05),
        ("event_source.standard", 0.9, 33.8, 0.05),
        ("event_source.standard", 0.99, 105.0, 0.1),
        ("event_source.fifo", 0.5, 28.1, 0.05),
        ("event_source.fifo", 0.99, 645.0, 0.1),
        ("function.init_bare", 0.5, 92.0, 0.05),
        ("function.init", 0.99, 538.0, 0.05),
    ],
)
def test_latency_has_the_measured_quantile(name: str, q: float, ms: float, tolerance: float) -> None:
    assert quantile(name, q) == pytest.approx(ms, rel=tolerance)


def test_mixture_draws_its_rare_part_as_often_as_it_says() -> None:
    mixture = Mixture(LogNormal(0.0, 0.1, "x", "H"), Uniform(100.0, 200.0, "x", "H"), 0.25)
    draw, r = sampler(mixture), random.Random(1)
    share = sum(draw(r) >= 100.0 for _ in range(4000)) / 4000
    assert share == pytest.approx(0.25, abs=0.02)


def test_client_cpu_and_first_call_depend_on_the_memory() -> None:
    assert [AWS.client_cpu_ms(mb) for mb in (128, 256, 512, 1024, 3008)] == [30.0, 10.0, 1.0, 0.0, 0.0]
    assert [round(AWS.first_call_ms(mb)) for mb in (128, 256, 512, 1024)] == [352, 176, 88, 65]


def test_unknown_name_is_refused_and_near_ones_are_named() -> None:
    with pytest.raises(BadInput, match=r"no latency 'dynamodb.PutItm'; near to it: dynamodb.PutItem"):
        AWS.latency("dynamodb.PutItm")
    with pytest.raises(BadInput, match="no limit 'xyz'"):
        AWS.limit("xyz")
    with pytest.raises(BadInput, match="no price 'xyz'"):
        AWS.price("xyz")
    with pytest.raises(BadInput, match=r"profile\(='azure'\) must be one of aws"):
        profile("azure")
