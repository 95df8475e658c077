"""Requests to Conduit: 20 users who mostly read, over articles, follows and comments made beforehand.

The tokens are signed here with the app's development secret: a user's id follows from the address they
registered with, so nobody has to log in first.
"""

from __future__ import annotations

from clef_runtime.language.functions import hash_of
from clef_sim.requests import RequestSet, Setup, Template
from scenarios.apps.conduit.concepts.token import sign

USERS = 20
ARTICLES = 40
EXPIRES_S = 4_102_444_800  # 2100-01-01: after the end of every run

TOKENS = tuple(sign(hash_of(f"reader{n}@conduit.test"), EXPIRES_S) for n in range(USERS))


def user(prefix: str, number: str) -> dict[str, object]:
    name = f"{prefix}{number}"
    return {"user": {"username": name, "email": f"{name}@conduit.test", "password": f"password of {name}"}}


def article(title: str, tags: list[str]) -> dict[str, object]:
    written = {"title": title, "description": f"About {title}", "body": "Once upon a time.", "tagList": tags}
    return {"article": written}


# Those who follow are not among those who are followed: nobody may follow themselves.
FOLLOWED = "/profiles/reader{n%7}/follow"
FOLLOWERS = TOKENS[7:]
SEED_ARTICLE = "/articles/seed-article-{n%40}"
COMMENT = {"comment": {"body": "Comment {n}"}}

REQUESTS = RequestSet(
    setup=(
        Setup(Template("register", "POST", "/users", user("reader", "{n}")), USERS),
        Setup(
            Template("articles", "POST", "/articles", article("Seed article {n}", ["tag-{n%5}"]), TOKENS),
            ARTICLES,
        ),
        Setup(Template("follows", "POST", FOLLOWED, None, FOLLOWERS), USERS),
        Setup(Template("comments", "POST", SEED_ARTICLE + "/comments", COMMENT, TOKENS), ARTICLES),
        Setup(Template("favorites", "POST", SEED_ARTICLE + "/favorite", None, TOKENS[3:]), ARTICLES),
    ),
    templates=(
        Template("list_articles", "GET", "/articles?limit=10", weight=20),
        Template("list_by_tag", "GET", "/articles?tag=tag-{n%5}&limit=10", weight=8),
        Template("list_by_author", "GET", "/articles?author=reader{n%20}", weight=5),
        Template("list_favorited", "GET", "/articles?favorited=reader{n%20}", weight=2),
        Template("feed", "GET", "/articles/feed?limit=10", None, TOKENS, weight=10),
        Template("get_article", "GET", SEED_ARTICLE, None, TOKENS, weight=20),
        Template("list_comments", "GET", SEED_ARTICLE + "/comments", weight=8),
        Template("get_profile", "GET", "/profiles/reader{n%20}", None, TOKENS, weight=5),
        Template("get_tags", "GET", "/tags", weight=5),
        Template("get_user", "GET", "/user", None, TOKENS, weight=5),
        Template("login", "POST", "/users/login", user("reader", "{n%20}"), weight=5),
        Template("register", "POST", "/users", user("writer", "{n}"), weight=3),
        Template("update_user", "PUT", "/user", {"user": {"bio": "Bio {n}"}}, TOKENS, weight=1),
        Template(
            "create_article", "POST", "/articles", article("Article {n}", ["tag-{n%5}", "new"]), TOKENS, weight=4
        ),
        Template("add_comment", "POST", SEED_ARTICLE + "/comments", COMMENT, TOKENS, weight=5),
        Template("favorite", "POST", SEED_ARTICLE + "/favorite", None, TOKENS, weight=4),
        Template("unfavorite", "DELETE", SEED_ARTICLE + "/favorite", None, TOKENS, weight=1),
        Template("follow", "POST", FOLLOWED, None, FOLLOWERS, weight=2),
        Template("login_wrong", "POST", "/users/login", user("stranger", "{n}"), weight=1),
        Template("get_unknown", "GET", "/articles/no-such-article-{n}", weight=1),
        Template("no_token", "GET", "/user", weight=1),
    ),
)
