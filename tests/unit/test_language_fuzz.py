"""Whatever the text: compiled syncs or a located error, and what compiles survives a round trip."""

import sys
from pathlib import Path
from types import FrameType

from hypothesis import example, given, settings
from hypothesis import strategies as st

from clef_runtime.errors import SyncSyntaxError
from clef_runtime.language import from_exchange, parse_text, to_exchange
from clef_runtime.language.check import check_expressions, check_sync
from clef_runtime.language.clef_form import words

TEXT = (Path(__file__).parent / "sync_cases" / "every_construct.sync").read_text(encoding="utf-8")
WORDS = list(words(TEXT))
SIGNS = [
    *("sync A", "when {", "where {", "then {", "for each ?x in ?y {", "bind(", "filter(", "any(", "purpose {"),
    *("A/b:", "f:", "?x", "?", '"s"', "1", "1.5", "_", "as ?v", "cond(", "default =>", "not", "or", "in", "=>"),
    *("}", "[", "]", "(", ")", "{", ":", ";", ",", "/", ".", "-", "+", '"', "'", "#", "//", "\n", "\\", "é", "\x00"),
]


def survives(text: str) -> None:
    try:
        syncs = parse_text(text, "f.sync")
    except SyncSyntaxError as error:
        lines = text.split("\n")
        assert 1 <= error.line <= len(lines)
        assert 1 <= error.column <= len(lines[error.line - 1]) + 1
        return
    for sync in syncs:
        assert from_exchange(to_exchange(sync)) == sync
        for finding in (*check_expressions(syncs, text, None), *check_sync(sync, text, {})):
            assert finding.line >= 1 and finding.column >= 1


@given(st.text(max_size=200))
@settings(max_examples=150, deadline=None)
@example("\ufeff")
@example("sync A when { } then { A/b: [ x: " + "9" * 5_000 + " ] }")
def test_random_text_never_breaks_the_parser(text: str) -> None:
    survives(text)


@given(st.lists(st.sampled_from(SIGNS), max_size=60).map(" ".join))
@settings(max_examples=300, deadline=None)
def test_random_signs_never_break_the_parser(text: str) -> None:
    survives(text)


@given(st.integers(0, len(TEXT)))
@settings(max_examples=150, deadline=None)
def test_truncated_file_never_breaks_the_parser(end: int) -> None:
    survives(TEXT[:end])


@given(st.lists(st.tuples(st.sampled_from(WORDS), st.sampled_from(["", *SIGNS])), min_size=1, max_size=3))
@settings(max_examples=300, deadline=None)
def test_changed_words_never_break_the_parser(changes: list[tuple[tuple[str, int, int], str]]) -> None:
    text = TEXT
    for (_, start, end), sign in sorted(changes, key=lambda change: -change[0][1]):
        text = text[:start] + sign + text[end:]
    survives(text)


def calls(text: str) -> int:
    """How many Python calls it takes to read and check a text: a measure that no machine changes."""
    count = 0

    def counts(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal count
        count += event == "call"

    sys.setprofile(counts)
    try:
        for sync in parse_text(text, "f.sync"):
            list(check_sync(sync, text, {}))
    finally:
        sys.setprofile(None)
    return count


def test_work_grows_with_the_size_of_the_file_and_no_faster() -> None:
    sync = TEXT[TEXT.index("sync Everything") : TEXT.index("sync Second")]
    calls(sync)  # the parser is made, the expressions are known
    assert calls(sync * 40) < 4.1 * calls(sync * 10)
