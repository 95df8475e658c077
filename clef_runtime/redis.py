"""What the adapters over Redis share: commands as lists of words, whoever carries them, and what an error means."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from clef_runtime.context import Clock
from clef_runtime.errors import BadInput, ClefError, Conflict, Indeterminate, Refused, Throttled, TooLarge
from clef_runtime.retry import Caller, Retry

_CONNECT_S, _ANSWER_S = 1.0, 5.0

_LATER = frozenset(
    # Refused before anything was done, and over when memory is freed or a server is loaded, found or has taken over.
    ("BUSY", "CLUSTERDOWN", "LOADING", "MASTERDOWN", "NOREPLICAS", "OOM", "READONLY", "TRYAGAIN")
)


class Commands:
    """Runs commands, repeated within `retry`: each adapter's are idempotent.

    Args:
        execute: sends one command, a list of text, and gives its answer, text decoded. Its own retries are off.
        catch, translate: as `Caller` has them.
    """

    def __init__(
        self,
        execute: Callable[[list[str]], Any],
        clock: Clock,
        retry: Retry,
        catch: tuple[type[Exception], ...],
        translate: Callable[[Exception], ClefError],
    ) -> None:
        def meaning(error: Exception, arguments: Mapping[str, Any]) -> ClefError:
            if isinstance(error, Conflict):
                return error
            if isinstance(error, UnicodeError):
                return BadInput(f"{arguments['command'][0]}: not text: {error}")
            return translate(error)

        self._execute, self._clock = execute, clock
        self._call = Caller(clock, retry, (*catch, UnicodeError, Conflict), meaning)

    def __call__(self, *command: str | int, zero: Conflict | None = None) -> Any:
        """The command's answer.

        Raises:
            Throttled, Refused, Indeterminate: as the service's error or silence means.
            Conflict: `zero`, where it is given and the answer is 0.
        """
        return self._call(self._run, {"command": [str(word) for word in command], "zero": zero})

    def _run(self, command: list[str], zero: Conflict | None) -> Any:
        answer = self._execute(command)
        if zero is not None and answer == 0:
            raise zero
        return answer


def client(url: str) -> Any:
    """A redis-py client for `redis://..` or `rediss://..`: without retries by the SDK (the runtime does them, on its
    Clock), text decoded, time-outs as the AWS clients have them.

    Raises:
        BadInput: no such URL.
    """
    from redis import Redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry as SdkRetry

    try:
        return Redis.from_url(
            url,
            retry=SdkRetry(NoBackoff(), 0),
            decode_responses=True,
            socket_connect_timeout=_CONNECT_S,
            socket_timeout=_ANSWER_S,
            socket_keepalive=True,
        )
    except ValueError as error:
        raise BadInput(f"Redis URL: {error}; give redis://<host>:<port>/<database>") from error


def redis_commands(client: Any, clock: Clock, retry: Retry = Retry()) -> Commands:  # noqa: B008 - frozen
    """Commands over redis-py's client.

    Args:
        client: made by `client(url)`.
    """
    from redis.exceptions import RedisError

    return Commands(lambda command: client.execute_command(*command), clock, retry, (RedisError,), _of_redis)


def _of_redis(error: Exception) -> ClefError:
    from redis import exceptions

    words = f"Redis: {type(error).__name__}: {error}"
    if isinstance(error, exceptions.AuthenticationError | exceptions.AuthorizationError):
        return Refused(words)
    if isinstance(error, exceptions.MaxConnectionsError):
        return Throttled(words)  # none of this client's own was free
    if isinstance(error, exceptions.ResponseError | exceptions.BusyLoadingError):
        return of_code(getattr(error, "status_code", None) or _first_word(str(error)), words)
    if isinstance(error, exceptions.DataError):
        return BadInput(words)
    return Indeterminate(f"{words}; it may have been done")


def of_code(code: str, words: str) -> ClefError:
    """The runtime's error for an error that the service answered; `code` is the first word of it."""
    if code in _LATER:
        return Throttled(words)
    if "size exceeded" in words:
        return TooLarge(words)  # Upstash has no code for it, only words
    return Refused(words)


def of_answer(text: str, words: str) -> ClefError:
    """As `of_code`, by the whole text. What begins with no code is not Redis's own: nobody knows what was done."""
    code = _first_word(text)
    return of_code(code, words) if code.isupper() else Indeterminate(f"{words}; it may have been done")


def _first_word(text: str) -> str:
    return text.partition(" ")[0]
