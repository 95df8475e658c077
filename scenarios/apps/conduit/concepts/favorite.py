"""Favorite: who likes what. Relation: `favorite` by the pair, a row for each pair."""

from __future__ import annotations

from clef_runtime.concept import Concept, Tools
from clef_runtime.model import Outcome, Record, derive_id, ok
from clef_runtime.storage.base import Is
from scenarios.apps.conduit.checks import texts

favorite = Concept("Favorite")


@favorite.action
def add(input: Record, tools: Tools) -> Outcome:
    row = {"user": input["user"], "target": input["target"]}
    tools.storage.put("favorite", derive_id(input["user"], input["target"]), row)
    return ok(**row)


@favorite.action
def remove(input: Record, tools: Tools) -> Outcome:
    tools.storage.delete("favorite", derive_id(input["user"], input["target"]))
    return ok(user=input["user"], target=input["target"])


@favorite.action
def clear(input: Record, tools: Tools) -> Outcome:
    """Nobody likes `target` any more."""
    return ok(cleared=input["target"], count=tools.storage.delete_many("favorite", {"target": input["target"]}))


@favorite.query
def targets(input: Record, tools: Tools) -> Outcome:
    """What any of `users` likes; null for null, which is how a filter is left out."""
    users = input.get("users")
    if users is None:
        return ok(targets=None)
    rows = tools.storage.find("favorite", {"user": Is("in", users)}) if users else []
    return ok(targets=[row["target"] for row in rows])


@favorite.query
def status(input: Record, tools: Tools) -> Outcome:
    """How many like `target`, and whether `user` does."""
    fans = [row["user"] for row in tools.storage.find("favorite", {"target": input["target"]})]
    return ok(favorited=input["user"] in fans, count=len(fans))


@favorite.query
def marks(input: Record, tools: Tools) -> Outcome:
    """As `status` for each of `targets`, by target."""
    wanted = texts(input.get("targets"))
    fans: dict[str, list[str]] = {target: [] for target in wanted}
    for row in tools.storage.find("favorite", {"target": Is("in", wanted)}) if wanted else []:
        fans[row["target"]].append(row["user"])
    marked = {
        target: {"favorited": input["user"] in users, "favoritesCount": len(users)} for target, users in fans.items()
    }
    return ok(marks=marked)
