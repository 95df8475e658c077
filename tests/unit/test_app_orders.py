"""Orders end to end: the join, its compensations in both orders, the bounded retry, and what is stored."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from app_driver import Driver

from clef_runtime.concept import Tools
from clef_sim.requests import load_requests
from scenarios.apps.orders import app


@pytest.fixture(params=[False, True], ids=["first_first", "last_first"])
def driver(request: pytest.FixtureRequest) -> Driver:
    """Whichever of payment and stock comes last."""
    driver = Driver(app, last_first=request.param)
    driver.ask("POST", "/stock", {"sku": "pen", "quantity": 10})
    return driver


def place(driver: Driver, card: str = "good", quantity: int = 2, **more: Any) -> tuple[int, dict[str, Any]]:
    body = {"id": "o-1", "sku": "pen", "quantity": quantity, "amount": 500, "card": card, **more}
    answer = driver.ask("POST", "/orders", body)
    return answer.status, answer.body


def ledger(driver: Driver) -> Counter[str]:
    return Counter(row["kind"] for row in driver.rows("Payment"))


def available(driver: Driver) -> int:
    found: int = driver.rows("Stock")[0]["available"]
    return found


def notices(driver: Driver) -> list[str]:
    return sorted(row["text"].partition(":")[0] for row in driver.rows("Notice"))


def test_order_paid_and_in_stock_ships_once(driver: Driver) -> None:
    status, body = place(driver)
    tracking = body["tracking"]
    assert (status, body) == (201, {"id": "o-1", "status": "shipped", "tracking": tracking})
    assert [(row["__key"], row["order"]) for row in driver.rows("Shipping")] == [(tracking, "o-1")]
    assert (ledger(driver), available(driver), notices(driver)) == ({"charge": 1}, 8, ["shipped"])
    assert driver.fired["ShipOrder"] == 1
    read = driver.ask("GET", "/orders/o-1").body
    assert (read["status"], read["tracking"], read["reasons"]) == ("shipped", tracking, [])
    assert driver.ask("GET", "/stock/pen").body == {"sku": "pen", "available": 8}


def test_order_declined_twice_is_retried_and_ships(driver: Driver) -> None:
    status, _ = place(driver, "declined-twice")
    assert (status, ledger(driver), available(driver)) == (201, {"declined": 2, "charge": 1}, 8)
    assert (driver.count("Stock", "reserve"), len(driver.rows("Shipping"))) == (1, 1)


def test_order_declined_for_good_releases_the_stock(driver: Driver) -> None:
    status, body = place(driver, "declined")
    assert (status, body["reason"]) == (409, "payment declined")
    assert (ledger(driver), available(driver), driver.rows("Shipping")) == ({"declined": 3}, 10, [])
    told = ["cancelled", "declined twice", "try another card"]
    assert (driver.count("Stock", "release"), notices(driver)) == (1, told)
    assert driver.ask("GET", "/orders/o-1").body["status"] == "cancelled"


def test_order_out_of_stock_gives_the_money_back(driver: Driver) -> None:
    status, body = place(driver, quantity=11)
    assert (status, body["reason"]) == (409, "out of stock")
    assert (ledger(driver), available(driver)) == ({"charge": 1, "refund": 1}, 10)
    assert (driver.rows("Shipping"), notices(driver)) == ([], ["cancelled", "refunded"])


def test_order_retried_and_out_of_stock_gives_the_money_back(driver: Driver) -> None:
    assert place(driver, "declined-once", quantity=11)[0] == 409
    assert ledger(driver) == {"declined": 1, "charge": 1, "refund": 1}


def test_order_both_fail_is_cancelled_once_and_nothing_is_undone(driver: Driver) -> None:
    status, _ = place(driver, "declined", quantity=11)
    assert (status, ledger(driver), available(driver)) == (409, {"declined": 3}, 10)
    assert (driver.count("Order", "cancel", "ok"), driver.count("Order", "cancel", "already")) == (1, 1)
    assert (driver.count("Stock", "release"), driver.count("Payment", "refund")) == (0, 0)
    assert notices(driver) == ["cancelled", "declined twice"]
    reasons = driver.ask("GET", "/orders/o-1").body["reasons"]
    assert sorted(reasons) == ["out of stock", "payment declined"]


def test_order_id_that_is_taken_is_refused_and_nothing_happens(driver: Driver) -> None:
    place(driver)
    assert place(driver) == (409, {"id": "o-1", "status": "shipped", "reason": "id is taken"})
    assert (ledger(driver), available(driver)) == ({"charge": 1}, 8)


@pytest.mark.parametrize(
    "change", [{"quantity": 0}, {"quantity": "2"}, {"amount": True}, {"sku": None}, {"card": ""}, {"id": 5}]
)
def test_order_impossible_is_refused(driver: Driver, change: dict[str, Any]) -> None:
    status, body = place(driver, **change)
    assert (status, len(body["errors"]), driver.rows("Order")) == (422, 1, [])
    assert driver.ask("POST", "/orders").status == 422
    assert driver.ask("POST", "/stock").status == 422
    assert driver.ask("GET", "/orders/none").status == 404


def test_order_without_an_id_gets_one(driver: Driver) -> None:
    status, body = place(driver, id=None)
    assert (status, body["id"]) == (201, driver.rows("Order")[0]["__key"])


@pytest.mark.parametrize(
    ("concept", "action", "input"),
    [
        ("Payment", "charge", {"order": "o", "amount": 5, "card": "good", "attempt": 1}),
        ("Payment", "refund", {"order": "o", "amount": 5}),
        ("Shipping", "ship", {"order": "o"}),
        ("Notice", "send", {"order": "o", "text": "t"}),
    ],
)
def test_action_run_twice_leaves_two_rows(driver: Driver, concept: str, action: str, input: dict[str, Any]) -> None:
    found = app.catalogue.get(f"urn:clef/{concept}")
    for _ in range(2):
        found.actions[action](input, Tools(driver.storages[found.urn], driver.clock, driver.ids))
    assert len(driver.rows(concept)) == 2


def test_stock_reserved_twice_is_gone_twice(driver: Driver) -> None:
    found = app.catalogue.get("urn:clef/Stock")
    for _ in range(2):
        tools = Tools(driver.storages[found.urn], driver.clock, driver.ids)
        found.actions["reserve"]({"order": "o", "sku": "pen", "quantity": 3}, tools)
    assert available(driver) == 4


EXPECTED = {"declined": 409, "out_of_stock": 409, "both_fail": 409, "invalid": 422, "get_stock": 200}


def test_order_requests_are_all_answered_as_they_are_meant() -> None:
    driver, requests = Driver(app), load_requests("scenarios.requests.orders")
    for setup in requests.setup:
        for request in setup.requests():
            answer = driver.send(request)
            assert answer, request
            assert answer.status == 200
    for template in requests.templates:
        for n in (0, 1, 77):
            answer = driver.send(template.at(n))
            assert answer, template.name
            assert answer.status == EXPECTED.get(template.name, 201), (template.name, answer)
