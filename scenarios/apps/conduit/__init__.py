"""Conduit: the RealWorld blogging API as Clef concepts and syncs."""

from __future__ import annotations

from pathlib import Path

from clef_runtime.app import App
from clef_runtime.web import Route, web_concept
from scenarios.apps.conduit.concepts import CONCEPTS

ROUTES = (
    Route("POST", "/users", "register"),
    Route("POST", "/users/login", "login"),
    Route("GET", "/user", "get_user"),
    Route("PUT", "/user", "update_user"),
    Route("GET", "/profiles/{username}", "get_profile"),
    Route("POST", "/profiles/{username}/follow", "follow"),
    Route("DELETE", "/profiles/{username}/follow", "unfollow"),
    Route("GET", "/articles/feed", "feed"),
    Route("GET", "/articles", "list_articles"),
    Route("POST", "/articles", "create_article"),
    Route("GET", "/articles/{slug}", "get_article"),
    Route("PUT", "/articles/{slug}", "update_article"),
    Route("DELETE", "/articles/{slug}", "delete_article"),
    Route("GET", "/articles/{slug}/comments", "list_comments"),
    Route("POST", "/articles/{slug}/comments", "add_comment"),
    Route("DELETE", "/articles/{slug}/comments/{id}", "delete_comment"),
    Route("POST", "/articles/{slug}/favorite", "favorite"),
    Route("DELETE", "/articles/{slug}/favorite", "unfavorite"),
    Route("GET", "/tags", "get_tags"),
)

app = App(
    "conduit",
    (web_concept(), *CONCEPTS),
    (Path(__file__).with_name("syncs"),),
    routes=ROUTES,
)
