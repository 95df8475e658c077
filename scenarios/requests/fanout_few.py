"""Requests to Fanout that need little preparation: one list of 5 subscribers."""

from __future__ import annotations

from clef_sim.requests import RequestSet, Setup
from scenarios.requests.fanout import REQUESTS as ALL
from scenarios.requests.fanout import campaign, imported

REQUESTS = RequestSet(
    setup=(Setup(imported("few", 5)),),
    templates=(campaign("few", 1), *(each for each in ALL.templates if each.name == "announce")),
)
