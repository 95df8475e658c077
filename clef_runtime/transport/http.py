"""Transport over HTTP: the engine calls the concepts' functions, functions call the persistent engine.

| call | body | answer |
| --- | --- | --- |
| `POST <function>/_clef/invoke` | `{"invocations": [..]}` | `{"completions": [..]}` |
| `POST <engine>/completions` | `{"completions": [..]}` | `{"completions": [..]}`, those of the flows so far |

A body is at most `BODY_BYTES`; more invocations go in several calls. No answer, or a 5xx status, is
indeterminate and sent again: receivers recognise ids. No connection is Unreachable, 404 NotFound, 409 Conflict,
413 TooLarge, 429 Throttled, any other status but 2xx a refusal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import httpx
import msgspec

from clef_runtime.context import Clock
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
from clef_runtime.model import Completion, Invocation, completion_from, encode
from clef_runtime.retry import Caller, Retry
from clef_runtime.transport.batches import batches

INVOKE_PATH = "/_clef/invoke"
COMPLETIONS_PATH = "/completions"

BODY_BYTES = 6_000_000
"""Below Lambda's 6 MB for a synchronous call, with room for the envelope that an event puts around it."""

_REFUSALS: dict[int, type[ClefError]] = {
    404: NotFound,
    408: Indeterminate,
    409: Conflict,
    413: TooLarge,
    429: Throttled,
}

_decode = msgspec.json.Decoder(dict[str, Any]).decode


class HttpDispatcher:
    """Sends invocations to their concepts' functions, those of one function together, in their order.

    Args:
        client: with its own time-outs; longer than a function may run. It must not retry.
        url_of: a concept's function, by URN: scheme, host and path without a slash at the end.
        retry: a call without an answer is sent again.
    """

    def __init__(
        self,
        client: httpx.Client,
        url_of: Callable[[str], str],
        clock: Clock,
        *,
        retry: Retry = Retry(),  # noqa: B008 - frozen
    ) -> None:
        self._post = _Poster(client, clock, retry)
        self._url_of = url_of

    def send(self, invocations: Sequence[Invocation]) -> list[Completion]:
        functions: dict[str, list[bytes]] = {}
        for invocation in invocations:
            functions.setdefault(self._url_of(invocation.concept), []).append(encode(invocation))
        calls = [(url, batch) for url, bodies in functions.items() for batch in _batches(bodies)]
        completions: list[Completion] = []
        for url, batch in calls:
            completions += self._post(url + INVOKE_PATH, b'{"invocations":[' + b",".join(batch) + b"]}")
        return completions


class HttpEngineClient:
    """The persistent engine, as a function sees it; also a `Publisher`. Arguments as `HttpDispatcher`."""

    def __init__(
        self,
        client: httpx.Client,
        url: str,
        clock: Clock,
        *,
        retry: Retry = Retry(),  # noqa: B008 - frozen
    ) -> None:
        self._post = _Poster(client, clock, retry)
        self._url = url + COMPLETIONS_PATH

    def evaluate(self, completion: Completion) -> list[Completion]:
        """Hands a completion over and waits until the flow is quiet.

        Returns:
            The completions of the flow so far.

        Raises:
            Indeterminate, Refused: not all of it may be evaluated; evaluate again.
        """
        (batch,) = _batches([encode(completion)])
        return self._post(self._url, b'{"completions":[' + batch[0] + b"]}")

    def publish(self, completion: Completion) -> None:
        self.evaluate(completion)


class _Poster:
    """One POST of messages, answered with completions."""

    def __init__(self, client: httpx.Client, clock: Clock, retry: Retry) -> None:
        self._client = client
        self._call = Caller(clock, retry, (httpx.HTTPError, httpx.InvalidURL, ClefError), _translate)

    def __call__(self, url: str, body: bytes) -> list[Completion]:
        completions: list[Completion] = self._call(self._once, {"url": url, "body": body})
        return completions

    def _once(self, url: str, body: bytes) -> list[Completion]:
        answer = self._client.post(url, content=body, headers={"content-type": "application/json"})
        if not answer.is_success:
            raise _refusal(url, answer)
        try:
            return [completion_from(each) for each in _decode(answer.content)["completions"]]
        except (msgspec.MsgspecError, KeyError, TypeError, BadInput) as error:
            raise Indeterminate(
                f'POST {url}: the answer must be {{"completions": [..]}}; it is {answer.text[:80]!r} ({error})'
            ) from error


def _translate(error: Exception, arguments: Mapping[str, Any]) -> ClefError:
    if isinstance(error, ClefError):
        return error
    words = f"POST {arguments['url']}: {type(error).__name__}: {error}"
    if isinstance(error, httpx.InvalidURL | httpx.UnsupportedProtocol):
        return BadInput(f"{words}; give the function's URL with its scheme")
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        return Unreachable(f"{words}; nothing was sent")
    return Indeterminate(f"{words}; it may have been done")


def _refusal(url: str, answer: httpx.Response) -> ClefError:
    words = f"POST {url}: status {answer.status_code}: {answer.text[:200]}"
    if answer.status_code >= 500:
        return Indeterminate(f"{words}; it may have been done")
    return _REFUSALS.get(answer.status_code, Refused)(words)


def _batches(bodies: Sequence[bytes]) -> list[list[bytes]]:
    cut = batches(
        bodies,
        lambda body: len(body) + 1,  # and a comma
        bytes_max=BODY_BYTES,
        name=lambda body: f"message {body[:80]!r}",
    )
    return list(cut)
