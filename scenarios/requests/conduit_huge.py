"""As `conduit_large`, with articles of 1,200,000 characters."""

from __future__ import annotations

from scenarios.requests.conduit_large import large_articles

REQUESTS = large_articles(1_200_000)
