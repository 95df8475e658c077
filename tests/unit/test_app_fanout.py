"""Fanout end to end: how many invocations one completion causes."""

from __future__ import annotations

from typing import Any

import pytest
from app_driver import Driver

from clef_sim.requests import load_requests
from scenarios.apps.fanout import app


@pytest.fixture
def driver() -> Driver:
    return Driver(app)


def fill(driver: Driver, to: str, emails: list[str]) -> Any:
    answer = driver.ask("POST", f"/lists/{to}/import", {"emails": emails})
    assert answer.status == 201, answer
    return answer.body


def addresses(count: int) -> list[str]:
    return [f"s{number}@x.test" for number in range(count)]


def publish(driver: Driver, name: str, to: str) -> int:
    draft = {"id": name, "list": to, "subject": "News"}
    assert driver.ask("POST", "/campaigns", draft).status == 201
    return driver.ask("POST", f"/campaigns/{name}/publish").status


def test_import_batch_adds_each_address_once_and_welcomes_the_new_ones(driver: Driver) -> None:
    assert fill(driver, "weekly", [*addresses(3), "s0@x.test"]) == {"added": 3, "known": 1}
    assert (driver.count("Subscriber", "import"), driver.count("Mail", "send")) == (1, 3)
    assert fill(driver, "weekly", addresses(5)) == {"added": 2, "known": 3}
    assert (driver.count("Mail", "send"), len(driver.rows("Subscriber"))) == (2, 5)
    assert fill(driver, "weekly", []) == {"added": 0, "known": 0}
    assert driver.rows("Mail")[0]["subject"] == "Welcome to weekly"


@pytest.mark.parametrize("emails", [None, "a@x.test", ["a@x.test", "nonsense"], [1], ["a@x.test"] * 51])
def test_import_batch_with_something_else_is_refused_as_a_whole(driver: Driver, emails: Any) -> None:
    assert driver.ask("POST", "/lists/weekly/import", {"emails": emails}).status == 422
    assert driver.rows("Subscriber") == []


@pytest.mark.parametrize(("subscribers", "digests"), [(0, 0), (1, 1), (10, 1), (11, 2), (25, 3)])
def test_publish_sends_a_mail_for_each_subscriber_and_a_digest_for_each_batch(
    driver: Driver, subscribers: int, digests: int
) -> None:
    fill(driver, "weekly", addresses(subscribers))
    fill(driver, "other", ["else@x.test"])
    assert publish(driver, "c-1", "weekly") == 202
    assert driver.count("Mail", "send", "ok") == subscribers
    sent = [row for row in driver.rows("Mail") if row["campaign"] == "c-1"]
    assert sorted(row["email"] for row in sent) == sorted(addresses(subscribers))
    filed = sorted(driver.rows("Digest"), key=lambda row: row["number"])
    assert [row["number"] for row in filed] == list(range(1, digests + 1))
    assert sorted(email for row in filed for email in row["emails"]) == sorted(addresses(subscribers))


def test_publish_bounced_subscriber_gets_no_more_mail(driver: Driver) -> None:
    fill(driver, "weekly", ["a@x.test", "bounce@x.test"])
    publish(driver, "c-1", "weekly")
    assert (driver.count("Mail", "send"), driver.count("Subscriber", "retire", "ok")) == (2, 1)
    publish(driver, "c-2", "weekly")
    assert (driver.count("Mail", "send"), driver.count("Subscriber", "retire")) == (1, 0)


def test_publish_twice_is_refused(driver: Driver) -> None:
    fill(driver, "weekly", addresses(2))
    assert publish(driver, "c-1", "weekly") == 202
    assert driver.ask("POST", "/campaigns/c-1/publish").status == 409
    assert driver.count("Mail", "send") == 0
    assert driver.ask("POST", "/campaigns", {"id": "c-1", "list": "weekly", "subject": "x"}).status == 409
    assert driver.ask("POST", "/campaigns/none/publish").status == 404
    assert driver.ask("POST", "/campaigns", {"id": "c-2"}).status == 422
    assert driver.ask("POST", "/campaigns").status == 422


def test_draft_published_at_once_is_answered_once(driver: Driver) -> None:
    fill(driver, "weekly", addresses(2))
    answer = driver.ask("POST", "/campaigns", {"list": "weekly", "subject": "x", "publish": True})
    assert (answer.status, answer.body["status"], driver.count("Mail", "send")) == (202, "published", 2)


def test_announce_goes_to_each_address_of_the_request(driver: Driver) -> None:
    answer = driver.ask("POST", "/messages", {"emails": ["a@x", "bounce@x", "no"], "subject": "s"})
    assert (answer.status, answer.body) == (202, {"accepted": 3})
    sent = [driver.count("Mail", "send", variant) for variant in ("ok", "bounced", "invalid")]
    assert sent == [1, 1, 1]
    assert driver.ask("POST", "/messages").body == {"accepted": 0}


EXPECTED = {"import": 201, "publish_unknown": 404}


def test_fanout_requests_are_all_answered_as_they_are_meant(driver: Driver) -> None:
    requests = load_requests("scenarios.requests.fanout")
    for setup in requests.setup:
        for request in setup.requests():
            answer = driver.send(request)
            assert answer, request
            assert answer.status == 201
    for template in requests.templates:
        for n in (0, 1, 77):
            answer = driver.send(template.at(n))
            assert answer, template.name
            assert answer.status == EXPECTED.get(template.name, 202), (template.name, answer)
            if template.name.startswith("publish_") and answer.status == 202:
                sizes = {"publish_few": 5, "publish_some": 25, "publish_many": 100}
                assert driver.count("Mail", "send") == sizes[template.name]
