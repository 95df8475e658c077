"""Requests to Orders: carts of three orders, of which one ships, one is not paid and one has no stock."""

from __future__ import annotations

from clef_sim.requests import RequestSet, Setup, Template
from scenarios.requests.orders import stocked


def item(name: str, sku: str, card: str) -> dict[str, object]:
    return {"id": f"{name}-{{n}}", "sku": sku, "quantity": 1, "amount": 1999, "card": card}


CART = [
    item("good", "article", "good"),
    item("unpaid", "article", "declined"),
    item("short", "never-in-stock", "good"),
]

REQUESTS = RequestSet(
    setup=(Setup(stocked("article", 1_000)),),
    templates=(Template("cart", "POST", "/carts", {"orders": CART}),),
)
