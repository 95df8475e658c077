"""Templates of requests."""

from __future__ import annotations

import pytest

from clef_runtime.errors import BadInput
from clef_sim.requests import Template, load_requests


def test_template_numbers_path_query_body_and_token() -> None:
    body = {"deep": [{"text": "a{n}b{n%3}"}], "kept": 5, "plain": "{m}"}
    template = Template("t", "POST", "/x/{n/10}?limit={n%7}&tag=a%20b", body, ("t0", "t1"))
    request = template.at(25)
    assert (request.path, request.query) == ("/x/2", {"limit": "4", "tag": "a b"})
    assert request.body == {"deep": [{"text": "a25b1"}], "kept": 5, "plain": "{m}"}
    assert request.headers == {"authorization": "Token t1"}
    assert Template("t", "GET", "/").at(3).headers == {}


@pytest.mark.parametrize("name", ["conduit", "orders", "fanout"])
def test_requests_names_are_unique_and_weights_are_not_negative(name: str) -> None:
    templates = load_requests(f"scenarios.requests.{name}").templates
    assert len({template.name for template in templates}) == len(templates)
    assert all(template.weight >= 0 for template in templates)


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("scenarios.requests.nonsense", "does not import: ModuleNotFoundError"),
        ("scenarios.apps.orders", "must define `REQUESTS = RequestSet"),
    ],
)
def test_requests_of_a_module_that_has_none_are_refused(module: str, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        load_requests(module)


def test_requests_of_an_unknown_name_are_refused_with_those_there_are() -> None:
    with pytest.raises(BadInput, match="list_articles"):
        load_requests("scenarios.requests.conduit").template("nonsense")
