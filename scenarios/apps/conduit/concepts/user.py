"""User: who is registered. User names and e-mail addresses are unique.

Relations: `user` by user id; `user_name` and `user_email`, by the unique value, hold the user's id.
"""

from __future__ import annotations

from clef_runtime.concept import Concept, Tools
from clef_runtime.model import Outcome, Record, ok
from scenarios.apps.conduit.checks import blanks, error, key, notfound, text

user = Concept("User", relations=("user_name", "user_email"))

UNIQUE = {"username": "user_name", "email": "user_email"}


@user.action
def register(input: Record, tools: Tools) -> Outcome:
    """`user` (its new id), `username`, `email`, `request`. The same request again ends the same way."""
    errors = blanks(input, UNIQUE)
    if errors:
        return error(*errors)
    row = {field: text(input[field]) for field in UNIQUE}
    before = tools.storage.get("user", input["user"])
    if before and before["request"] != input["request"]:
        return error("email has already been taken")
    errors = _unusable(input["user"], row, tools)
    if errors:
        return error(*errors)
    _claim(input["user"], row, tools)
    tools.storage.put("user", input["user"], {**row, "request": input["request"]})
    return ok(user=input["user"], **row)


@user.action
def update(input: Record, tools: Tools) -> Outcome:
    """`user`, and `username` or `email` where they change."""
    before = tools.storage.get("user", input["user"])
    if before is None:
        return notfound("user not found")
    errors = blanks(input, UNIQUE, optional=True)
    if errors:
        return error(*errors)
    row = {field: text(input.get(field)) or before[field] for field in UNIQUE}
    errors = _unusable(input["user"], row, tools)
    if errors:
        return error(*errors)
    changed = {field: value for field, value in row.items() if value != before[field]}
    for field in changed:
        tools.storage.delete(UNIQUE[field], before[field])
    _claim(input["user"], changed, tools)
    if changed:
        tools.storage.put("user", input["user"], {**before, **row})
    return ok(user=input["user"], **row)


@user.query
def by_id(input: Record, tools: Tools) -> Outcome:
    found = tools.storage.get("user", input["user"])
    return ok(user=input["user"]) if found else notfound("user not found")


@user.query
def by_name(input: Record, tools: Tools) -> Outcome:
    return _look_up("user_name", input.get("username"), tools)


@user.query
def by_email(input: Record, tools: Tools) -> Outcome:
    return _look_up("user_email", input.get("email"), tools)


@user.query
def named(input: Record, tools: Tools) -> Outcome:
    """The users of that name as a list of at most one; null for null, which is how a filter is left out."""
    username = input.get("username")
    if username is None:
        return ok(users=None)
    found = _holder("user_name", username, tools)
    return ok(users=[found["user"]] if found else [])


def _look_up(relation: str, value: object, tools: Tools) -> Outcome:
    found = _holder(relation, value, tools)
    return ok(user=found["user"]) if found else notfound("user not found")


def _holder(relation: str, value: object, tools: Tools) -> Record | None:
    unique = key(value)
    return tools.storage.get(relation, unique) if unique else None


def _unusable(user_id: str, row: Record, tools: Tools) -> list[str]:
    too_long = [f"{field} is too long" for field, value in row.items() if not key(value)]
    holders = {field: _holder(UNIQUE[field], value, tools) for field, value in row.items()}
    return too_long + [
        f"{field} has already been taken" for field, holder in holders.items() if holder and holder["user"] != user_id
    ]


def _claim(user_id: str, row: Record, tools: Tools) -> None:
    for field, value in row.items():
        tools.storage.put(UNIQUE[field], value, {"user": user_id})
