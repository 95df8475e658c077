"""Requests to Fanout: lists of 5, 25 and 100 subscribers, and campaigns that go to all of one list."""

from __future__ import annotations

from scenarios.requests import RequestSet, Setup, Template

SIZES = {"few": 5, "some": 25, "many": 100}


def imported(to: str, size: int) -> Template:
    return Template(f"fill_{to}", "POST", f"/lists/{to}/import", {"emails": addresses(to, size)})


def addresses(to: str, size: int) -> list[str]:
    return [f"{to}{number}@fanout.test" for number in range(size)]


def campaign(to: str, weight: float) -> Template:
    body = {"id": f"{to}-{{n}}", "list": to, "subject": "News {n}", "publish": True}
    return Template(f"publish_{to}", "POST", "/campaigns", body, weight=weight)


REQUESTS = RequestSet(
    setup=tuple(Setup(imported(to, size)) for to, size in SIZES.items()),
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
