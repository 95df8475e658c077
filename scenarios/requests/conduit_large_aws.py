"""As `conduit_large`, with articles of 300,000 characters: a record of DynamoDB's action log holds 400 KB."""

from __future__ import annotations

from scenarios.requests.conduit_large import large_articles

REQUESTS = large_articles(300_000)
