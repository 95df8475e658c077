"""A plan as tables of text."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from clef_runtime.deploy.plan import Plan, Queue, Table, Unit


class Section(msgspec.Struct, frozen=True):
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


_OPTION = {
    "A": "option A, a persistent engine",
    "B": "option B, an engine in each function",
    "C": "option C, an engine behind a queue",
}


def headline(plan: Plan) -> str:
    """What it is, in two lines."""
    cost = "unknown" if plan.idle_usd_month is None else f"${plan.idle_usd_month:.2f} a month"
    return (
        f"{plan.name} on {plan.cloud}: {_OPTION[plan.topology]}; delivery {plan.delivery}, guard {plan.guard}\n"
        f"idle cost: {cost} ({plan.idle_words})"
    )


def sections(plan: Plan) -> list[Section]:
    """The parts of a plan, those that are empty left out."""
    found = [
        Section("Runs", ("name", "kind", "runs", "fed by", "memory", "timeout", "at once"), _rows(_unit, plan.units)),
        Section("Tables", ("name", "service", "holds", "keys", "kept"), _rows(_table, plan.tables)),
        Section("Queues", _QUEUE_COLUMNS, _rows(_queue, plan.queues)),
        Section("Topics", _QUEUE_COLUMNS, _rows(_queue, plan.topics)),
    ]
    return [section for section in found if section.rows]


_QUEUE_COLUMNS = ("name", "feeds", "order", "batch", "again after", "tries", "then to")


def _rows(row: object, parts: Iterable[object]) -> tuple[tuple[str, ...], ...]:
    assert callable(row)
    return tuple(row(part) for part in parts)


def _unit(unit: Unit) -> tuple[str, ...]:
    runs = ", ".join(unit.concepts) or unit.role
    size = f"{unit.memory_mb} MB" if unit.cpu is None else f"{unit.cpu:g} vCPU, {unit.memory_mb} MB"
    at_once = f"{unit.concurrency} instances"
    if unit.tasks is not None:
        at_once = f"{unit.tasks} task{'s' if unit.tasks > 1 else ''} x {unit.concurrency} calls"
    engine = " + engine" if unit.evaluates and unit.role == "concepts" else ""
    return (unit.name, unit.kind, runs + engine, ", ".join(unit.fed_by), size, f"{unit.timeout_s:g} s", at_once)


def _table(table: Table) -> tuple[str, ...]:
    kept = "" if table.ttl_s is None else f"{table.ttl_s / 86_400:g} days"
    return (table.name, table.service, table.holds, ", ".join(table.keys), kept)


def _queue(queue: Queue) -> tuple[str, ...]:
    batch = str(queue.batch_size) + (f" or {queue.window_s:g} s" if queue.window_s else "")
    if not queue.partial_batch_responses:
        batch += ", all or none"
    order = "fifo" if queue.fifo else "any"
    again = f"{queue.visibility_timeout_s:g} s"
    return (queue.name, queue.consumer, order, batch, again, str(queue.max_receive_count), queue.dead_letters)


def promises(plan: Plan) -> str:
    """The guarantees, each with its reason and its cost."""
    return "\n".join(
        f"  {each.what}: {each.holds}\n    {each.because}\n    cost: {each.cost}" for each in plan.guarantees
    )


def text(plan: Plan) -> str:
    """All of a plan, columns aligned, as wide as it needs."""
    blocks = [headline(plan)]
    for section in sections(plan):
        lines = [section.columns, *section.rows]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        body = "\n".join(
            "  " + "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
            for line in lines
        )
        blocks.append(f"{section.title}\n{body}")
    blocks.append(f"Guarantees\n{promises(plan)}")
    blocks += [f"warning: {warning}" for warning in plan.warnings]
    return "\n\n".join(blocks)
