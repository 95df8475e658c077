"""Profile: the face that a user shows. Relation: `profile` by user id."""

from __future__ import annotations

from clef_runtime.concept import Concept, Tools
from clef_runtime.model import Outcome, Record, ok
from scenarios.apps.conduit.checks import texts

profile = Concept("Profile")

FIELDS = ("username", "bio", "image")


@profile.action
def create(input: Record, tools: Tools) -> Outcome:
    row = {"username": input["username"], "bio": "", "image": ""}
    tools.storage.put("profile", input["user"], row)
    return ok(user=input["user"], **row)


@profile.action
def update(input: Record, tools: Tools) -> Outcome:
    """`user`, and those of `username`, `bio`, `image` that change; what is no text is not a change."""
    row = tools.storage.get("profile", input["user"]) or dict.fromkeys(FIELDS, "")
    changes = {field: input[field] for field in FIELDS if isinstance(input.get(field), str)}
    tools.storage.put("profile", input["user"], {**row, **changes})
    return ok(user=input["user"], **{**row, **changes})


@profile.query
def faces(input: Record, tools: Tools) -> Outcome:
    """The profiles of `users` by user id, `following` true for those that are in the list `following`."""
    following = texts(input.get("following"))
    found: Record = {}
    for user in texts(input.get("users")):
        row = tools.storage.get("profile", user)
        if row is not None:
            found[user] = {**{field: row[field] for field in FIELDS}, "following": user in following}
    return ok(profiles=found)
