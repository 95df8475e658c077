"""What travels between concepts, engine and log: invocations, completions, firings.

The structs are the wire form: JSON with Clef's own field names (`matchedIds`, ...). Fields that
this version does not know are kept in `extra` and written back, never refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias, TypeVar

import msgspec

from clef_runtime.errors import BadInput

Record: TypeAlias = dict[str, Any]

URN = "urn:clef/"


def concept_urn(name: str) -> str:
    """`User` -> `urn:clef/User`; a URN stays as it is."""
    return name if name.startswith(URN) else URN + name


def concept_name(urn: str) -> str:
    """`urn:clef/User` -> `User`; a bare name stays as it is."""
    return urn[len(URN) :] if urn.startswith(URN) else urn


def derive_id(*parts: str) -> str:
    """An id that depends only on `parts`. Each part is length-prefixed, so that no two different
    lists of parts share an id, whatever characters they hold."""
    return _digest("".join([f"{len(part)}:{part}" for part in parts]))


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def firing_id(sync: str, matched_ids: Iterable[str]) -> str:
    """The identity of a match: the sync's name and the set of matched completion ids."""
    return derive_id("firing", sync, *sorted(matched_ids))


def invocation_id(firing: str, binding_number: int, action_number: int) -> str:
    return derive_id("invocation", firing, str(binding_number), str(action_number))


def completion_id(invocation: str) -> str:
    return _digest(f"10:completion{len(invocation)}:{invocation}")  # derive_id("completion", invocation)


class Invocation(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A request for one action of one concept.

    `sync` and `matched_ids` name the firing that caused it; both are absent on the outside request
    that opens a flow. `timestamp` is ISO 8601 in UTC.
    """

    id: str
    concept: str
    action: str
    input: Record
    flow: str
    timestamp: str
    sync: str | None = None
    matched_ids: tuple[str, ...] = ()
    parent: str | None = None
    extra: Record = {}


class Completion(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """How one invocation ended: exactly one variant, with its output. `parent` is the invocation's id."""

    id: str
    concept: str
    action: str
    input: Record
    variant: str
    output: Record
    flow: str
    timestamp: str
    parent: str | None = None
    extra: Record = {}


class Firing(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One match of one sync and everything that it causes, prepared once and then only re-sent."""

    id: str
    sync: str
    flow: str
    matched_ids: tuple[str, ...]
    invocations: tuple[Invocation, ...]


class SyncEdge(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Provenance: these completions made this sync fire these invocations."""

    sync: str
    matched_ids: tuple[str, ...]
    invocation_ids: tuple[str, ...]
    flow: str

    @property
    def firing(self) -> str:
        return firing_id(self.sync, self.matched_ids)


class Outcome(msgspec.Struct, frozen=True):
    """What an action returns: a variant and its output fields."""

    variant: str
    output: Record


def ok(**output: Any) -> Outcome:
    return Outcome("ok", output)


def complete(invocation: Invocation, outcome: Outcome, timestamp: str) -> Completion:
    """The completion of `invocation`; its id is derived, so that every run of it has the same."""
    return Completion(
        id=completion_id(invocation.id),
        concept=invocation.concept,
        action=invocation.action,
        input=invocation.input,
        variant=outcome.variant,
        output=outcome.output,
        flow=invocation.flow,
        timestamp=timestamp,
        parent=invocation.id,
        extra=invocation.extra,
    )


Message = TypeVar("Message", Invocation, Completion)

_encoder = msgspec.json.Encoder()
_decode_any = msgspec.json.Decoder().decode
_KNOWN = {
    kind: {field.encode_name for field in msgspec.structs.fields(kind)} - {"extra"}
    for kind in (Invocation, Completion)
}


def to_wire(message: Invocation | Completion) -> Record:
    """The JSON-able record of a message, unknown fields included."""
    wire: Record = msgspec.to_builtins(message)
    extra = wire.pop("extra", None)
    return {**extra, **wire} if extra else wire


def encode(message: Invocation | Completion) -> bytes:
    """The JSON of a message, unknown fields included."""
    return _encoder.encode(to_wire(message) if message.extra else message)


def invocation_from(wire: bytes | str | Mapping[str, Any]) -> Invocation:
    """Reads an invocation's wire form.

    Raises:
        BadInput: not JSON, or a field that is missing or of the wrong type; names the field. Definite.
    """
    return _from_wire(wire, Invocation)


def completion_from(wire: bytes | str | Mapping[str, Any]) -> Completion:
    """Reads a completion's wire form. Raises as `invocation_from`."""
    return _from_wire(wire, Completion)


def _from_wire(wire: bytes | str | Mapping[str, Any], kind: type[Message]) -> Message:
    try:
        text = wire.__class__ is str or not isinstance(wire, Mapping)
        record = _decode_any(wire) if text else dict(wire)  # type: ignore[arg-type]  # as just told apart
        if not isinstance(record, dict):
            raise BadInput(f"{kind.__name__.lower()}(={str(record)[:80]!r}) must be a JSON object")
        known = _KNOWN[kind]
        if not record.keys() <= known:
            record["extra"] = {name: record.pop(name) for name in list(record) if name not in known}
        return msgspec.convert(record, kind)
    except (msgspec.MsgspecError, TypeError, RecursionError) as error:
        raise BadInput(f"not a {kind.__name__.lower()} in wire form: {error}") from error
