"""Requests to Orders. Every template has one way to end, except under faults.

Load is spread over 50 articles, so that few orders meet on one counter; `hot` meets on one on purpose.
"""

from __future__ import annotations

from clef_sim.requests import RequestSet, Setup, Template

ARTICLES = 50
PLENTY = 1_000_000


def place(name: str, card: str, sku: str, weight: float) -> Template:
    body = {"id": f"{name}-{{n}}", "sku": sku, "quantity": 1, "amount": 1999, "card": card}
    return Template(name, "POST", "/orders", body, weight=weight)


def stocked(sku: str, quantity: int) -> Template:
    return Template("stock", "POST", "/stock", {"sku": sku, "quantity": quantity})


REQUESTS = RequestSet(
    setup=(
        Setup(stocked("article-{n}", PLENTY), ARTICLES),
        Setup(stocked("hot", PLENTY)),
    ),
    templates=(
        place("order", "good", "article-{n%50}", 70),
        place("declined", "declined", "article-{n%50}", 6),
        place("retried", "declined-twice", "article-{n%50}", 8),
        place("out_of_stock", "good", "never-in-stock", 6),
        place("both_fail", "declined", "never-in-stock", 3),
        place("hot", "good", "hot", 0),
        Template("invalid", "POST", "/orders", {"id": "invalid-{n}", "sku": "article-0", "quantity": 0}, weight=2),
        Template("get_stock", "GET", "/stock/article-{n%50}", weight=5),
    ),
)
