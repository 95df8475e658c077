"""`clef-sim explain`: why syncs fire, or do not, for a recorded flow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from clef_runtime.engine.explain import Explanation
from clef_runtime.engine.explain import explain as explanations_of
from clef_runtime.errors import BadInput
from clef_runtime.language import load_paths
from clef_runtime.language.findings import did_you_mean
from clef_runtime.model import Completion, completion_from
from clef_sim.commands.output import write_json


def explain(
    syncs: Annotated[list[Path], typer.Option(metavar="PATH", help="A .sync file or a folder; may be given again.")],
    log: Annotated[Path, typer.Option(metavar="FLOW.jsonl", help="An action log: one record in each line.")],
    sync: Annotated[str, typer.Option(metavar="NAME", help="Only this sync.")] = "",
    json: Annotated[bool, typer.Option("--json", help="JSON instead of text.")] = False,
) -> None:
    """Show which syncs matched which completions of a flow and what each would fire; for those that did not,
    which pattern, variable or fact was missing.

    \b
    Examples:
      clef-sim explain --syncs shop/ --log flow.jsonl
      clef-sim explain --syncs shop/order.sync --log flow.jsonl --sync ShipWhenPaid --json
    """
    compiled = load_paths(syncs)
    names = [each.name for each in compiled]
    if sync and sync not in names:
        raise BadInput(f"sync(={sync!r}) is not in {', '.join(map(str, syncs))}{did_you_mean(sync, names)}")
    found = explanations_of(compiled, _completions(log))
    wanted = [each for each in found if sync in ("", each.sync)]
    if json:
        write_json("-", [{**msgspec.to_builtins(each), "verdict": each.verdict} for each in wanted])
    else:
        typer.echo("\n\n".join(_blocks(wanted)) or f"{log}: no completions")


def _blocks(explanations: list[Explanation]) -> Iterator[str]:
    flow = None
    for explanation in explanations:
        head = f"flow {explanation.flow}\n\n" if explanation.flow != flow else ""
        flow = explanation.flow
        yield f"{head}{explanation}"


def _completions(log: Path) -> list[Completion]:
    """The completions of a log in JSON lines; invocations and edges stand beside them and are not needed. A live
    run's history holds what was appended to the log, among other events.

    Raises:
        BadInput: cannot be read; a line that is no record; names file and line.
    """
    try:
        lines = log.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"log(={str(log)!r}) cannot be read: {error}") from error
    found: list[Completion] = []
    known: set[Any] = set()  # a history holds every try to append one
    for number, line in enumerate(lines, start=1):
        if line.strip():
            record = _record(line, f"{log}:{number}")
            if "variant" in record and record.get("id") not in known:
                known.add(record.get("id"))
                found.append(_completion(record, f"{log}:{number}"))
    return found


def _record(line: str, place: str) -> dict[str, Any]:
    try:
        record = msgspec.json.decode(line)
    except msgspec.DecodeError as error:
        raise BadInput(f"{place}: not JSON: {error}") from error
    if isinstance(record, dict) and record.keys() >= {"kind", "who", "data"}:
        on_record = record["kind"] == "appended" and record["outcome"] != "failed"
        appended: dict[str, Any] = record["data"]["record"] if on_record else {}
        return appended
    if not isinstance(record, dict) or not record.keys() & {"variant", "action", "invocationIds"}:
        raise BadInput(
            f"{place}: {line[:60]!r} is no record of an action log: a completion has `variant`, an invocation "
            "`action`, an edge `invocationIds`"
        )
    return record


def _completion(record: dict[str, Any], place: str) -> Completion:
    try:
        return completion_from(record)
    except BadInput as error:
        raise BadInput(f"{place}: {error}") from error
