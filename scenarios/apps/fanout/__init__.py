"""Fanout: one completion, many invocations. A newsletter is published and goes to every subscriber."""

from __future__ import annotations

from pathlib import Path

from clef_runtime.app import App
from clef_runtime.web import Route, web_concept
from scenarios.apps.fanout.concepts import CONCEPTS

ROUTES = (
    Route("POST", "/lists/{list}/import", "import"),
    Route("POST", "/campaigns", "draft"),
    Route("POST", "/campaigns/{id}/publish", "publish"),
    Route("POST", "/messages", "announce"),
)

app = App("fanout", (web_concept(), *CONCEPTS), (Path(__file__).with_name("syncs"),), routes=ROUTES)
