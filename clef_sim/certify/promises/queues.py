"""SQS: a message is with one consumer until its visibility ends, and none that was taken is lost."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from clef_sim.certify.evidence import Seen
from clef_sim.history import Event
from clef_sim.scenario import Duplicate, Fault, LateDelivery


def broken(calls: Sequence[Seen], history: Sequence[Event], visibility_s: float, faults: Iterable[Fault]) -> str:
    """The first broken promise in words; empty: none. Faults that deliver twice or late are the run's own, and take
    away what could be said."""
    delivered = [event for event in history if event.kind == "delivery"]
    if not any(isinstance(fault, Duplicate | LateDelivery) for fault in faults):
        words = _twice(delivered, visibility_s)
        if words:
            return words
    return _lost(calls, delivered) if _settled(history) else ""


def _twice(delivered: Iterable[Event], visibility_s: float) -> str:
    last: dict[tuple[str, str], float] = {}
    for event in delivered:
        message = (event.name, str(event.data["message"]))
        # Half of it: a message reaches its function some time after it was taken from the queue.
        if message in last and event.at - last[message] < visibility_s / 2:
            return (
                f"sqs: message {message[1]} of {event.name} was handed out again at {event.at:.6f} s,"
                f" {event.at - last[message]:.3f} s after the last time; its visibility is {visibility_s:g} s"
            )
        last[message] = event.at
    return ""


def _lost(calls: Iterable[Seen], delivered: Iterable[Event]) -> str:
    came = {str(event.data["message"]) for event in delivered}
    sent: dict[str, Seen] = {}
    for call in calls:
        if call.service != "sqs" or call.error is not None:
            continue
        if call.operation == "SendMessageBatch":
            sent.update({each["MessageId"]: call for each in call.answer.get("Successful", ())})
        elif call.operation == "SendMessage":
            sent[call.answer["MessageId"]] = call
    if not came & sent.keys():
        return ""  # the two are not told by one name
    for message, call in sent.items():
        if message not in came:
            return (
                f"sqs.{call.operation} of {call.who} at {call.at_s:.6f} s: message {message} was taken and never came"
            )
    return ""


def _settled(history: Sequence[Event]) -> bool:
    return any(event.kind == "phase" and event.name == "settled" for event in history[-50:])
