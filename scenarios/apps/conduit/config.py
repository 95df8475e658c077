"""Settings of the development app. A deployed app would be given its own secret."""

from __future__ import annotations

TOKEN_SECRET = b"conduit development secret"
TOKEN_LIFETIME_S = 60 * 24 * 3600
PASSWORD_ITERATIONS = 10  # low on purpose: the cost of hashing is not what these runs are about
