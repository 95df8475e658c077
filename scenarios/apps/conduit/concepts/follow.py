"""Follow: who follows whom. Relation: `follow` by the pair of ids, a row for each pair."""

from __future__ import annotations

from clef_runtime.concept import Concept, Tools
from clef_runtime.model import Outcome, Record, derive_id, ok
from scenarios.apps.conduit.checks import error, texts

follow = Concept("Follow")


@follow.action
def add(input: Record, tools: Tools) -> Outcome:
    """`follower` follows `user`."""
    if input["follower"] == input["user"]:
        return error("you can't follow yourself")
    row = {"follower": input["follower"], "user": input["user"]}
    tools.storage.put("follow", _key(input["follower"], input["user"]), row)
    return ok(user=input["user"], following=True)


@follow.action
def remove(input: Record, tools: Tools) -> Outcome:
    tools.storage.delete("follow", _key(input["follower"], input["user"]))
    return ok(user=input["user"], following=False)


@follow.query
def followed(input: Record, tools: Tools) -> Outcome:
    """Whom `follower` follows."""
    return ok(users=[row["user"] for row in tools.storage.find("follow", {"follower": input["follower"]})])


@follow.query
def among(input: Record, tools: Tools) -> Outcome:
    """Those of `users` whom `follower` follows; nobody (the empty id) follows none."""
    follower = input["follower"]
    users = texts(input.get("users")) if follower else []
    return ok(users=[user for user in users if tools.storage.get("follow", _key(follower, user))])


@follow.query
def check(input: Record, tools: Tools) -> Outcome:
    """Whether `follower` follows `user`."""
    follower = input["follower"]
    return ok(following=bool(follower and tools.storage.get("follow", _key(follower, input["user"]))))


def _key(follower: str, user: str) -> str:
    return derive_id(follower, user)
