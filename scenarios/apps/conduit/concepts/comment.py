"""Comment: what people say to something. Relation: `comment` by the comment's number."""

from __future__ import annotations

import hashlib

from clef_runtime.concept import Concept, Tools
from clef_runtime.context import timestamp
from clef_runtime.model import Outcome, Record, ok
from scenarios.apps.conduit.checks import blanks, count, error, forbidden, notfound

comment = Concept("Comment")


@comment.action
def add(input: Record, tools: Tools) -> Outcome:
    """`author` says `body` to `target`. `comment` is a fresh id, from which the comment's number follows."""
    errors = blanks(input, ["body"])
    if errors:
        return error(*errors)
    number, now = _number(input["comment"]), timestamp(tools.clock)
    row = {"body": input["body"], "createdAt": now, "updatedAt": now}
    owned = {"target": input["target"], "author": input["author"]}
    tools.storage.put("comment", str(number), {"id": number, **row, **owned})
    return ok(id=number, **row, **owned)


@comment.action
def delete(input: Record, tools: Tools) -> Outcome:
    """`by` takes the comment `id` on `target` back."""
    number = count(input.get("id"), 0, 0)
    row = None if number is None else tools.storage.get("comment", str(number))
    if row is None or row["target"] != input["target"]:
        return notfound("comment not found")
    if row["author"] != input["by"]:
        return forbidden("only its author may delete a comment")
    tools.storage.delete("comment", str(number))
    return ok(id=number)


@comment.action
def clear(input: Record, tools: Tools) -> Outcome:
    """Removes what was said to `target`."""
    return ok(cleared=input["target"], count=tools.storage.delete_many("comment", {"target": input["target"]}))


@comment.query
def of(input: Record, tools: Tools) -> Outcome:
    """What was said to `target`, oldest first."""
    rows = tools.storage.find("comment", {"target": input["target"]}, sort="createdAt")
    return ok(comments=rows)


@comment.query
def views(input: Record, _: Tools) -> Outcome:
    """`comments` as they are shown, each with its author's entry in `profiles`."""
    hidden = ("__key", "target")
    shown = [
        {**{field: value for field, value in row.items() if field not in hidden}, "author": face}
        for row in input["comments"]
        if (face := input["profiles"].get(row["author"]))
    ]
    return ok(views=shown)


def _number(comment_id: str) -> int:
    """48 bits: every JSON reader can hold them, and two comments hardly ever share them."""
    return int.from_bytes(hashlib.blake2b(comment_id.encode(), digest_size=6).digest(), "big")
