"""Requests to Fanout of which one mail cannot even be tried: the action raises."""

from __future__ import annotations

from clef_sim.requests import RequestSet, Template

EMAILS = ["@fanout.test", "c{n}@fanout.test"]

REQUESTS = RequestSet(
    setup=(),
    templates=(Template("announce", "POST", "/messages", {"emails": EMAILS, "subject": "Note {n}"}),),
)
