"""Password: what a user must know. Only salted hashes are kept. Relation: `password` by user id."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

from clef_runtime.concept import Concept, Tools
from clef_runtime.model import Outcome, Record, ok
from scenarios.apps.conduit.checks import error
from scenarios.apps.conduit.config import PASSWORD_ITERATIONS

LENGTH_MIN = 8

password = Concept("Password")


@password.query
def acceptable(input: Record, _: Tools) -> Outcome:
    """Whether `password` could be set; null is one that is missing."""
    errors = _errors(input.get("password"))
    return error(*errors) if errors else ok()


@password.query
def acceptable_change(input: Record, _: Tools) -> Outcome:
    """As `acceptable`; null leaves the password as it is."""
    errors = [] if input.get("password") is None else _errors(input["password"])
    return error(*errors) if errors else ok()


@password.action
def set_(input: Record, tools: Tools) -> Outcome:
    """Sets `password` for `user`; null leaves it as it is."""
    word = input.get("password")
    if word is None:
        return ok(user=input["user"])
    errors = _errors(word)
    if errors:
        return error(*errors)
    salt = tools.ids.new()
    tools.storage.put("password", input["user"], {"salt": salt, "hash": _hash(word, salt)})
    return ok(user=input["user"])


@password.action
def check(input: Record, tools: Tools) -> Outcome:
    """`ok` where `password` is the user's, `wrong` where it is not."""
    word = input.get("password")
    if not isinstance(word, str) or not word:
        return error("password can't be blank")
    kept = tools.storage.get("password", input["user"])
    if kept is None or not hmac.compare_digest(kept["hash"], _hash(word, kept["salt"])):
        return Outcome("wrong", {"errors": ["email or password is invalid"]})
    return ok(user=input["user"])


def _errors(word: Any) -> list[str]:
    if not isinstance(word, str) or not word:
        return ["password can't be blank"]
    return [f"password is too short (minimum is {LENGTH_MIN} characters)"] if len(word) < LENGTH_MIN else []


def _hash(word: str, salt: str) -> str:
    raw = hashlib.pbkdf2_hmac("sha256", word.encode("utf-8", "surrogatepass"), salt.encode(), PASSWORD_ITERATIONS)
    return raw.hex()
