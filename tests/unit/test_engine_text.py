"""Syncs from their text to invocations: language and engine agree on what a compiled sync means."""

from __future__ import annotations

from typing import Any

from clef_runtime.concept import Catalogue, Concept, Tools
from clef_runtime.context import SystemClock, SystemIds
from clef_runtime.engine.flow import FlowState
from clef_runtime.engine.index import SyncIndex
from clef_runtime.engine.prepare import prepare
from clef_runtime.engine.where import StorageFacts
from clef_runtime.language.load import parse_text
from clef_runtime.model import Completion, Outcome, Record, concept_name, ok
from clef_runtime.storage.memory import MemoryStorage

user = Concept("User")


@user.query
def rank(input: Record, tools: Tools) -> Outcome:
    return ok(rank=3) if input["user"] == "u1" else Outcome("notfound", {})


def caused(text: str, *completions: tuple[str, Record, str, Record]) -> list[tuple[str, Record]]:
    storage = MemoryStorage()
    storage.put("user", "u1", {"email": "a@b.c", "status": "active", "tags": ["x", "y"]})
    storage.put("user", "u2", {"email": "d@e.f", "status": "gone", "tags": []})
    clock, ids = SystemClock(), SystemIds()
    facts = StorageFacts(Catalogue([user]), lambda urn: storage, clock, ids)
    flow, found = FlowState(SyncIndex(parse_text(text), {"shout": lambda text: f"{text}!"})), []
    for number, (target, input, variant, output) in enumerate(completions):
        concept, action = target.split("/")
        completion = Completion(
            id=f"c{number}",
            concept=f"urn:clef/{concept}",
            action=action,
            input=input,
            variant=variant,
            output=output,
            flow="f",
            timestamp="t",
        )
        flow.add(completion)
        for match in flow.matches(completion):
            found += prepare(match, facts, clock, ids).invocations
    return [(f"{concept_name(each.concept)}/{each.action}", each.input) for each in found]


def test_join_with_query_filter_bind_and_nested_values() -> None:
    text = """
    sync Welcome [eager]
      when {
        Web/request: [ route: "register"; body: ?body; any: _ ] => []
        Password/set: [] => ok(user: ?user)
      }
      where {
        User: { ?user email: ?email; status: "active" }
        filter(?body.age >= 18 && not(contains(?email, "spam")))
        bind(concat("Hi ", ?email) as ?text)
      }
      then {
        Mail/send: [
          to: ?email; body: [ text: ?text; loud: shout(?text) ]
          tags: [?user, "new"]; note: "for {{user}}"
        ]
        Audit/note: [ age: ?body.age + 1 ]
      }
    """
    request: tuple[str, Record, str, Record] = ("Web/request", {"route": "register", "body": {"age": 20}}, "ok", {})
    mail = {
        "to": "a@b.c",
        "body": {"text": "Hi a@b.c", "loud": "Hi a@b.c!"},
        "tags": ["u1", "new"],
        "note": "for u1",
    }
    expected = [("Mail/send", mail), ("Audit/note", {"age": 21})]
    password: tuple[str, Record, str, Record] = ("Password/set", {}, "ok", {"user": "u1"})
    assert caused(text, request, password) == expected
    assert caused(text, password, request) == expected
    assert caused(text, request, ("Password/set", {}, "ok", {"user": "u2"})) == []
    assert caused(text, request, ("Password/set", {}, "error", {"user": "u1"})) == []


def test_ask_loop_alternatives_and_concept_variables() -> None:
    text = """
    sync Tell
    when { ?concept/?action: [ user: ?user ] => [ ok ] }
    where {
      User/rank: [ user: ?user ] => ok(rank: ?rank)
      any(?rank > 5; ?rank == 3)
      User: { ?user tags: ?tags }
    }
    then {
      for each ?tag in ?tags {
        ?concept/told: [ tag: ?tag; what: ?action; kind: cond(?rank > 5, "high", "low"); nothing: none ]
      }
    }
    """

    def told(tag: str) -> Any:
        return ("Any.Thing/told", {"tag": tag, "what": "go", "kind": "low", "nothing": None})

    assert caused(text, ("Any.Thing/go", {"user": "u1"}, "ok", {})) == [told("x"), told("y")]
    assert caused(text, ("Any.Thing/go", {"user": "u2"}, "ok", {})) == []
