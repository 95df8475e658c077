"""Tag: words that things carry. Relations: `tag` by what carries them; `tag_name` by the word, to list them."""

from __future__ import annotations

from clef_runtime.concept import Concept, Tools
from clef_runtime.model import Outcome, Record, ok
from clef_runtime.storage.base import Is
from scenarios.apps.conduit.checks import key, texts

tag = Concept("Tag", relations=("tag_name",))


@tag.action
def assign(input: Record, tools: Tools) -> Outcome:
    """`target` carries `names` from now on, and no others; what can't be a key is no name."""
    names = texts(input.get("names"))
    tools.storage.put("tag", input["target"], {"names": names})
    for name in names:
        tools.storage.put("tag_name", name, {"name": name})
    return ok(target=input["target"], names=names)


@tag.action
def clear(input: Record, tools: Tools) -> Outcome:
    """`target` carries none any more; a word that nothing carries is forgotten."""
    before = tools.storage.get("tag", input["target"])
    tools.storage.delete("tag", input["target"])
    for name in before["names"] if before else []:
        if not [row for row in _carriers(name, tools, limit=2) if row["__key"] != input["target"]]:
            tools.storage.delete("tag_name", name)
    return ok(cleared=input["target"])


@tag.query
def all_(_: Record, tools: Tools) -> Outcome:
    return ok(names=[row["name"] for row in tools.storage.find("tag_name", sort="name")])


@tag.query
def targets(input: Record, tools: Tools) -> Outcome:
    """What carries `name`; null for null, which is how a filter is left out."""
    if input.get("name") is None:
        return ok(targets=None)
    name = key(input["name"])
    return ok(targets=[row["__key"] for row in _carriers(name, tools)] if name else [])


@tag.query
def names(input: Record, tools: Tools) -> Outcome:
    """What each of `targets` carries, by target."""
    found: Record = {}
    for target in texts(input.get("targets")):
        row = tools.storage.get("tag", target)
        found[target] = row["names"] if row else []
    return ok(names=found)


def _carriers(name: str, tools: Tools, limit: int | None = None) -> list[Record]:
    return tools.storage.find("tag", {"names": Is("contains", name)}, limit=limit)
