"""What a reader of syncs has to say about them, each with its place."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable
from typing import Literal, TypeAlias

import msgspec

from clef_runtime.errors import SyncSyntaxError
from clef_runtime.language.functions import UNREADABLE

Severity: TypeAlias = Literal["error", "warning"]


class Finding(msgspec.Struct, frozen=True, order=True):
    """One thing to say about a file. `error`: an app with it is not run. `line` and `column` are 1-based.

    `text` is the source line, where the finding comes from a text.
    """

    file: str
    line: int
    column: int
    severity: Severity
    code: str
    message: str
    text: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.severity}: {self.message} [{self.code}]"

    def as_error(self) -> SyncSyntaxError:
        return SyncSyntaxError(self.message, file=self.file, line=self.line, column=self.column, text=self.text)


def finding_of(error: SyncSyntaxError) -> Finding:
    """The finding that says the same as `error`."""
    return Finding(error.file, error.line, error.column, "error", "syntax", error.message, error.text.rstrip("\r\n"))


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean X?`, or nothing where no known word is near."""
    names = sorted(known)
    by_lower = {name.lower(): name for name in names}
    near = difflib.get_close_matches(word.lower(), list(by_lower), n=1, cutoff=0.7)
    return f"; did you mean `{by_lower[near[0]]}`?" if near else ""


def unknown_function(name: str, known: Collection[str]) -> str:
    """The message for a call of a function that nobody registered."""
    if name == UNREADABLE:
        return "an expression could not be read when this sync was compiled; check the sync's file"
    hint = did_you_mean(name, known)
    return f"unknown function `{name}`{hint or ': register it with the app, or use a built-in one'}"
