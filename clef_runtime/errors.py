"""One tree of errors. Each says whether the operation surely did not happen.

    ClefError
      BadInput                 what was given is wrong; nothing was done
        SyncSyntaxError        a .sync file that does not parse; carries file, line, column
        ManifestError          a deploy manifest that cannot be deployed; carries file and path in it
      Refused                  the service answered no: surely not done
        Conflict               a condition did not hold (somebody else was first)
        Throttled              over a rate limit: retry after a pause
        TooLarge               over a size limit: retrying does not help
        NotFound               a table, queue or function that does not exist
        Unreachable            nothing answers at the address: nothing was sent
      Indeterminate            no answer, or one that says nothing: may or may not have been done
      Held                     a firing is claimed by another instance and not yet sent: come again later
        Unavailable            a concept that an eventual sync needs cannot be reached: come again later

`definite` is true where the operation surely did not happen. `retryable` is true where the same call
may succeed later; whoever retries an indeterminate call must make it idempotent.
"""

from __future__ import annotations


class ClefError(Exception):
    """Base of all errors of the runtime."""

    definite = True
    retryable = False


class BadInput(ClefError):
    """What was given is wrong. Nothing was done; the same input fails again."""


class SyncSyntaxError(BadInput):
    """A `.sync` text that cannot be loaded.

    Args:
        message: what was found and what was expected.
        file: the file's name as given.
        line, column: 1-based.
        text: the offending line, shown with a caret.
    """

    def __init__(self, message: str, *, file: str, line: int, column: int, text: str = "") -> None:
        self.message, self.file, self.line, self.column, self.text = message, file, line, column, text
        caret = "\n".join(("", "  " + text.expandtabs(1), "  " + " " * (column - 1) + "^")) if text else ""
        super().__init__(f"{file}:{line}:{column}: {message}{caret}")


class ManifestError(BadInput):
    """A deploy manifest that cannot be deployed; `path` is the place in the file (`runtimes.engine.kind`).

    Args:
        text: every error found in the file, one a line; `message` is the first.
    """

    def __init__(self, message: str, *, file: str, path: str, text: str = "") -> None:
        self.message, self.file, self.path = message, file, path
        super().__init__(text or f"{file}: {path}: {message}")


class Refused(ClefError):
    """The service answered no. The operation surely did not happen."""


class Conflict(Refused):
    """A condition did not hold: somebody else was first.

    `after_doubt` is true where an earlier attempt of the same call got no answer: that somebody else may be
    the caller itself.
    """

    after_doubt = False


class Throttled(Refused):
    """Over a rate limit. Retry after a pause."""

    retryable = True


class TooLarge(Refused):
    """Over a size limit. Retrying does not help."""


class NotFound(Refused):
    """A table, queue, function or concept that does not exist."""


class Unreachable(Refused):
    """No connection could be made: nothing was sent. The address is wrong, or whatever listens there is down."""

    retryable = True


class Indeterminate(ClefError):
    """A time-out, a broken connection or a server error: the operation may or may not have happened."""

    definite = False
    retryable = True


class Held(ClefError):
    """Another instance holds the claim of a firing and has not yet sent it. Nothing is lost: come again.

    Args:
        retry_after_s: seconds until the claim expires, at least 0.
    """

    retryable = True

    def __init__(self, message: str, *, retry_after_s: float) -> None:
        self.retry_after_s = max(0.0, retry_after_s)
        super().__init__(message)


class Unavailable(Held):
    """A concept that an eventual sync needs cannot be reached now. Nothing is lost: come again."""
