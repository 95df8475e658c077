"""Orders: payment and stock must both hold before an order ships; what was done is undone when one fails."""

from __future__ import annotations

from pathlib import Path

from clef_runtime.app import App
from clef_runtime.web import Route, web_concept
from scenarios.apps.orders.concepts import CONCEPTS

ROUTES = (
    Route("POST", "/orders", "place_order"),
    Route("GET", "/orders/{id}", "get_order"),
    Route("POST", "/carts", "place_cart"),
    Route("POST", "/stock", "add_stock"),
    Route("GET", "/stock/{sku}", "get_stock"),
)

app = App("orders", (web_concept(), *CONCEPTS), (Path(__file__).with_name("syncs"),), routes=ROUTES)
