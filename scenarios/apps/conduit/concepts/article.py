"""Article: what people write. A slug is unique and follows the title.

Relations: `article` by article id; `article_slug`, by slug, holds the article's id.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from clef_runtime.concept import Concept, Tools
from clef_runtime.context import timestamp
from clef_runtime.model import Outcome, Record, ok
from clef_runtime.storage.base import Is
from scenarios.apps.conduit.checks import blanks, count, error, forbidden, key, notfound

article = Concept("Article", relations=("article_slug",))

WRITTEN = ("title", "description", "body")
PAGE_DEFAULT = 20
SLUG_LENGTH_MAX = 100
UNKNOWN = notfound("article not found")


@article.action
def create(input: Record, tools: Tools) -> Outcome:
    """`article` (its new id), `author`, `title`, `description`, `body`."""
    errors = blanks(input, WRITTEN)
    if errors:
        return error(*errors)
    now = timestamp(tools.clock)
    row = {field: input[field] for field in WRITTEN}
    slug = _free_slug(input["article"], input["title"], tools)
    row |= {"slug": slug, "author": input["author"], "createdAt": now, "updatedAt": now}
    tools.storage.put("article_slug", slug, {"article": input["article"]})
    tools.storage.put("article", input["article"], row)
    return ok(article=input["article"], slug=slug)


@article.action
def update(input: Record, tools: Tools) -> Outcome:
    """`slug`, `by`, and those of `title`, `description`, `body` that change."""
    found, row = _at(input.get("slug"), tools)
    if row is None:
        return UNKNOWN
    if row["author"] != input["by"]:
        return forbidden("only its author may change an article")
    errors = blanks(input, WRITTEN, optional=True)
    if errors:
        return error(*errors)
    changes = {field: input[field] for field in WRITTEN if input.get(field) is not None}
    slug = row["slug"]
    if changes.get("title", row["title"]) != row["title"]:
        slug = _free_slug(found, changes["title"], tools)
    if slug != row["slug"]:
        tools.storage.delete("article_slug", row["slug"])
        tools.storage.put("article_slug", slug, {"article": found})
    after = {**row, **changes, "slug": slug, "updatedAt": timestamp(tools.clock)}
    tools.storage.put("article", found, after)
    return ok(article=found, slug=slug)


@article.action
def delete(input: Record, tools: Tools) -> Outcome:
    """`slug`, `by`."""
    found, row = _at(input.get("slug"), tools)
    if row is None:
        return UNKNOWN
    if row["author"] != input["by"]:
        return forbidden("only its author may delete an article")
    tools.storage.delete("article_slug", row["slug"])
    tools.storage.delete("article", found)
    return ok(article=found)


@article.action
def show(input: Record, tools: Tools) -> Outcome:
    """All of the article with that `slug`."""
    found, row = _at(input.get("slug"), tools)
    return ok(article=found, **row) if row else UNKNOWN


@article.action
def list_(input: Record, tools: Tools) -> Outcome:
    """A page of articles, newest first, without their bodies, and how many there are in all.

    `authors` and each list in `among` restrict it, unless null. `limit` is at least 1, `offset` at least 0.
    """
    limit = count(input.get("limit"), PAGE_DEFAULT, 1)
    offset = count(input.get("offset"), 0, 0)
    if limit is None or offset is None:
        return error("limit must be a whole number from 1 and offset one from 0")
    criteria: Record = {}
    if input.get("authors") is not None:
        criteria["author"] = Is("in", input["authors"])
    allowed = [set(ids) for ids in input.get("among") or [] if ids is not None]
    rows = tools.storage.find("article", criteria, sort="-createdAt")
    rows = [row for row in rows if all(row["__key"] in ids for ids in allowed)]
    return ok(articles=[_listed(row) for row in rows[offset : offset + limit]], total=len(rows))


@article.query
def by_slug(input: Record, tools: Tools) -> Outcome:
    found = _holder(input.get("slug"), tools)
    return ok(article=found["article"]) if found else UNKNOWN


@article.query
def views(input: Record, _: Tools) -> Outcome:
    """`articles` as they are shown: with their `tags` and `marks` (by article) and `profiles` (by author)."""
    tags, marks, profiles = input["tags"], input["marks"], input["profiles"]
    shown = [
        {
            **{field: value for field, value in row.items() if field != "article"},
            **marks.get(row["article"], {}),
            "tagList": tags.get(row["article"], []),
            "author": face,
        }
        for row in input["articles"]
        if (face := profiles.get(row["author"]))
    ]
    return ok(views=shown)


def _at(slug: Any, tools: Tools) -> tuple[str, Record | None]:
    found = _holder(slug, tools)
    return (found["article"], tools.storage.get("article", found["article"])) if found else ("", None)


def _holder(slug: Any, tools: Tools) -> Record | None:
    unique = key(slug)
    return tools.storage.get("article_slug", unique) if unique else None


def _listed(row: Record) -> Record:
    shown = {field: value for field, value in row.items() if field not in ("__key", "body")}
    return {**shown, "article": row["__key"]}


def _free_slug(article_id: str, title: str, tools: Tools) -> str:
    """The title's slug; where another article has it, with the start of this one's id behind it."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain)[:SLUG_LENGTH_MAX].strip("-") or "article"
    holder = tools.storage.get("article_slug", slug)
    return slug if holder is None or holder["article"] == article_id else f"{slug}-{article_id[:8]}"
