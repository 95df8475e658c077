"""Requests to Conduit about articles of 700,000 characters, which are written, read and written again."""

from __future__ import annotations

from typing import Any

from clef_sim.requests import RequestSet, Setup, Template
from scenarios.requests.conduit import TOKENS, USERS, article, user

ARTICLES = 4
LINE = "Once upon a time.. "
LARGE = "/articles/large-{n%4}"


def large_articles(characters: int) -> RequestSet:
    """Articles of so many characters; only their authors, the first readers, change them."""
    body = (LINE * (characters // len(LINE) + 1))[:characters]

    def written(title: str) -> dict[str, Any]:
        made = article(title, ["large"])["article"]
        assert isinstance(made, dict)
        return {"article": {**made, "body": body}}

    authors = TOKENS[:ARTICLES]
    return RequestSet(
        setup=(
            Setup(Template("register", "POST", "/users", user("reader", "{n}")), USERS),
            Setup(Template("articles", "POST", "/articles", written("Large {n}"), authors), ARTICLES),
        ),
        templates=(
            Template("create_article", "POST", "/articles", written("Larger {n}"), TOKENS, weight=3),
            Template("get_article", "GET", LARGE, None, TOKENS, weight=3),
            Template("rewrite", "PUT", LARGE, {"article": {"body": f"{{n}}: {body}"}}, authors, weight=3),
            Template("shorten", "PUT", LARGE, {"article": {"body": "{n}: short"}}, authors, weight=1),
            Template("list_articles", "GET", "/articles?limit=10", weight=2),
        ),
    )


REQUESTS = large_articles(700_000)
