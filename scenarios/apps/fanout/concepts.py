"""The concepts of the newsletter: Subscriber, Campaign, Mail, Digest. None knows another.

Mail and Digest write a row on every run, so that what was sent twice can be seen in the storage.
"""

from __future__ import annotations

from typing import Any

from clef_runtime.concept import Concept, Tools
from clef_runtime.context import timestamp
from clef_runtime.model import Outcome, Record, derive_id, ok

LENGTH_MAX = 120  # characters of a list's name, an id or an address
BATCH_MAX = 50  # a commit in DynamoDB holds 100 writes, the completion's among them

subscriber = Concept("Subscriber")
campaign = Concept("Campaign")
mail = Concept("Mail")
digest = Concept("Digest")

CONCEPTS = (subscriber, campaign, mail, digest)

# ---- Subscriber: who gets what. Relation: `subscriber` by list and address.


@subscriber.action
def import_(input: Record, tools: Tools) -> Outcome:
    """Adds the addresses of `emails` to `list`, a batch of at most BATCH_MAX in one run.

    `added` holds the new ones; an address that is there already stays as it is.
    """
    emails = input.get("emails")
    if not _is_text(input.get("list")) or not isinstance(emails, list) or len(emails) > BATCH_MAX:
        return _invalid(f"list must be a text, and emails a list of at most {BATCH_MAX}")
    wrong = [str(email)[:LENGTH_MAX] for email in emails if not (_is_text(email) and "@" in email)]
    if wrong:
        return _invalid(f"not an address: {wrong[0]}")
    fresh = [email for email in dict.fromkeys(emails) if not _subscribed(input["list"], email, tools)]
    for email in fresh:
        row = {"list": input["list"], "email": email, "status": "active"}
        tools.storage.put("subscriber", derive_id(input["list"], email), row)
    return ok(list=input["list"], added=fresh, known=len(emails) - len(fresh))


@subscriber.action
def retire(input: Record, tools: Tools) -> Outcome:
    """The subscriber gets no more mail."""
    row = tools.storage.get("subscriber", input["subscriber"])
    if row is None:
        return Outcome("notfound", {"subscriber": input["subscriber"]})
    tools.storage.put("subscriber", input["subscriber"], {**row, "status": "retired"})
    return ok(subscriber=input["subscriber"])


@subscriber.query
def batches(input: Record, tools: Tools) -> Outcome:
    """The active addresses of `list`, `size` to a batch: records of `number` (from 1) and `emails`."""
    rows = tools.storage.find("subscriber", {"list": input["list"], "status": "active"})
    emails, size = [row["email"] for row in rows], input["size"]
    starts = range(0, len(emails), size)
    return ok(batches=[{"number": at // size + 1, "emails": emails[at : at + size]} for at in starts])


def _subscribed(to: str, email: str, tools: Tools) -> bool:
    return tools.storage.get("subscriber", derive_id(to, email)) is not None


# ---- Campaign: something to tell a list. Relation: `campaign` by campaign id.


@campaign.action
def draft(input: Record, tools: Tools) -> Outcome:
    """`campaign` (its id), `list`, `subject`. Drafting again replaces what was not yet published."""
    if not all(_is_text(input.get(field)) for field in ("campaign", "list", "subject")):
        return _invalid("id, list and subject must be texts")
    before = tools.storage.get("campaign", input["campaign"])
    if before and before["status"] == "published":
        return Outcome("published", {"errors": ["campaign is already published"]})
    row = {"list": input["list"], "subject": input["subject"], "status": "draft"}
    tools.storage.put("campaign", input["campaign"], row)
    return ok(campaign=input["campaign"], status="draft")


@campaign.action
def publish(input: Record, tools: Tools) -> Outcome:
    """Once: the same request again ends the same way, another one is `published`."""
    row = tools.storage.get("campaign", input["campaign"]) if _is_text(input.get("campaign")) else None
    if row is None:
        return Outcome("notfound", {"errors": ["campaign not found"]})
    if row.get("request", input["request"]) != input["request"]:
        return Outcome("published", {"errors": ["campaign is already published"]})
    tools.storage.put("campaign", input["campaign"], {**row, "status": "published", "request": input["request"]})
    return ok(campaign=input["campaign"], list=row["list"], subject=row["subject"])


# ---- Mail: one message to one address. Relation: `mail`, a row for each run.


@mail.action
def send(input: Record, tools: Tools) -> Outcome:
    """Sends `subject` to `email`; `bounced` where the address says so (it starts with `bounce`)."""
    number, email = tools.ids.new(), input["email"]
    if not (_is_text(email) and "@" in email):
        return _invalid("not an address")
    if email.startswith("@"):
        raise ValueError(f"no local part in {email!r}")  # as a mail server's client does
    bounced = email.startswith("bounce")
    row = {"email": email, "subject": input["subject"], "bounced": bounced, "at": timestamp(tools.clock)}
    tools.storage.put("mail", number, {**row, "campaign": input.get("campaign")})
    return Outcome("bounced", {"email": email}) if bounced else ok(mail=number)


# ---- Digest: what was sent in one batch, for the archive. Relation: `digest`, a row for each run.


@digest.action
def file(input: Record, tools: Tools) -> Outcome:
    number = tools.ids.new()
    row = {field: input[field] for field in ("campaign", "number", "emails")}
    tools.storage.put("digest", number, row)
    return ok(digest=number)


def _invalid(message: str) -> Outcome:
    return Outcome("invalid", {"errors": [message]})


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= LENGTH_MAX
