"""The concepts of Conduit. None imports another: only syncs connect them."""

from __future__ import annotations

from scenarios.apps.conduit.concepts.article import article
from scenarios.apps.conduit.concepts.comment import comment
from scenarios.apps.conduit.concepts.favorite import favorite
from scenarios.apps.conduit.concepts.follow import follow
from scenarios.apps.conduit.concepts.password import password
from scenarios.apps.conduit.concepts.profile import profile
from scenarios.apps.conduit.concepts.tag import tag
from scenarios.apps.conduit.concepts.token import token
from scenarios.apps.conduit.concepts.user import user

CONCEPTS = (user, password, token, profile, follow, article, tag, favorite, comment)
