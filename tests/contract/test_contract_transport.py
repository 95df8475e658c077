"""Clauses T of docs/contracts.md: dispatchers and publishers, over queues, HTTP and in memory."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from contract_backends import FaultyClient, Services, TestClock
from contract_messages import completion, invocation

from clef_runtime.errors import (
    BadInput,
    ClefError,
    Conflict,
    Indeterminate,
    NotFound,
    Refused,
    Throttled,
    TooLarge,
    Unreachable,
)
from clef_runtime.model import completion_from, invocation_from, to_wire
from clef_runtime.transport.http import BODY_BYTES, HttpDispatcher, HttpEngineClient
from clef_runtime.transport.memory import MemoryDispatcher, MemoryPublisher
from clef_runtime.transport.sqs import BATCH_BYTES, SqsDispatcher, SqsPublisher


class Queues:
    """A queue for each concept, and what is in them."""

    def __init__(self, services: Services, *, fifo: bool = False) -> None:
        self.faults, self.clock, self.fifo = FaultyClient(services.sqs), TestClock(), fifo
        self._services = services
        self._urls: dict[str, str] = {}

    def url(self, concept: str) -> str:
        if concept not in self._urls:
            self._urls[concept] = self._services.queue(fifo=self.fifo)
        return self._urls[concept]

    def dispatcher(self) -> SqsDispatcher:
        return SqsDispatcher(self.faults, self.url, self.clock, fifo=self.fifo)

    def drain(self, concept: str, *names: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while True:
            answer = self._services.sqs.receive_message(
                QueueUrl=self.url(concept), MaxNumberOfMessages=10, MessageSystemAttributeNames=["All"]
            )
            messages = answer.get("Messages", [])
            if not messages:
                return found
            for message in messages:
                found.append(message)
                self._services.sqs.delete_message(QueueUrl=self.url(concept), ReceiptHandle=message["ReceiptHandle"])

    def bodies(self, concept: str) -> list[str]:
        return [message["Body"] for message in self.drain(concept)]


USER, POST = "urn:clef/User", "urn:clef/Post"


def test_sqs_dispatcher_sends_each_invocation_to_its_concepts_queue(services: Services) -> None:  # T1 T2
    queues = Queues(services)
    users = [invocation(f"i{number}", x=number) for number in range(23)]
    posts = [invocation(f"p{number}", concept="Post", body="ü\U0001f600") for number in range(2)]
    assert queues.dispatcher().send([*users[:20], *posts, *users[20:]]) == []
    assert sorted(queues.bodies(USER)) == sorted(json_of(each) for each in users)
    assert [invocation_from(body) for body in queues.bodies(POST)] == posts
    assert [len(call["Entries"]) for call in queues.faults.called("send_message_batch")] == [10, 10, 3, 2]


def json_of(message: Any) -> str:
    return json.dumps(to_wire(message), ensure_ascii=False, separators=(",", ":"))


def test_sqs_dispatcher_sends_nothing_for_no_invocations(services: Services) -> None:  # T1
    queues = Queues(services)
    assert queues.dispatcher().send([]) == []
    assert queues.faults.calls == []


def test_sqs_dispatcher_keeps_a_batch_below_the_limit_of_bytes(services: Services) -> None:  # T3
    queues = Queues(services)
    queues.dispatcher().send([invocation(f"i{number}", body="\u20ac" * 30_000) for number in range(5)])
    assert [len(call["Entries"]) for call in queues.faults.called("send_message_batch")] == [2, 2, 1]
    assert len(queues.drain(USER)) == 5


def test_sqs_dispatcher_with_one_invocation_too_large_sends_nothing(services: Services) -> None:  # T3
    queues = Queues(services)
    sent = [invocation("i1", concept="Post"), invocation("i2", body="x" * BATCH_BYTES)]
    with pytest.raises(TooLarge, match=str(BATCH_BYTES)):
        queues.dispatcher().send(sent)
    assert queues.faults.calls == []


def test_sqs_dispatcher_sends_only_what_failed_again(services: Services) -> None:  # T4
    queues = Queues(services)
    queues.faults.fail_entries("1", "2")
    queues.faults.fail_entries("2")
    queues.dispatcher().send([invocation(f"i{number}") for number in range(4)])
    sizes = [len(call["Entries"]) for call in queues.faults.called("send_message_batch")]
    assert sizes == [4, 2, 1]
    assert queues.clock.pauses == [0.05, 0.1]
    assert sorted(invocation_from(body).id for body in queues.bodies(USER)) == ["i0", "i1", "i2", "i3"]


def test_sqs_dispatcher_gives_up_on_entries_that_always_fail(services: Services) -> None:  # T4
    queues = Queues(services)
    for _ in range(4):
        queues.faults.fail_entries("1")
    with pytest.raises(Throttled, match="1 of the batch failed each time"):
        queues.dispatcher().send([invocation(f"i{number}") for number in range(3)])
    assert len(queues.drain(USER)) == 2


def test_sqs_dispatcher_does_not_repeat_the_senders_own_fault(services: Services) -> None:  # T4
    queues = Queues(services)
    queues.faults.fail_entries("0", code="InvalidMessageContents", sender=True)
    with pytest.raises(Refused, match="InvalidMessageContents"):
        queues.dispatcher().send([invocation("i0")])
    assert len(queues.faults.calls) == 1


@pytest.mark.parametrize("lose", ["lose_request", "lose_answer"])
def test_sqs_dispatcher_sends_again_without_an_answer(services: Services, lose: str) -> None:  # T5
    queues = Queues(services)
    getattr(queues.faults, lose)("send_message_batch")
    queues.dispatcher().send([invocation("i1")])
    ids = {invocation_from(body).id for body in queues.bodies(USER)}
    assert ids == {"i1"}


def test_sqs_errors_are_translated(services: Services) -> None:  # T5
    queues = Queues(services)
    queues.faults.refuse("send_message_batch", "RequestThrottled", times=4)
    with pytest.raises(Throttled):
        queues.dispatcher().send([invocation("i1")])
    queues.faults.lose_answer("send_message_batch", times=4)
    with pytest.raises(Indeterminate):
        queues.dispatcher().send([invocation("i1")])


def test_sqs_missing_queue_is_named(services: Services) -> None:  # T5
    url = services.queue(fifo=False) + "-gone"
    clock = TestClock()
    with pytest.raises(NotFound, match="-gone"):
        SqsDispatcher(services.sqs, lambda _: url, clock).send([invocation("i1")])
    with pytest.raises(NotFound, match="-gone"):
        SqsPublisher(services.sqs, url, clock).publish(completion("c1"))


def test_sqs_fifo_keeps_a_flows_order_and_drops_what_is_sent_again(services: Services) -> None:  # T6
    queues = Queues(services, fifo=True)
    queues.faults.lose_answer("send_message_batch")
    sent = [invocation(f"i{number}", flow=f"f{number % 2}") for number in range(4)]
    queues.dispatcher().send(sent)
    queues.dispatcher().send(sent[:1])
    messages = queues.drain(USER)
    ids = [(message["Attributes"]["MessageGroupId"], invocation_from(message["Body"]).id) for message in messages]
    assert [id_ for group, id_ in ids if group == "f0"] == ["i0", "i2"]
    assert [id_ for group, id_ in ids if group == "f1"] == ["i1", "i3"]


def test_sqs_fifo_ids_that_the_service_does_not_take_are_derived(services: Services) -> None:  # T6
    queues = Queues(services, fifo=True)
    queues.dispatcher().send([invocation("i 1", flow="flüw"), invocation("i" * 200, flow="f" * 200)])
    assert sorted(invocation_from(body).id for body in queues.bodies(USER)) == ["i 1", "i" * 200]


@pytest.mark.parametrize("fifo", [False, True])
def test_sqs_publisher_sends_a_completion_as_it_is(services: Services, fifo: bool) -> None:  # T1 T5
    queues = Queues(services, fifo=fifo)
    publisher = SqsPublisher(queues.faults, queues.url("evaluator"), queues.clock, fifo=fifo)
    queues.faults.refuse("send_message", "RequestThrottled", times=2)
    queues.faults.lose_request("send_message")
    publisher.publish(completion("c1", trace="t"))
    assert [completion_from(body) for body in queues.bodies("evaluator")] == [completion("c1", trace="t")]
    with pytest.raises(TooLarge):
        publisher.publish(completion("c2", user="x" * BATCH_BYTES))


class Functions:
    """Functions by URL that record what reaches them and answer as told."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.requests: list[tuple[str, Any]] = []
        self._answers = list(answers)
        self.clock = TestClock()
        self.client = httpx.Client(transport=httpx.MockTransport(self._answer))

    def _answer(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        self.requests.append((str(request.url), body))
        if self._answers:
            answer = self._answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer
        ids = [each["id"] for each in body.get("invocations", body.get("completions"))]
        return httpx.Response(200, json={"completions": [to_wire(completion(f"c-{id_}", t=1)) for id_ in ids]})

    def dispatcher(self) -> HttpDispatcher:
        return HttpDispatcher(self.client, lambda urn: "http://" + urn.rpartition("/")[2].lower(), self.clock)

    def engine(self) -> HttpEngineClient:
        return HttpEngineClient(self.client, "http://engine", self.clock)


def test_http_dispatcher_calls_each_function_once_and_returns_the_completions() -> None:  # T1 T2 T7
    functions = Functions()
    sent = [invocation("i1", t=1), invocation("p1", concept="Post"), invocation("i2")]
    back = functions.dispatcher().send(sent)
    assert back == [completion(f"c-{id_}", t=1) for id_ in ("i1", "i2", "p1")]
    assert [(url, [invocation_from(each) for each in body["invocations"]]) for url, body in functions.requests] == [
        ("http://user/_clef/invoke", [sent[0], sent[2]]),
        ("http://post/_clef/invoke", [sent[1]]),
    ]


def test_http_dispatcher_keeps_a_body_below_the_limit_of_bytes() -> None:  # T3
    functions = Functions()
    functions.dispatcher().send([invocation(f"i{number}", body="x" * 2_500_000) for number in range(3)])
    assert [len(body["invocations"]) for _, body in functions.requests] == [2, 1]
    with pytest.raises(TooLarge):
        functions.dispatcher().send([invocation("i1", body="x" * BODY_BYTES)])


def test_http_engine_client_returns_the_flows_completions() -> None:  # T7
    functions = Functions()
    assert functions.engine().evaluate(completion("c1", t=1)) == [completion("c-c1", t=1)]
    functions.engine().publish(completion("c1", t=1))
    assert (
        functions.requests
        == [
            ("http://engine/completions", {"completions": [to_wire(completion("c1", t=1))]}),
        ]
        * 2
    )


@pytest.mark.parametrize(
    ("status", "error", "tries"),
    [
        (400, Refused, 1),
        (404, NotFound, 1),
        (409, Conflict, 1),
        (413, TooLarge, 1),
        (429, Throttled, 4),
        (500, Indeterminate, 4),
        (503, Indeterminate, 4),
        (302, Refused, 1),
    ],
)
@pytest.mark.parametrize("use", ["dispatcher", "engine"])
def test_http_status_is_translated(use: str, status: int, error: type[ClefError], tries: int) -> None:  # T8
    functions = Functions(*(httpx.Response(status, text="why") for _ in range(4)))
    with pytest.raises(error, match=rf"http://.*status {status}: why") as caught:
        _use(functions, use)
    assert type(caught.value) is error
    assert len(functions.requests) == tries
    assert functions.clock.pauses == [0.05, 0.1, 0.2][: tries - 1]


def _use(functions: Functions, use: str) -> Any:
    if use == "dispatcher":
        return functions.dispatcher().send([invocation("i1")])
    return functions.engine().evaluate(completion("i1"))


@pytest.mark.parametrize(
    "failure",
    [
        lambda: httpx.ReadTimeout("slow"),
        lambda: httpx.RemoteProtocolError("cut"),
        lambda: httpx.Response(200, text="<html>"),
        lambda: httpx.Response(200, json={"completions": [{"id": 1}]}),
        lambda: httpx.Response(200, json={"other": []}),
    ],
)
def test_http_call_without_a_clear_answer_is_repeated_then_indeterminate(failure: Callable[[], Any]) -> None:  # T8
    functions = Functions(failure(), failure(), failure())
    assert len(_use(functions, "dispatcher")) == 1
    assert len(functions.requests) == 4
    functions = Functions(*(failure() for _ in range(4)))
    with pytest.raises(Indeterminate):
        _use(functions, "engine")


@pytest.mark.parametrize("failure", [httpx.ConnectError("refused"), httpx.ConnectTimeout("slow")])
def test_http_call_without_a_connection_is_repeated_then_unreachable(failure: Exception) -> None:  # E3 T8
    functions = Functions(failure, failure, failure)
    assert len(_use(functions, "dispatcher")) == 1
    functions = Functions(*(failure for _ in range(4)))
    with pytest.raises(Unreachable, match="nothing was sent"):
        _use(functions, "engine")


def test_http_url_without_a_scheme_is_refused_at_once() -> None:  # T8
    clock = TestClock()
    with httpx.Client() as client, pytest.raises(BadInput, match="scheme"):
        HttpDispatcher(client, lambda _: "user", clock).send([invocation("i1")])
    assert clock.pauses == []


def test_memory_transport_hands_on_and_gives_back() -> None:  # T1 T7
    received: list[Any] = []

    def receive(each: Any) -> list[Any]:
        received.append(each)
        return [completion("c-" + each.id)]

    sent = [invocation("i1"), invocation("p1", concept="Post")]
    assert MemoryDispatcher(receive).send(sent) == [completion("c-i1"), completion("c-p1")]
    MemoryPublisher(received.append).publish(completion("c1"))
    assert received == [*sent, completion("c1")]
