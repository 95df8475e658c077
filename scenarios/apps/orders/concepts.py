"""The concepts of the shop: Order, Payment, Stock, Shipping, Notice. None knows another.

Payment, Stock, Shipping and Notice write a row, or move a counter, on every run. What ran twice can be seen
in the storage: two charges in the ledger, two parcels of one order, stock gone twice.
"""

from __future__ import annotations

from typing import Any

from clef_runtime.concept import Concept, Tools
from clef_runtime.context import timestamp
from clef_runtime.model import Outcome, Record, ok

KEY_LENGTH_MAX = 120  # characters, so that four bytes each and a prefix stay below DynamoDB's 1,024 bytes

order = Concept("Order")
payment = Concept("Payment")
stock = Concept("Stock")
shipping = Concept("Shipping")
notice = Concept("Notice")

CONCEPTS = (order, payment, stock, shipping, notice)

# ---- Order: what a customer wants. Relation: `order` by order id.


@order.action
def place(input: Record, tools: Tools) -> Outcome:
    """`order` (its id), `request`, `sku`, `quantity`, `amount` (cents), `card`.

    The same request again ends the same way; another request with the id of an order is `exists`.
    """
    errors = [f"{field} must be a text" for field in ("order", "sku", "card") if not _is_key(input.get(field))]
    errors += [
        f"{field} must be a whole number from 1" for field in ("quantity", "amount") if not _count(input.get(field))
    ]
    if errors:
        return Outcome("invalid", {"errors": errors})
    before = tools.storage.get("order", input["order"])
    if before is not None and before["request"] != input["request"]:
        return Outcome("exists", {"order": input["order"], "status": before["status"]})
    if before is None:
        row = {field: input[field] for field in ("request", "sku", "quantity", "amount")}
        row |= {"status": "placed", "reasons": [], "tracking": "", "placedAt": timestamp(tools.clock)}
        tools.storage.put("order", input["order"], row)
    return ok(order=input["order"])


@order.action
def complete(input: Record, tools: Tools) -> Outcome:
    """The order is done; `tracking` says where its parcel is."""
    row = tools.storage.get("order", input["order"])
    if row is None:
        return Outcome("notfound", {"order": input["order"]})
    tools.storage.put("order", input["order"], {**row, "status": "shipped", "tracking": input["tracking"]})
    return ok(order=input["order"], tracking=input["tracking"])


@order.action
def cancel(input: Record, tools: Tools) -> Outcome:
    """The order is off for `reason`: `ok` for the first reason, `already` for a further one."""
    row = tools.storage.get("order", input["order"])
    if row is None:
        return Outcome("notfound", {"order": input["order"]})
    reason, reasons = input["reason"], row["reasons"]
    if reason not in reasons:
        reasons = [*reasons, reason]
        tools.storage.put("order", input["order"], {**row, "status": "cancelled", "reasons": reasons})
    return Outcome("ok" if reasons[0] == reason else "already", {"order": input["order"], "reason": reason})


@order.action
def get(input: Record, tools: Tools) -> Outcome:
    row = tools.storage.get("order", input["order"]) if _is_key(input.get("order")) else None
    if row is None:
        return Outcome("notfound", {"errors": ["order not found"]})
    shown = {field: row[field] for field in ("sku", "quantity", "amount", "status", "reasons", "tracking")}
    return ok(order={"id": input["order"], **shown})


# ---- Payment: money taken and given back. Relation: `payment`, a ledger with a row for each run.

# How often a test card is declined before it pays. Any other card pays at once.
DECLINES = {"declined": 1_000_000, "declined-once": 1, "declined-twice": 2}


@payment.action
def charge(input: Record, tools: Tools) -> Outcome:
    """Takes `amount` from `card`; `attempt` counts from 1."""
    declined = DECLINES.get(input["card"], 0) >= input["attempt"]
    entry = _enter("declined" if declined else "charge", input, tools)
    if declined:
        return Outcome("declined", {"order": input["order"], "attempt": input["attempt"]})
    return ok(order=input["order"], payment=entry)


@payment.action
def refund(input: Record, tools: Tools) -> Outcome:
    """Gives `amount` back."""
    return ok(order=input["order"], refund=_enter("refund", input, tools))


def _enter(kind: str, input: Record, tools: Tools) -> str:
    entry = tools.ids.new()
    row = {"kind": kind, "order": input["order"], "amount": input["amount"], "at": timestamp(tools.clock)}
    tools.storage.put("payment", entry, row)
    return entry


# ---- Stock: how many there are. Relation: `stock` by article number, a counter.


@stock.action
def add(input: Record, tools: Tools) -> Outcome:
    """`quantity` more of `sku` lie in the store."""
    if not _is_key(input.get("sku")) or not _count(input.get("quantity")):
        return Outcome("invalid", {"errors": ["sku must be a text, and quantity a whole number from 1"]})
    available = _available(input["sku"], tools) + input["quantity"]
    tools.storage.put("stock", input["sku"], {"available": available})
    return ok(sku=input["sku"], available=available)


@stock.action
def reserve(input: Record, tools: Tools) -> Outcome:
    """Puts `quantity` of `sku` aside for `order`; `short` where there are not so many."""
    available = _available(input["sku"], tools)
    if available < input["quantity"]:
        return Outcome("short", {"order": input["order"], "available": available})
    tools.storage.put("stock", input["sku"], {"available": available - input["quantity"]})
    return ok(order=input["order"])


@stock.action
def release(input: Record, tools: Tools) -> Outcome:
    """Puts what was set aside back."""
    available = _available(input["sku"], tools) + input["quantity"]
    tools.storage.put("stock", input["sku"], {"available": available})
    return ok(order=input["order"])


@stock.action
def level(input: Record, tools: Tools) -> Outcome:
    return ok(sku=input["sku"], available=_available(input["sku"], tools) if _is_key(input["sku"]) else 0)


def _available(sku: str, tools: Tools) -> int:
    row = tools.storage.get("stock", sku)
    return row["available"] if row else 0


# ---- Shipping: parcels. Relation: `shipping` by tracking number, a row for each run.


@shipping.action
def ship(input: Record, tools: Tools) -> Outcome:
    tracking = tools.ids.new()
    tools.storage.put("shipping", tracking, {"order": input["order"], "at": timestamp(tools.clock)})
    return ok(order=input["order"], tracking=tracking)


# ---- Notice: what the customer is told. Relation: `notice`, a row for each run.


@notice.action
def send(input: Record, tools: Tools) -> Outcome:
    number = tools.ids.new()
    tools.storage.put("notice", number, {"order": input["order"], "text": input["text"]})
    return ok(notice=number)


def _is_key(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= KEY_LENGTH_MAX


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1
