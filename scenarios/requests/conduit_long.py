"""Requests to Conduit about articles of 380,000 characters: the records of one flow fill pages."""

from __future__ import annotations

from clef_sim.requests import RequestSet, Setup, Template
from scenarios.requests.conduit import TOKENS, USERS, article, user

TEXT = "Once upon a time.. " * 20_000


def long_article(title: str) -> dict[str, object]:
    written = article(title, ["long"])["article"]
    assert isinstance(written, dict)
    return {"article": {**written, "body": TEXT}}


REQUESTS = RequestSet(
    setup=(Setup(Template("register", "POST", "/users", user("reader", "{n}")), USERS),),
    templates=(Template("create_article", "POST", "/articles", long_article("Long {n}"), TOKENS),),
)
