"""Requests to Fanout: lists of 5, 25 and 100 subscribers, and campaigns that go to all of one list."""

from __future__ import annotations

from clef_sim.requests import RequestSet, Setup, Template

BATCH = 25


def imported(to: str, size: int) -> Template:
    """`size` addresses; request n has other ones than request m."""
    emails = [f"{to}{{n}}.{number}@fanout.test" for number in range(size)]
    return Template(f"fill_{to}", "POST", f"/lists/{to}/import", {"emails": emails})


def campaign(to: str, weight: float) -> Template:
    body = {"id": f"{to}-{{n}}", "list": to, "subject": "News {n}", "publish": True}
    return Template(f"publish_{to}", "POST", "/campaigns", body, weight=weight)


REQUESTS = RequestSet(
    setup=(
        Setup(imported("few", 5)),
        Setup(imported("some", BATCH)),
        Setup(imported("many", BATCH), 4),
    ),
    templates=(
        campaign("few", 6),
        campaign("some", 3),
        campaign("many", 0.5),
        Template(
            "announce",
            "POST",
            "/messages",
            {"emails": ["a{n}@fanout.test", "b{n}@fanout.test", "bounce{n}@fanout.test"], "subject": "Note {n}"},
            weight=3,
        ),
        Template(
            "import",
            "POST",
            "/lists/import-{n/4}/import",
            {"emails": [f"p{{n}}.{number}@fanout.test" for number in range(8)]},
            weight=2,
        ),
        Template("publish_unknown", "POST", "/campaigns/no-such-{n}/publish", weight=0.5),
    ),
)
